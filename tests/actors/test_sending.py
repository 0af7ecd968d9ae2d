"""When which row goes, through the whole tree, in virtual time."""

from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from bottalk.delivery import digest
from bottalk.delivery.digest import Batch, Style, freeze
from bottalk.health import Cause
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.values import Closed, Priority, Reason, Row, RowStatus
from bottalk.words import DEFAULT
from tests.actors.spending import spend
from tests.support.world import Person, World, open_world

LOW, URGENT = Priority.LOW, Priority.URGENT


def sends(world: World) -> list[float]:
    return [call.at for call in world.sandbox.record.of("sendmessage")]


# --- low ---


async def test_low_goes_along_behind_the_others(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        before = trio.current_time()
        answer = await world.push(person, "不急", priority=LOW)
        assert (answer.rows[0].outcome.status, trio.current_time()) == (RowStatus.QUEUED, before), "told at once"
        await trio.sleep(1800)
        assert world.texts(person) == []
        assert (await world.push(person, "急一点")).rows[0].outcome.status is RowStatus.SUCCESS
        (text,) = world.texts(person)
        assert text.index("急一点") < text.index("不急")


async def test_low_goes_alone_an_hour_after_it_was_accepted(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "甲", priority=LOW)
        await trio.sleep(3000)
        await world.push(person, "乙", priority=LOW)
        await trio.sleep(590)
        assert world.texts(person) == []
        await trio.sleep(15)
        (text,) = world.texts(person)
        assert text.index("甲") < text.index("乙"), "what is low as well goes along"


async def test_low_with_a_delay_counts_from_its_time(tmp_path: Path, autojump_clock: object) -> None:
    settings: dict[str, Any] = {"delivery.low_hold": 600.0}
    async with open_world(tmp_path, **settings) as world:
        person = await world.active()
        await world.push(person, "不急", priority=LOW, delay=3600)
        await trio.sleep(3600 + 590)
        assert world.texts(person) == []
        await trio.sleep(15)
        assert world.texts(person) == ["不急"]


# --- the end of a window ---


async def test_the_last_messages_say_so(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 10)
        texts = world.texts(person)
        assert [n for n, text in enumerate(texts) if text != f"第 {n} 条"] == [7, 9]
        assert texts[7] == "第 7 条\n\n" + DEFAULT.few_left.format(left=2)
        assert texts[9] == "第 9 条\n\n" + DEFAULT.last


async def test_the_last_message_is_kept_for_more(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 9)
        began = trio.current_time()
        answer = await world.push(person, "甲")
        assert (answer.rows[0].outcome.status, trio.current_time()) == (RowStatus.QUEUED, began)
        await trio.sleep(200)
        await world.push(person, "乙", wait=0)
        await trio.sleep(95)
        assert len(world.texts(person)) == 9
        await trio.sleep(10)
        last = world.texts(person)[9]
        assert "甲" in last
        assert "乙" in last


async def test_the_last_message_goes_when_what_waits_fills_it(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=DEMO) as world:
        person = await world.active()
        await spend(world, person, 9)
        await trio.sleep(60)
        for n in range(4):
            await world.push(person, f"{n}" * 600, wait=0)
        await world.until(lambda: len(world.texts(person)) == 10, within=2)
        assert world.texts(person)[9].endswith(DEFAULT.last)


async def test_the_last_message_goes_at_once_for_what_is_urgent(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 9)
        await world.push(person, "可等", wait=0)
        await trio.sleep(60)
        answer = await world.push(person, "着火了", priority=URGENT)
        assert answer.rows[0].outcome.status is RowStatus.SUCCESS
        assert "可等" in world.texts(person)[9]


# --- a text in several messages ---


def in_thirds(rows: list[Row], style: Style, tail: str = "") -> Batch:
    """Texts that begin with 长 go in three parts."""
    row = rows[0]
    if not row.title.startswith("长"):
        return freeze([row], row.title)
    part = row.parts_sent + 1
    batch = freeze([row], f"{row.title} {part}/3")
    return replace(batch, parts_sent=part if part < 3 else 0)


@pytest.fixture
def thirds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "compose", in_thirds)


async def test_parts_follow_each_other_before_anything_else(
    tmp_path: Path, autojump_clock: object, thirds: None
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        long = await world.push(person, "长", wait=0)
        await world.until(lambda: len(world.texts(person)) == 1)
        await world.push(person, "急", wait=0, priority=URGENT)
        await world.until(lambda: world.waiting(person) == 0, within=60)
        assert world.texts(person) == ["长 1/3", "长 2/3", "长 3/3", "急"]
        assert world.channel(person).window.spent == 4
        assert long.push_id is not None
        assert long.readkey is not None
        (story,) = await world.daemon.services.pushes.story(long.push_id, long.readkey)
        assert story.outcome.status is RowStatus.SUCCESS


async def test_a_restart_goes_on_with_the_next_part(tmp_path: Path, autojump_clock: object, thirds: None) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "长", wait=0)
        await world.until(lambda: len(world.texts(person)) == 1)
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await again.until(lambda: again.waiting(person) == 0, within=60)
        assert again.texts(person) == ["长 1/3", "长 2/3", "长 3/3"]


async def test_a_part_that_fails_is_tried_again_and_the_others_are_not(
    tmp_path: Path, autojump_clock: object, thirds: None
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "长", wait=0)
        await world.until(lambda: len(world.texts(person)) == 1)
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=2))
        await world.until(lambda: world.waiting(person) == 0, within=60)
        assert world.texts(person) == ["长 1/3", "长 2/3", "长 3/3"]


async def test_a_text_that_was_begun_is_neither_replaced_nor_dropped(
    tmp_path: Path, autojump_clock: object, thirds: None
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 8)
        await world.push(person, "长", wait=0, replace_key="k")
        await world.until(lambda: len(world.texts(person)) == 10, within=400)
        assert world.channel(person).window.spent == 10
        await world.push(person, "新", wait=0, replace_key="k")
        user_id = world.channel(person).user_id
        assert await world.daemon.services.channels.drop_queue(user_id, person.channel_id) == 1
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=60)
        assert world.texts(person)[8:] == ["长 1/3", "长 2/3", "长 3/3"]


# --- between tries ---


async def test_urgent_goes_between_the_tries_of_another_message(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=2))
        await world.push(person, "慢", wait=0)
        await world.until(lambda: len(sends(world)) == 2, within=20)
        answer = await world.push(person, "着火了", priority=URGENT)
        assert answer.rows[0].outcome.status is RowStatus.SUCCESS
        assert world.texts(person) == ["着火了"], "in a message of its own"
        await world.until(lambda: world.waiting(person) == 0, within=5)
        assert world.texts(person) == ["着火了", "慢"]
        world.sandbox.check_invariants()


async def test_urgent_never_overtakes_what_is_urgent(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=6))
        await world.push(person, "慢", wait=0)
        await trio.sleep(0.1)
        await world.push(person, "急 1", wait=0, priority=URGENT)
        await trio.sleep(0.1)
        began = trio.current_time()
        answer = await world.push(person, "急 2", priority=URGENT)
        assert answer.rows[0].outcome.status is RowStatus.QUEUED or trio.current_time() - began <= 3
        await world.push(person, "平常", wait=0)
        await world.until(lambda: world.waiting(person) == 0, within=120)
        everything = "\n".join(world.texts(person))
        assert everything.index("急 1") < everything.index("急 2") < everything.index("平常")
        assert everything.index("慢") < everything.index("平常")


async def test_a_penalty_holds_urgent_too(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.set(penalty_extends=False)
        person = await world.active()
        world.sandbox.penalize(person.user, 25)
        await world.push(person, "慢", wait=0)
        await world.until(lambda: world.channel(person).window.penalty_step == 1)
        tried = len(sends(world))
        answer = await world.push(person, "着火了", priority=URGENT)
        assert answer.rows[0].outcome.status is RowStatus.QUEUED
        await trio.sleep(28)
        assert len(sends(world)) == tried
        await world.until(lambda: world.waiting(person) == 0, within=10)
        (text,) = world.texts(person)
        assert text.index("着火了") < text.index("慢")


async def test_after_a_word_during_a_penalty_one_message_goes_first(tmp_path: Path, autojump_clock: object) -> None:
    """iLink's penalty outlasts the user's word: one message finds out, and the rest follows at the next step."""
    async with open_world(tmp_path) as world:
        world.sandbox.set(penalty_extends=False)
        person = await world.active()
        world.sandbox.penalize(person.user, 100)
        for n in range(3):
            await world.push(person, f"{n}" * 1500, wait=0)
        await world.until(lambda: world.channel(person).window.penalty_step == 1)
        tried = len(sends(world))
        await world.write(person)
        await trio.sleep(60)
        assert len(sends(world)) == tried + 1
        assert world.channel(person).window.penalty_step == 2
        await world.until(lambda: world.waiting(person) == 0, within=120)
        assert len(sends(world)) == tried + 4


# --- what is said of it ---


def cause(world: World, person: Person) -> Cause | None:
    return world.daemon.services.channels.view(world.channel(person)).health.cause


async def test_nothing_is_being_retried_when_nothing_waits_any_more(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", seconds=3600))
        await world.push(person, "只在十分钟内有用", ttl=600, wait=0)
        await trio.sleep(300)
        assert cause(world, person) is Cause.RETRYING
        await world.until(lambda: world.waiting(person) == 0)
        await trio.sleep(1)
        assert cause(world, person) is None


@pytest.mark.parametrize(
    "fault", [Fault(kind="wrong_code", endpoint="sendmessage", ret=-2), Fault(kind="hang", endpoint="sendmessage")]
)
async def test_a_closed_window_waits_for_a_word_whatever_was_retried_before(
    tmp_path: Path, autojump_clock: object, fault: Fault
) -> None:
    """Refused for its age after a failed try; or the last message was cut, which spends it."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 9)
        await trio.sleep(9 * 3600)
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage"))
        await world.push(person, "急", priority=URGENT, wait=0)
        await world.until(lambda: cause(world, person) is Cause.RETRYING, within=1)
        world.sandbox.arm(fault)
        await trio.sleep(60)
        assert world.waiting(person) == 1
        assert cause(world, person) is Cause.WAITING_FOR_REPLY


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", endpoint="sendmessage", seconds=600, status=429, retry_after=3600),
        Fault(kind="status", endpoint="sendmessage", seconds=600),
    ],
    ids=["429", "503"],
)
async def test_a_new_binding_is_judged_by_itself(tmp_path: Path, autojump_clock: object, fault: Fault) -> None:
    """What the old bot's calls were answered neither holds the new one nor is said of it."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(fault)
        await world.push(person, "等着", wait=0)
        await trio.sleep(300)
        assert cause(world, person) is Cause.RETRYING
        await world.bind(person.user)
        await world.until(lambda: cause(world, person) is Cause.WAITING_FOR_REPLY, within=10)
        await trio.sleep(300)
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=5)


# --- closed ---


async def test_a_closed_window_is_probed_once_an_hour_whatever_comes_of_it(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 10)
        closed_at = sends(world)[-1]
        await world.push(person, "等着", wait=0)
        faults = [
            Fault(kind="status", endpoint="sendmessage"),
            Fault(kind="hang", endpoint="sendmessage"),
            Fault(kind="wrong_code", endpoint="sendmessage", ret=-1),
        ]
        for fault in faults:
            world.sandbox.arm(fault)
            await trio.sleep(3600)
        await trio.sleep(3 * 3600 + 60)
        probes = [at for at in sends(world) if at > closed_at]
        assert len(probes) == 6
        assert all(after - before >= 3599 for before, after in zip([closed_at, *probes], probes, strict=False))
        assert world.texts(person)[10:] == []
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=5)


async def test_a_probe_that_is_accepted_shows_a_word_that_was_lost(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 10)
        for n in range(3):
            await world.push(person, f"{n}" * 1500, wait=0)
        world.sandbox.arm(Fault(kind="lost_updates", endpoint="getupdates"))
        world.sandbox.write(person.user)
        life = world.channel(person).window.life
        await trio.sleep(3610)
        assert world.waiting(person) == 0
        window = world.channel(person).window
        assert (window.epoch, window.spent, window.life) == (2, 3, life)
        assert window.opened_at is not None
        assert 3590 <= world.clock.now() - window.opened_at <= 3620
        world.sandbox.check_invariants()


async def test_a_channel_that_was_never_opened_is_never_tried(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.bind(person.user)
        answer = await world.push(person, "等第一句话")
        assert answer.rows[0].outcome.reason is Reason.CONTEXT_EXPIRED
        await trio.sleep(5 * 3600)
        assert sends(world) == []


async def test_three_accepted_without_an_id_make_it_suspicious_and_are_not_sent_again(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "有编号")
        world.sandbox.silent_drop(person.user)
        for n in range(3):
            answer = await world.push(person, f"{n}", wait=10)
            assert answer.rows[0].outcome.status is RowStatus.SUCCESS
        assert answer.push_id is not None
        assert answer.readkey is not None
        (story,) = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
        assert '"confirmed":false' in story.response
        health = world.daemon.services.channels.view(world.channel(person)).health
        assert health.cause is not None
        assert health.cause.value == "silent_drop_suspected"
        assert len(sends(world)) == 4
        await world.write(person)
        assert world.daemon.services.channels.view(world.channel(person)).health.cause is None


# --- what iLink asks for ---


async def test_429_with_retry_after_is_obeyed(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", status=429, endpoint="sendmessage", retry_after=90))
        began = trio.current_time()
        await world.push(person, "甲", wait=0)
        await world.until(lambda: len(sends(world)) == 1)
        answer = await world.push(person, "乙", priority=URGENT, wait=20)
        assert (answer.rows[0].outcome.status, trio.current_time() - began < 1) == (RowStatus.QUEUED, True)
        await trio.sleep(88)
        assert len(sends(world)) == 1
        await world.until(lambda: world.waiting(person) == 0, within=3)
        window = world.channel(person).window
        assert (window.spent, window.penalty_step, window.closed) == (1, 0, None)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=429, endpoint="sendmessage"),
        Fault(kind="status", status=429, endpoint="sendmessage", retry_after=0),
        Fault(kind="wrong_code", ret=-13, endpoint="sendmessage"),
    ],
    ids=["429", "429, again at once", "-13"],
)
@pytest.mark.parametrize("hours", [0, 9])
async def test_a_rate_limit_without_a_time_is_a_burst(
    tmp_path: Path, autojump_clock: object, fault: Fault, hours: float
) -> None:
    """At any age of the window: it says nothing of that."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await trio.sleep(hours * 3600)
        world.sandbox.arm(fault)
        await world.push(person, "甲", wait=0)
        await world.until(lambda: world.channel(person).window.penalty_step == 1)
        await world.until(lambda: world.texts(person) == ["甲"], within=31)


async def test_a_poll_obeys_retry_after_too(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        await world.active()
        world.sandbox.arm(Fault(kind="status", status=429, endpoint="getupdates", retry_after=90))
        await world.until(lambda: any(call.status == 429 for call in world.sandbox.record.calls), within=60)
        refused_at = world.sandbox.now
        await trio.sleep(150)
        later = [call.at for call in world.sandbox.record.of("getupdates") if call.at > refused_at + 1]
        assert later[0] - refused_at >= 89


# --- a start ---


async def test_first_sends_after_a_start_are_spread(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=DEMO) as world:
        people = [await world.bind(ip=f"198.51.100.{n}") for n in range(20)]
        for person in people:
            await world.write(person)
            await world.push(person, "先", wait=0)
            await world.until(lambda: world.waiting(people[-1]) == 0)
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", seconds=60))
        for person in people[1:]:
            await world.push(person, "重启前", wait=0)
        await trio.sleep(1)
    world.sandbox.disarm()
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        began = again.sandbox.now
        idle = await again.push(people[0], "新的")
        assert idle.rows[0].outcome.status is RowStatus.SUCCESS
        assert again.sandbox.now - began < 0.5, "a push to an idle channel waits for nobody"
        await again.until(lambda: all(again.waiting(person) == 0 for person in people), within=6)
        times = sorted(at - began for at in sends(again) if at > began + 0.5)
        assert len(times) >= 15
        assert times[-1] <= 5.5
        assert times[-1] - times[0] > 3


# --- one check of a session ---


@pytest.mark.parametrize("first", ["poll", "send"])
async def test_a_stale_session_seen_by_both_loops_is_checked_once(
    tmp_path: Path, autojump_clock: object, first: str
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await trio.sleep(10)
        world.sandbox.arm(Fault(kind="delay", endpoint="notifystart", delay_s=1.0))
        stale = Fault(kind="wrong_code", endpoint="sendmessage", ret=-14)
        before = len(world.sandbox.record.of("notifystart"))
        if first == "send":
            world.sandbox.arm(stale)
            await world.push(person, "甲", wait=0)
            await trio.sleep(0.2)
            world.sandbox.arm(Fault(kind="wrong_code", endpoint="getupdates", ret=-14, when="after"))
            world.sandbox.write(person.user)
        else:
            world.sandbox.arm(Fault(kind="wrong_code", endpoint="getupdates", ret=-14, when="after"))
            world.sandbox.write(person.user)
            await trio.sleep(0.2)
            world.sandbox.arm(stale)
            await world.push(person, "甲", wait=0)
        await world.until(lambda: world.texts(person) == ["甲"], within=60)
        assert len(world.sandbox.record.of("notifystart")) == before + 1
        channel = world.channel(person)
        assert (channel.is_live, channel.window.closed) == (True, None)


async def test_a_dead_session_seen_by_both_loops_is_checked_once_and_dies_once(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        before = len(world.sandbox.record.of("notifystart"))
        world.sandbox.arm(Fault(kind="delay", endpoint="notifystart", delay_s=1.0))
        world.sandbox.takeover(person.user)
        await world.push(person, "甲", wait=0)
        await world.until(lambda: world.channel(person).is_dead, within=10)
        assert len(world.sandbox.record.of("notifystart")) == before + 1


async def test_half_dead_is_not_decided_by_a_notifystart_that_nobody_heard(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await trio.sleep(10)
        world.sandbox.arm(Fault(kind="status", endpoint="notifystart"))
        world.sandbox.arm(Fault(kind="wrong_code", endpoint="sendmessage", ret=-14, times=2))
        await world.push(person, "甲", wait=0)
        await world.until(lambda: world.texts(person) == ["甲"], within=20)
        assert world.channel(person).window.closed is None


async def test_half_dead_is_decided_where_no_notifystart_is_ever_heard(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await trio.sleep(10)
        world.sandbox.arm(Fault(kind="status", endpoint="notifystart", seconds=3600, status=404))
        world.sandbox.arm(Fault(kind="wrong_code", endpoint="sendmessage", ret=-14, times=10))
        await world.push(person, "甲", wait=0)
        await world.until(lambda: world.channel(person).window.closed is Closed.SESSION, within=20)
        assert len(sends(world)) == 3


async def test_half_dead_is_not_decided_while_polls_fail_as_well(tmp_path: Path, autojump_clock: object) -> None:
    """Both are answered −14 for some seconds, notifystart is well: the poll decides, and the session lives on."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await trio.sleep(10)
        world.sandbox.arm(Fault(kind="wrong_code", endpoint="getupdates", ret=-14, when="after"))
        world.sandbox.arm(Fault(kind="wrong_code", endpoint="sendmessage", ret=-14, times=2))
        world.sandbox.write(person.user)
        await world.push(person, "甲", wait=0)
        await world.until(lambda: world.texts(person) == ["甲"], within=60)
        assert world.channel(person).window.closed is not Closed.SESSION
