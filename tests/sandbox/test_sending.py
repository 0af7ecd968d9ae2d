"""sendmessage: quota, window, limiter, penalty, tokens, sizes and the shapes of success."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from tests.sandbox.client import USER, Client, bind, connect, make_sandbox, send_body

PLAIN = FIELD.changed(burst=())


async def opened(parameters: Parameters = PLAIN) -> tuple[Sandbox, Client, str, str]:
    """A bot whose user has written once: sandbox, client, bot token, context token."""
    sandbox = make_sandbox(parameters)
    token = bind(sandbox)
    client = connect(sandbox)
    return sandbox, client, token, await said(sandbox, client, token)


async def said(sandbox: Sandbox, client: Client, token: str) -> str:
    sandbox.write(USER)
    return str((await client.poll(token))["msgs"][-1]["context_token"])


def why(sandbox: Sandbox) -> str:
    return sandbox.record.of("sendmessage")[-1].why


async def test_ten_messages_for_one_inbound_message() -> None:
    sandbox, client, token, context = await opened()
    answers = [(await client.send(token, context=context))["ret"] for _ in range(12)]
    assert answers == [0] * 10 + [-2] * 2
    assert why(sandbox) == "spent"
    await said(sandbox, client, token)
    assert (await client.send(token))["ret"] == 0


@pytest.mark.parametrize(("quota", "accepted"), [(9, 9), (None, 30)])
async def test_other_quotas(quota: int | None, accepted: int) -> None:
    _, client, token, _ = await opened(PLAIN.changed(quota=quota))
    answers = [(await client.send(token))["ret"] for _ in range(30)]
    assert answers.count(0) == accepted


async def test_the_window_closes_to_the_second(autojump_clock: MockClock) -> None:
    sandbox, client, token, _ = await opened(PLAIN.changed(window_s=1200))
    await trio.sleep(1199)
    assert (await client.send(token))["ret"] == 0
    await trio.sleep(1)
    assert (await client.send(token))["ret"] == -2
    assert why(sandbox) == "aged"
    sandbox.write(USER)
    assert (await client.send(token))["ret"] == 0
    sandbox.age_window(USER, 1200)
    assert (await client.send(token))["ret"] == -2


@pytest.mark.parametrize(
    ("limit", "gap", "accepted"), [(((2, 1.0),), 0.4, 2), (((12, 300.0),), 1.0, 12), (((2, 1.0), (4, 480.0)), 0.6, 4)]
)
async def test_limiters(limit: object, gap: float, accepted: int, autojump_clock: MockClock) -> None:
    sandbox, client, token, _ = await opened(FIELD.changed(burst=limit, quota=None))
    done = 0
    while (await client.send(token))["ret"] == 0:
        done += 1
        await trio.sleep(gap)
    assert (done, why(sandbox)) == (accepted, "burst")


async def test_a_penalty_runs_beside_the_window_and_every_attempt_prolongs_it(autojump_clock: MockClock) -> None:
    sandbox, client, token, _ = await opened(FIELD.changed(penalty_cap_s=500))
    zero = sandbox.now
    while (await client.send(token))["ret"] == 0:
        pass
    conversation = sandbox.sessions[0].conversation
    assert conversation.penalty_until == zero + 300
    await trio.sleep(100)
    assert (await client.send(token))["ret"] == -2
    assert why(sandbox) == "penalty"
    assert conversation.penalty_until == zero + 400
    sandbox.write(USER)  # ends no penalty
    await trio.sleep(200)
    assert (await client.send(token))["ret"] == -2
    assert conversation.penalty_until == zero + 500  # the cap
    await trio.sleep(200)
    assert (await client.send(token))["ret"] == 0
    sandbox.penalize(USER, 10)
    assert (await client.send(token))["ret"] == -2
    sandbox.forgive(USER)
    assert (await client.send(token))["ret"] == 0


async def test_a_penalty_that_is_not_prolonged(autojump_clock: MockClock) -> None:
    sandbox, client, token, _ = await opened(FIELD.changed(penalty_s=30, penalty_extends=False))
    sandbox.penalize(USER)
    await trio.sleep(29)
    assert (await client.send(token))["ret"] == -2
    await trio.sleep(1)
    assert (await client.send(token))["ret"] == 0


@pytest.mark.parametrize(
    ("check", "old", "made_up", "none"),
    [("lenient", 0, 0, 0), ("known", 0, -2, -2), ("strict", -2, -2, -2), ("drop", 0, 0, None)],
)
async def test_context_checks(check: str, old: int, made_up: int, none: int | None) -> None:
    sandbox, client, token, first = await opened(PLAIN.changed(context_check=check))
    latest = await said(sandbox, client, token)
    assert latest != first
    assert (await client.send(token, context=latest))["ret"] == 0
    assert (await client.send(token, context=first))["ret"] == old
    assert (await client.send(token, context="AARzJWmadeup"))["ret"] == made_up
    shown = len(sandbox.read(USER))
    assert (await client.send(token)).get("ret") == none
    assert len(sandbox.read(USER)) == shown + (none == 0)
    sandbox.check_invariants()


async def test_a_quota_that_belongs_to_the_context_token(autojump_clock: MockClock) -> None:
    sandbox, client, token, first = await opened(PLAIN.changed(quota_scope="token", quota=2, window_s=100))
    await trio.sleep(60)
    second = await said(sandbox, client, token)
    answers = [(await client.send(token, context=context))["ret"] for context in (first, second, first, first, second)]
    assert answers == [0, 0, 0, -2, 0]
    third = await said(sandbox, client, token)
    await trio.sleep(40)
    assert (await client.send(token, context=first))["ret"] == -2
    assert why(sandbox) == "aged"
    assert (await client.send(token, context=third))["ret"] == 0
    sandbox.check_invariants()


async def test_refused_sends_can_count() -> None:
    sandbox, client, token, context = await opened(PLAIN.changed(count_refused=True, context_check="strict", quota=3))
    assert (await client.send(token, context="wrong"))["ret"] == -2
    assert why(sandbox) == "token"
    assert [(await client.send(token, context=context))["ret"] for _ in range(3)] == [0, 0, -2]


async def test_need_notifystart() -> None:
    sandbox, client, token, _ = await opened(PLAIN.changed(need_notifystart=True))
    assert (await client.send(token))["ret"] == -2
    assert why(sandbox) == "notifystart"
    await client.call("msg/notifystart", token)
    assert (await client.send(token))["ret"] == 0


@pytest.mark.parametrize("to", [USER.lower(), f"wx:{USER}", "someone@im.wechat"])
async def test_a_recipient_that_is_not_exactly_the_user(to: str) -> None:
    sandbox, client, token, _ = await opened()
    assert await client.send(token, to=to) == {"ret": -3, "errmsg": "invalid arguments"}
    assert why(sandbox) == "recipient"


async def test_sizes() -> None:
    sandbox, client, token, _ = await opened()
    assert (await client.send(token, "中" * 5461))["ret"] == 0  # 16,383 bytes
    assert (await client.send(token, "中" * 5461 + "ab"))["ret"] == -2
    assert (await client.send(token, ""))["ret"] == -2
    empty = send_body()
    empty["msg"]["item_list"] = []
    assert (await client.post("sendmessage", token, empty)).json()["ret"] == -2
    assert why(sandbox) == "size"
    sandbox.set(truncate_at=2000)
    assert (await client.send(token, "x" * 3000))["ret"] == 0
    assert len(sandbox.read(USER)[-1].text) == 2000


async def test_an_item_that_is_not_text_counts_too() -> None:
    sandbox, client, token, _ = await opened()
    picture = send_body()
    picture["msg"]["item_list"] = [{"type": 2, "image_item": {}}]
    assert (await client.post("sendmessage", token, picture)).json()["ret"] == 0
    assert sandbox.read(USER)[-1].text == "[图片]"
    assert sandbox.sessions[0].conversation.used == 1


@pytest.mark.parametrize(
    ("style", "body"),
    [("none", b'{"ret":0}'), ("empty_object", b"{}"), ("empty_body", b"")],
)
async def test_success_without_an_id(style: str, body: bytes) -> None:
    sandbox, client, token, _ = await opened(PLAIN.changed(id_style=style))
    assert (await client.post("sendmessage", token, send_body())).content == body
    assert sandbox.read(USER)[-1].text == "hello"


@pytest.mark.parametrize(("style", "kind"), [("number", int), ("string", str)])
async def test_ids_are_above_2_to_the_53(style: str, kind: type[int] | type[str]) -> None:
    sandbox, client, token, _ = await opened(PLAIN.changed(id_style=style))
    message_id = (await client.send(token))["message_id"]
    assert isinstance(message_id, kind)
    assert int(message_id) > 2**53
    assert sandbox.read(USER)[-1].message_id == str(message_id)


async def test_the_same_client_id_twice() -> None:
    sandbox, client, token, _ = await opened()
    first, second = [await client.send(token, client_id="c:same") for _ in range(2)]
    assert first["message_id"] != second["message_id"]
    assert len(sandbox.read(USER)) == 2
    sandbox.set(dup_client_id="dedupe")
    assert await client.send(token, client_id="c:same") == second
    assert len(sandbox.read(USER)) == 2
    assert sandbox.sessions[0].conversation.used == 2


@pytest.mark.parametrize(
    ("style", "body"), [("bare", {"ret": -2}), ("both", {"ret": -2, "errcode": -2, "errmsg": "prepare failed"})]
)
async def test_shapes_of_minus_2(style: str, body: dict[str, Any]) -> None:
    sandbox = make_sandbox(PLAIN.changed(ret2_style=style))
    assert await connect(sandbox).send(bind(sandbox)) == body
    assert why(sandbox) == "never_opened"
