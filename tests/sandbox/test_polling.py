"""getupdates: holding, waking, cursors, and more pollers than one."""

import base64
import random
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules import polling, writing
from bottalk.sandbox.rules.inbox import KEPT, MESSAGES_PER_ANSWER
from bottalk.sandbox.rules.parameters import FIELD
from bottalk.sandbox.rules.world import World, new_session
from tests.sandbox.client import USER, Client, bind, connect, make_sandbox


class Polls:
    """Polls in the background: their answers in the order of arrival, with the name of each and its time."""

    def __init__(self, client: Client, token: str, nursery: trio.Nursery) -> None:
        self.answers: list[tuple[str, list[str], float]] = []
        self._client, self._token, self._nursery = client, token, nursery
        self._zero = trio.current_time()

    async def start(self, name: str) -> None:
        self._nursery.start_soon(self._run, name)
        await trio.testing.wait_all_tasks_blocked()

    async def _run(self, name: str) -> None:
        answer = await self._client.poll(self._token)
        said = texts(answer) if "msgs" in answer else [str(answer["ret"])]
        self.answers.append((name, said, trio.current_time() - self._zero))


def texts(answer: dict[str, Any]) -> list[str]:
    return [message["item_list"][0]["text_item"]["text"] for message in answer["msgs"]]


def make(**changes: object) -> tuple[Sandbox, Client, str]:
    sandbox = make_sandbox(FIELD.changed(**changes))
    return sandbox, connect(sandbox), bind(sandbox)


async def test_an_empty_poll_is_held_and_carries_a_new_cursor(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(hold_s=17)
    zero = trio.current_time()
    first = await client.poll(token)
    assert trio.current_time() == zero + 17
    second = await client.poll(token, first["get_updates_buf"])
    assert first["msgs"] == second["msgs"] == []
    assert "ret" not in first
    assert first["longpolling_timeout_ms"] == 35000
    assert first["get_updates_buf"]
    assert first["get_updates_buf"] != second["get_updates_buf"]
    assert sandbox.record.calls[-1].outcome == "empty"
    sandbox.set(ret_on_success="everywhere", advertised_ms=None, cursor_when_empty=False)
    assert await client.poll(token) == {"msgs": [], "ret": 0}


async def test_a_message_object_is_complete() -> None:
    sandbox, client, token = make()
    sandbox.write(USER, "一")
    sandbox.write(USER, item={"type": 3, "voice_item": {"text": "二"}})
    one, two = (await client.poll(token))["msgs"]
    bot_id = sandbox.sessions[0].bot_id
    assert (one["seq"], two["seq"]) == (1, 2)
    assert one["message_id"] > 2**53
    assert (one["from_user_id"], one["to_user_id"], one["session_id"]) == (USER, bot_id, f"{USER}#{bot_id}")
    assert (one["message_type"], one["message_state"], one["group_id"]) == (1, 2, "")
    assert one["context_token"].startswith("AARzJW")
    assert one["context_token"] != two["context_token"]
    assert two["item_list"] == [{"type": 3, "voice_item": {"text": "二"}}]


async def test_consume_hands_out_once_whatever_the_cursor(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(hold_s=1)
    sandbox.write(USER, "a")
    assert texts(await client.poll(token)) == ["a"]
    for cursor in ("", "nonsense", base64.b64encode(b"x" * 26).decode()):
        assert texts(await client.poll(token, cursor)) == []
    sandbox.write(USER, "b")
    assert texts(await client.poll(token, "")) == ["b"]
    sandbox.check_invariants()


async def test_replay_gives_everything_after_the_cursor(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(hold_s=1, cursor_mode="replay")
    sandbox.write(USER, "a")
    first = await client.poll(token)
    sandbox.write(USER, "b")
    assert texts(await client.poll(token, first["get_updates_buf"])) == ["b"]
    assert texts(await client.poll(token, first["get_updates_buf"])) == ["b"]
    for cursor in ("", "nonsense"):
        both = await client.poll(token, cursor)
        assert texts(both) == ["a", "b"]
    assert texts(await client.poll(token, both["get_updates_buf"])) == []
    other = bind(sandbox, "other@im.wechat")
    sandbox.write("other@im.wechat", "x")
    foreign = (await client.poll(other))["get_updates_buf"]
    assert texts(await client.poll(token, foreign)) == ["a", "b"]
    sandbox.check_invariants()


async def test_an_answer_carries_at_most_twenty_messages(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(hold_s=1)
    for number in range(45):
        sandbox.write(USER, str(number))
    answers = [texts(await client.poll(token)) for _ in range(4)]
    assert [len(answer) for answer in answers] == [MESSAGES_PER_ANSWER, MESSAGES_PER_ANSWER, 5, 0]
    assert [text for answer in answers for text in answer] == [str(number) for number in range(45)]


async def test_the_inbox_forgets_what_was_handed_out_long_ago() -> None:
    sandbox, client, token = make()
    for number in range(KEPT + 200):
        sandbox.write(USER, str(number))
        await client.poll(token)
    assert len(sandbox.sessions[0].inbox.messages) == KEPT
    sandbox.write(USER, "last")
    assert texts(await client.poll(token)) == ["last"]


async def test_a_client_that_hangs_up_consumes_nothing(autojump_clock: MockClock) -> None:
    sandbox, client, token = make()
    with trio.move_on_after(5):
        await client.poll(token)
    sandbox.write(USER, "kept")
    assert texts(await client.poll(token)) == ["kept"]
    assert [call.outcome for call in sandbox.record.calls] == ["gone", "ok"]
    assert sandbox.record.calls[0].took_s == 5


async def test_steal_each_message_goes_to_the_poll_that_asked_first(autojump_clock: MockClock) -> None:
    sandbox, client, token = make()
    async with trio.open_nursery() as nursery:
        polls = Polls(client, token, nursery)
        await polls.start("first")
        await trio.sleep(1)
        await polls.start("second")
        await trio.sleep(1)
        sandbox.write(USER, "a")
        await trio.sleep(1)
        sandbox.write(USER, "b")
    assert polls.answers == [("first", ["a"], 2), ("second", ["b"], 3)]
    assert sandbox.max_concurrent_polls(token) == sandbox.max_concurrent_polls() == 2


async def test_steal_what_one_answer_cannot_hold_goes_to_the_next(autojump_clock: MockClock) -> None:
    sandbox, client, token = make()
    async with trio.open_nursery() as nursery:
        polls = Polls(client, token, nursery)
        await polls.start("first")
        await polls.start("second")
        for number in range(25):
            sandbox.write(USER, str(number))
    assert [(name, len(said)) for name, said, _ in polls.answers] == [("first", 20), ("second", 5)]


async def test_supersede_the_older_poll_is_answered_empty_at_once(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(second_poller="supersede")
    async with trio.open_nursery() as nursery:
        polls = Polls(client, token, nursery)
        await polls.start("first")
        await trio.sleep(4)
        await polls.start("second")
        sandbox.write(USER, "b")
    assert polls.answers == [("first", [], 4), ("second", ["b"], 4)]


def test_a_superseded_poll_takes_nothing_with_it() -> None:
    world = World(random.Random(1), FIELD.changed(second_poller="supersede"))
    session = new_session(world, USER, 0)
    older = polling.begin(world, session, "", 0)
    newer = polling.begin(world, session, "", 1)
    assert older is not None
    assert newer is not None
    writing.write(world, USER, "b", None, 1)
    answered = polling.step(world, session, older, 1).outcome
    assert answered is not None
    assert answered.outcome == "empty"
    assert polling.step(world, session, newer, 1).outcome is None  # its turn comes when the older one has left
    polling.end(world, session, older)
    answered = polling.step(world, session, newer, 1).outcome
    assert answered is not None
    assert answered.outcome == "ok"


async def test_reject_the_second_poll(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(second_poller="reject")
    async with trio.open_nursery() as nursery:
        polls = Polls(client, token, nursery)
        await polls.start("first")
        await trio.sleep(4)
        await polls.start("second")
        sandbox.write(USER, "a")
    assert polls.answers == [("second", ["-14"], 4), ("first", ["a"], 4)]
    assert sandbox.max_concurrent_polls() == 2


async def test_one_poller_is_seen_as_one(autojump_clock: MockClock) -> None:
    sandbox, client, token = make(hold_s=1)
    for _ in range(3):
        await client.poll(token)
    assert sandbox.max_concurrent_polls(token) == 1


@pytest.mark.parametrize("kind", ["same_id", "fresh_id", "fresh_token"])
async def test_inbound_duplicates_by_parameter(kind: str, autojump_clock: MockClock) -> None:
    sandbox, client, token = make(inbound_dup=1, inbound_dup_kind=kind, context_check="strict", burst=())
    sandbox.write(USER, "a")
    first = (await client.poll(token))["msgs"][0]
    zero = trio.current_time()
    copy = (await client.poll(token))["msgs"][0]
    assert 1 <= trio.current_time() - zero <= 11
    assert (copy["message_id"] == first["message_id"]) == (kind != "fresh_id")
    assert (copy["context_token"] == first["context_token"]) == (kind != "fresh_token")
    assert copy["item_list"] == first["item_list"]
    assert (await client.send(token, context=copy["context_token"]))["ret"] == 0
    assert sandbox.sessions[0].conversation.opened_at == first["create_time_ms"] / 1000  # it opened nothing
    sandbox.check_invariants()
