"""Every fault, in process and in virtual time."""

from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest
import trio
from trio.testing import MockClock

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.faults import CodeStyle, Cut, Ending, Fault, Garbage, Kind, StatusBody, Variant, When
from bottalk.sandbox.rules.parameters import FIELD
from tests.sandbox.client import USER, Client, bind, connect, make_sandbox, send_body


def opened() -> tuple[Sandbox, Client, str]:
    sandbox = make_sandbox(FIELD.changed(burst=(), hold_s=20))
    token = bind(sandbox)
    sandbox.write(USER)
    return sandbox, connect(sandbox), token


def arrived(sandbox: Sandbox) -> int:
    return len(sandbox.read(USER))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_delay(when: When, autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="delay", delay_s=5, when=when))
    zero = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, token)
        await trio.sleep(1)
        assert arrived(sandbox) == (when == "after")
    assert trio.current_time() == zero + 5
    assert arrived(sandbox) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_hang_obeys_the_clients_time_out(when: When, autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    client.http.timeout = httpx.Timeout(15)
    sandbox.arm(Fault(kind="hang", when=when))
    zero = trio.current_time()
    with pytest.raises(httpx.ReadTimeout):
        await client.send(token)
    assert trio.current_time() == zero + 15
    assert arrived(sandbox) == (when == "after")
    with trio.move_on_after(3) as scope:
        sandbox.arm(Fault(kind="hang"))
        await client.send(token)
    assert scope.cancelled_caught


@pytest.mark.parametrize("status", [500, 502, 503, 504, 524, 429, 401, 403])
@pytest.mark.parametrize("body", ["html", "empty"])
async def test_status(status: int, body: StatusBody) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="status", status=status, body=body, retry_after=7, endpoint="sendmessage"))
    answer = await client.post("sendmessage", token, send_body())
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert bool(answer.content) == (body == "html")
    assert arrived(sandbox) == 0
    assert (await client.send(token))["ret"] == 0


@pytest.mark.parametrize("at", ["first_byte", "headers", "body"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_reset(at: Cut, when: When) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="reset", at=at, when=when))
    expected = httpx.ReadError if at == "first_byte" else httpx.RemoteProtocolError
    with pytest.raises(expected):
        await client.send(token)
    assert arrived(sandbox) == (when == "after")
    assert sandbox.record.calls[-1].outcome == "fault"


@pytest.mark.parametrize("kind", get_args(Garbage))
async def test_garbage(kind: Garbage) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="garbage", garbage=kind, when="after"))
    answer = await client.post("sendmessage", token, send_body())
    assert answer.status_code == 200
    if kind == "huge":
        assert len(answer.content) > 10_000_000
    elif kind == "wrong_types":
        assert answer.json()["ret"] == "zero"
    else:
        with pytest.raises((ValueError, RecursionError, AssertionError)):
            assert isinstance(answer.json(), dict)
    assert arrived(sandbox) == 1


async def test_empty_body() -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="empty_body", when="after"))
    answer = await client.post("sendmessage", token, send_body())
    assert (answer.status_code, answer.content) == (200, b"")
    assert arrived(sandbox) == 1


async def test_an_empty_body_does_not_turn_a_refusal_into_a_success() -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="empty_body", when="after"))
    answer = await client.post("sendmessage", token, send_body(text=""))
    assert answer.json()["ret"] == -2
    assert arrived(sandbox) == 0


@pytest.mark.parametrize(
    ("style", "numbers"),
    [
        ("ret", {"ret": -13}),
        ("errcode", {"errcode": -13}),
        ("both", {"ret": -13, "errcode": -13}),
        ("unequal", {"ret": -13, "errcode": -14}),
    ],
)
@pytest.mark.parametrize("endpoint", ["sendmessage", "getupdates"])
async def test_wrong_code(style: CodeStyle, numbers: dict[str, int], endpoint: str) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="wrong_code", ret=-13, style=style, endpoint=endpoint))
    answer = await (client.send(token) if endpoint == "sendmessage" else client.poll(token))
    assert answer == {**numbers, "errmsg": "system error"}
    assert arrived(sandbox) == 0


@pytest.mark.parametrize("ending", ["reset", "hang"])
async def test_lost_answer(ending: Ending, autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    client.http.timeout = httpx.Timeout(15)
    sandbox.arm(Fault(kind="lost_answer", ending=ending))
    await client.poll(token)  # not a send: it does not strike here
    with pytest.raises(httpx.ReadError if ending == "reset" else httpx.ReadTimeout):
        await client.send(token, client_id="c:1")
    assert (await client.send(token, client_id="c:1"))["ret"] == 0
    assert [message.client_id for message in sandbox.read(USER)] == ["c:1", "c:1"]


async def test_lost_updates(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="lost_updates"))
    with pytest.raises(httpx.ReadError):
        await client.poll(token)
    assert (await client.poll(token))["msgs"] == []  # handed out once, and gone
    assert (await client.send(token))["ret"] == 0  # the window is open all the same
    sandbox.arm(Fault(kind="lost_updates"))
    assert (await client.poll(token))["msgs"] == []  # nothing to lose, so not spent
    assert [fault.kind for fault in sandbox.faults] == ["lost_updates"]


@pytest.mark.parametrize("variant", ["same_id", "fresh_id", "fresh_token"])
async def test_duplicate_inbound(variant: Variant, autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    await client.poll(token)
    sandbox.arm(Fault(kind="duplicate_inbound", variant=variant))
    sandbox.write(USER, "twice")
    first, second = (await client.poll(token))["msgs"][0], (await client.poll(token))["msgs"][0]
    differing = {key for key in first if first[key] != second[key]}
    assert differing == {"same_id": set(), "fresh_id": {"message_id"}, "fresh_token": {"context_token"}}[variant]
    sandbox.check_invariants()


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("future_time", lambda message, now: message["create_time_ms"] > now * 1000 + 80_000_000),
        ("no_message_id", lambda message, now: "message_id" not in message),
        ("group_message", lambda message, now: message["group_id"].endswith("@chatroom")),
        ("unknown_item_type", lambda message, now: message["item_list"][0]["type"] == 99),
        ("empty_item_list", lambda message, now: message["item_list"] == []),
        ("echo_bot_message", lambda message, now: message["message_type"] == 2),
    ],
)
async def test_odd_messages(kind: Kind, check: Callable[[dict[str, Any], float], bool]) -> None:
    sandbox = make_sandbox(FIELD.changed(burst=()))
    client, token = connect(sandbox), bind(sandbox)
    sandbox.arm(Fault(kind=kind))
    sandbox.write(USER, "odd")
    messages = (await client.poll(token))["msgs"]
    assert check(messages[0], sandbox.now)
    opens = kind != "group_message"
    assert sandbox.window(USER) == ("open" if opens else "never_opened")
    sandbox.check_invariants()


async def test_reorder_inbound() -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="reorder_inbound"))
    assert [message["seq"] for message in (await client.poll(token))["msgs"]] == [1]  # one message has no order
    sandbox.write(USER)
    sandbox.write(USER)
    assert [message["seq"] for message in (await client.poll(token))["msgs"]] == [3, 2]


async def test_cursor_regression() -> None:
    sandbox, client, token = opened()
    sandbox.set(cursor_mode="replay")
    first = await client.poll(token)
    sandbox.write(USER)
    sandbox.arm(Fault(kind="cursor_regression", cursor="older"))
    second = await client.poll(token, first["get_updates_buf"])
    assert second["get_updates_buf"] == first["get_updates_buf"]
    assert [message["seq"] for message in (await client.poll(token, second["get_updates_buf"]))["msgs"]] == [2]
    sandbox.arm(Fault(kind="cursor_regression", cursor="empty"))
    assert (await client.poll(token))["get_updates_buf"] == ""
    sandbox.arm(Fault(kind="cursor_regression", cursor="absent"))
    assert "get_updates_buf" not in await client.poll(token)


async def test_refuse_connections_for_a_time(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    await client.poll(token)
    async with trio.open_nursery() as nursery:

        async def poll() -> None:
            with pytest.raises(httpx.ConnectError):
                await client.poll(token)

        nursery.start_soon(poll)
        await trio.sleep(1)
        sandbox.arm(Fault(kind="refuse_connections", seconds=60))
    for _ in range(3):
        with pytest.raises(httpx.ConnectError):
            await client.send(token)
    await trio.sleep(60)
    assert (await client.send(token))["ret"] == 0
    assert arrived(sandbox) == 1


async def test_dead_ip_never_answers(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    client.http.timeout = httpx.Timeout(15)
    sandbox.arm(Fault(kind="dead_ip", seconds=10))
    with pytest.raises(httpx.ReadTimeout):
        await client.send(token)
    assert (await client.send(token))["ret"] == 0


async def test_faults_are_narrow_counted_and_can_be_disarmed() -> None:
    sandbox, client, token = opened()
    other = bind(sandbox, "other@im.wechat")
    sandbox.arm(Fault(kind="wrong_code", ret=7, times=2, endpoint="sendmessage", user=USER))
    sandbox.arm(Fault(kind="wrong_code", ret=8, token=other))
    assert (await client.call("msg/notifystart", token))["ret"] == 0
    assert (await client.call("msg/notifystart", other))["ret"] == 8
    assert [(await client.send(token))["ret"] for _ in range(3)] == [7, 7, 0]
    sandbox.arm(Fault(kind="wrong_code", seconds=60))
    assert [(await client.send(token))["ret"] for _ in range(2)] == [-1, -1]
    sandbox.disarm()
    assert (await client.send(token))["ret"] == 0
    assert sandbox.faults == []


async def test_a_fault_with_a_probability() -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="wrong_code", times=1000, probability=0.5))
    answers = [(await client.call("msg/notifystop", token))["ret"] for _ in range(100)]
    assert 30 < answers.count(-1) < 70


async def test_a_delay_and_then_a_reset_of_one_call(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    sandbox.arm(Fault(kind="delay", delay_s=3))
    sandbox.arm(Fault(kind="reset"))
    zero = trio.current_time()
    with pytest.raises(httpx.ReadError):
        await client.send(token)
    assert trio.current_time() == zero + 3
