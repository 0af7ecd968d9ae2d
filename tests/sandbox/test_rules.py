"""The rules themselves: pure, deterministic, checked parameters, an auditor that sees."""

import ast
import random
from pathlib import Path

import msgspec
import pytest

import bottalk.sandbox
from bottalk.sandbox.rules import conversation, polling, sending, session, writing
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import EASY, FIELD, HARSH, PROFILES
from bottalk.sandbox.rules.record import CALLS_KEPT, Call, Record
from bottalk.sandbox.rules.world import World, new_session
from tests.sandbox.client import USER, send_body

PACKAGE = Path(bottalk.sandbox.__file__).parent


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_rules_import_neither_trio_nor_a_clock_nor_random() -> None:
    for path in sorted((PACKAGE / "rules").glob("*.py")):
        roots = {name.partition(".")[0] for name in imports(path)}
        assert not roots & {"trio", "time", "datetime", "random", "secrets", "os", "httpx", "quart"}, path.name
        ours = {name for name in imports(path) if name.startswith("bottalk")}
        assert all(name.startswith("bottalk.sandbox.rules") for name in ours), path.name


def test_the_sandbox_shares_no_code_with_the_rest() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        foreign = {name for name in imports(path) if name.startswith(("bottalk", "supervisors"))}
        assert all(name == "bottalk" or name.startswith("bottalk.sandbox") for name in foreign), path.name


def story(seed: int) -> list[object]:
    world = World(random.Random(seed), FIELD.changed(inbound_dup=0.5))
    told: list[object] = []
    bot = new_session(world, USER, 0)
    for now in range(1, 40):
        writing.write(world, USER, f"at {now}", None, now)
        told.append(sending.sendmessage(world, bot, send_body(f"to {now}"), now))
        poll = polling.begin(world, bot, "", now)
        assert poll is not None
        told.append(polling.step(world, bot, poll, now))
        polling.end(world, bot, poll)
    return told


def test_the_same_seed_tells_the_same_story() -> None:
    assert story(3) == story(3)
    assert story(3) != story(4)


def test_parameters_are_checked() -> None:
    assert FIELD.changed(burst=[[12, 300]]).burst == ((12, 300.0),)
    for changes in ({"quota": -1}, {"quota": "ten"}, {"cursor_mode": "maybe"}, {"nonsense": 1}, {"inbound_dup": 2}):
        with pytest.raises(ValueError, match=r"\w"):
            FIELD.changed(**changes)


def test_profiles() -> None:
    assert set(PROFILES) == {"field", "harsh", "easy", "demo"}
    assert (HARSH.context_check, HARSH.quota_scope, HARSH.window_s, HARSH.takeover_delay_s) == (
        "strict",
        "token",
        39_600,
        29,
    )
    assert (EASY.id_style, EASY.cursor_mode, EASY.unknown_token, EASY.burst) == ("none", "replay", "http401", ())


def test_the_record_is_bounded_and_its_counters_are_not() -> None:
    record = Record()
    for number in range(CALLS_KEPT + 5):
        record.add(Call(number, "sendmessage", "", outcome="ok"))
    assert len(record.calls) == CALLS_KEPT
    assert record.counters["sendmessage", "ok", ""] == CALLS_KEPT + 5


def test_conversation_states() -> None:
    talk = conversation.Conversation()
    assert conversation.window(talk.latest, FIELD, 0) is conversation.Window.NEVER_OPENED
    conversation.open_window(talk, "t", 0)
    assert conversation.window(talk.latest, FIELD, 86_399) is conversation.Window.OPEN
    assert conversation.window(talk.latest, FIELD, 86_400) is conversation.Window.AGED
    for _ in range(10):
        conversation.spend(talk, FIELD, 0, None)
    assert conversation.window(talk.latest, FIELD, 0) is conversation.Window.SPENT
    with pytest.raises(RuntimeError):
        conversation.spend(conversation.Conversation(), FIELD, 0, None)


def test_the_auditor_sees_what_the_rules_must_not_do() -> None:
    world = World(random.Random(1), FIELD)
    bot = new_session(world, USER, 0)

    def breaches(count: int, word: str) -> None:
        assert len(world.audit.breaches) == count
        assert word in world.audit.breaches[-1]

    world.audit.sent(bot, FIELD, 0, None)
    breaches(1, "before the first inbound")
    writing.write(world, USER, "hi", None, 0)
    for _ in range(11):
        world.audit.sent(bot, FIELD, 1, None)
    breaches(2, "11 accepted, 10 allowed")
    writing.write(world, USER, "hi", None, 2)
    world.audit.sent(bot, FIELD, 86_402, None)
    breaches(3, "86400 s after")
    bot.half_dead = True
    world.audit.sent(bot, FIELD, 3, None)
    breaches(4, "half_dead")
    bot.half_dead = False
    conversation.begin_penalty(bot.conversation, 3, 10)
    world.audit.sent(bot, FIELD, 3, None)
    breaches(5, "in a penalty")
    message = bot.inbox.messages[0]
    world.audit.handed_out(bot, FIELD, [message])
    world.audit.handed_out(bot, FIELD, [message])
    breaches(6, "handed out twice")
    world.people[USER].chat.append(session.PhoneMessage("from nowhere", 4))
    with pytest.raises(AssertionError, match="on the phone"):
        world.audit.check(world.people, world.sessions)


def test_two_live_bots_are_a_breach() -> None:
    world = World(random.Random(1), FIELD)
    first = new_session(world, USER, 0)
    new_session(world, USER, 1)
    world.audit.check(world.people, world.sessions)
    first.dies_at = None
    with pytest.raises(AssertionError, match="more than one live bot"):
        world.audit.check(world.people, world.sessions)


def test_a_fault_is_checked_when_it_is_read() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind":"earthquake"}', type=Fault)
