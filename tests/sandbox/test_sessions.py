"""What each state of a bot answers to each call."""

from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.phone import PhoneError
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from tests.sandbox.client import BASE_INFO, USER, Client, bind, connect, make_sandbox

STALE = {"ret": -14, "errcode": -14, "errmsg": "session timeout"}
QUICK = FIELD.changed(burst=(), hold_s=1)


async def everything(client: Client, token: str) -> dict[str, dict[str, Any]]:
    upload = {
        "filekey": "f" * 32, "media_type": 1, "to_user_id": USER, "rawsize": 1, "rawfilemd5": "m", "filesize": 16,
        "aeskey": "a" * 32, "no_need_thumb": True,
    }  # fmt: skip
    return {
        "getupdates": await client.poll(token),
        "sendmessage": await client.send(token),
        "getconfig": await client.call("getconfig", token, ilink_user_id=USER),
        "sendtyping": await client.call("sendtyping", token, ilink_user_id=USER, typing_ticket="t", status=1),
        "getuploadurl": await client.call("getuploadurl", token, **upload),
        "notifystop": await client.call("msg/notifystop", token),
    }


def opened(parameters: Parameters = QUICK) -> tuple[Sandbox, Client, str]:
    sandbox = make_sandbox(parameters)
    token = bind(sandbox)
    sandbox.write(USER)
    return sandbox, connect(sandbox), token


async def test_alive(autojump_clock: MockClock) -> None:
    _, client, token = opened()
    answers = await everything(client, token)
    assert [answers[name].get("ret", 0) for name in answers] == [0] * 6
    assert len(answers["getupdates"]["msgs"]) == 1
    assert answers["getconfig"]["typing_ticket"]
    assert answers["getuploadurl"]["upload_param"]
    assert (await client.call("msg/notifystart", token)) == {"ret": 0}


async def test_half_dead_receives_and_cannot_send(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    sandbox.half_dead(USER)
    answers = await everything(client, token)
    assert answers.pop("sendmessage") == STALE
    assert all(answer.get("ret", 0) == 0 for answer in answers.values())
    sandbox.half_dead(USER, on=False)
    assert (await client.send(token))["ret"] == 0


async def test_dozing_until_notifystart() -> None:
    sandbox, client, token = opened()
    sandbox.doze(USER)
    assert all(answer == STALE for answer in (await everything(client, token)).values())
    assert await client.call("msg/notifystart", token) == {"ret": 0}
    assert len((await client.poll(token))["msgs"]) == 1
    assert (await client.send(token))["ret"] == 0


@pytest.mark.parametrize("end", ["expire", "unbind", "takeover"])
async def test_dead_is_final(end: str) -> None:
    sandbox, client, token = opened()
    getattr(sandbox, end)(USER)
    assert all(answer == STALE for answer in (await everything(client, token)).values())
    assert await client.call("msg/notifystart", token) == STALE
    assert next(session for session in sandbox.sessions if session.token == token).why_dead == end


@pytest.mark.parametrize(("style", "body"), [("ret", {"ret": -14}), ("errcode", {"errcode": -14})])
async def test_shapes_of_minus_14(style: str, body: dict[str, int]) -> None:
    sandbox, client, token = opened(QUICK.changed(ret14_style=style))
    sandbox.expire(USER)
    assert await client.send(token) == {**body, "errmsg": "session timeout"}


async def test_an_unknown_token_is_minus_14_or_401() -> None:
    sandbox, client, _ = opened()
    assert await client.poll("nobody") == STALE
    sandbox.set(unknown_token="http401")
    for token in ("nobody", None):
        answer = await client.post("getupdates", token, {"get_updates_buf": "", "base_info": BASE_INFO})
        assert answer.status_code == 401
    assert sandbox.record.calls[-1].why == "unknown_token"


async def test_takeover_kills_the_old_token_after_its_delay(autojump_clock: MockClock) -> None:
    sandbox, client, old = opened(FIELD.changed(burst=(), takeover_delay_s=29))
    await client.poll(old)
    zero = trio.current_time()
    ended: list[tuple[dict[str, Any], float]] = []

    async def poll() -> None:
        ended.append((await client.poll(old), trio.current_time() - zero))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await trio.sleep(1)
        new = sandbox.takeover(USER)
        assert (await client.send(old))["ret"] == 0  # for a while the old token lives on
        sandbox.write(USER, "for the new bot")
    assert ended == [(STALE, 30)]
    assert len((await client.poll(new.token))["msgs"]) == 1
    sandbox.check_invariants()


async def test_a_dying_poll_can_be_held_to_its_end(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened(FIELD.changed(dead_wakes_poll=False))
    await client.poll(token)
    zero = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def poll() -> None:
            assert await client.poll(token) == STALE

        nursery.start_soon(poll)
        await trio.sleep(3)
        sandbox.expire(USER)
    assert trio.current_time() == zero + 30
    assert await client.poll(token) == STALE
    assert trio.current_time() == zero + 30


async def test_silent_drop_belongs_to_the_user() -> None:
    sandbox, client, token = opened()
    assert "message_id" in await client.send(token)
    sandbox.silent_drop(USER)
    assert await client.send(token) == {"ret": 0}
    again = bind(sandbox)
    sandbox.write(USER)
    assert await client.send(again) == {"ret": 0}
    assert len(sandbox.read(USER)) == 1
    session = sandbox.session(USER)
    assert session is not None
    assert session.conversation.used == 1
    sandbox.silent_drop(USER, on=False)
    assert "message_id" in await client.send(again)
    sandbox.check_invariants()


async def test_a_backlog_arrives_all_at_once_in_order(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened()
    sandbox.backlog(USER)
    for text in "abc":
        assert "message_id" in await client.send(token, text)
        await trio.sleep(1)
    assert sandbox.read(USER) == []
    sandbox.check_invariants()
    sandbox.backlog(USER, on=False)
    assert [message.text for message in sandbox.read(USER)] == ["a", "b", "c"]
    assert {message.at for message in sandbox.read(USER)} == {sandbox.now}
    sandbox.check_invariants()


async def test_what_is_written_to_a_dead_bot_is_lost() -> None:
    sandbox, _, _ = opened()
    sandbox.unbind(USER)
    assert not sandbox.write(USER, "anyone?")
    assert "lost" in sandbox.chat(USER)[-1].note
    with pytest.raises(PhoneError):
        sandbox.half_dead(USER)


async def test_the_world_ends_while_calls_are_held(autojump_clock: MockClock) -> None:
    sandbox, client, token = opened(FIELD)
    await client.poll(token)
    code = (await client.qrcode())["qrcode"]
    zero = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def poll() -> None:
            assert await client.poll(token) == STALE

        async def status() -> None:
            assert (await client.status(code))["status"] == "expired"

        nursery.start_soon(poll)
        nursery.start_soon(status)
        await trio.sleep(5)
        sandbox.reset()
    assert trio.current_time() == zero + 5
    assert (sandbox.users, sandbox.sessions, sandbox.codes, list(sandbox.record.calls)) == ([], [], [], [])


async def test_a_path_that_is_not_ilinks_is_404() -> None:
    _, client, token = opened()
    with pytest.raises(httpx.HTTPStatusError):
        await client.call("nothing", token)
