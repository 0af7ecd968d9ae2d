"""The protocol page's trace, to the second, under the profile `field`."""

from typing import Any

import trio
from trio.testing import MockClock

from tests.sandbox.client import EPOCH, USER, Client, connect, make_sandbox


class Later:
    """A call running in the background, and when it was answered."""

    def __init__(self) -> None:
        self.body: dict[str, Any] | None = None
        self.at = 0.0


async def test_a_binding_its_window_its_quota_and_its_end(autojump_clock: MockClock) -> None:
    sandbox = make_sandbox()
    client = connect(sandbox)
    zero = trio.current_time()

    async def until(t: float) -> None:
        await trio.sleep_until(zero + t)

    async def bind(scan_at: float, confirm_at: float) -> str:
        code = await client.qrcode()
        async with trio.open_nursery() as nursery:
            scanned = _later(nursery, client, "status", code["qrcode"])
            await until(scan_at)
            assert sandbox.scan(code["qrcode_img_content"], USER).ok
        assert scanned.body == {"ret": 0, "status": "scaned"}
        assert scanned.at - zero == scan_at
        async with trio.open_nursery() as nursery:
            confirmed = _later(nursery, client, "status", code["qrcode"])
            await until(confirm_at)
            sandbox.confirm(code["qrcode"])
        assert confirmed.at - zero == confirm_at
        assert confirmed.body is not None
        assert confirmed.body["status"] == "confirmed"
        assert confirmed.body["ilink_user_id"] == USER
        assert confirmed.body["baseurl"] == "http://ilink.test"
        return str(confirmed.body["bot_token"])

    a = await bind(3, 5)
    assert sandbox.window(USER) == "never_opened"

    await until(6)
    assert (await client.send(a))["ret"] == -2
    assert sandbox.record.calls[-1].why == "never_opened"
    assert await client.call("getconfig", a, ilink_user_id=USER) == {"ret": -4, "errmsg": "GetTypingTicket rpc failed"}

    async with trio.open_nursery() as nursery:
        polled = _later(nursery, client, "poll", a)
        await until(8)
        sandbox.write(USER, "hi")
    assert polled.at - zero == 8
    assert polled.body is not None
    assert "ret" not in polled.body
    (hi,) = polled.body["msgs"]
    assert hi["item_list"] == [{"type": 1, "text_item": {"text": "hi"}}]
    assert hi["create_time_ms"] == (EPOCH + 8) * 1000
    t1 = hi["context_token"]

    for second in range(9, 19):
        await until(second)
        answer = await client.send(a, f"number {second}", context=t1)
        assert answer["ret"] == 0
        assert answer["message_id"] > 2**53
    assert sandbox.window(USER) == "spent"
    await until(19)
    assert await client.send(a, context=t1) == {"ret": -2, "errmsg": "prepare failed"}
    assert sandbox.record.calls[-1].why == "spent"

    await until(60)
    sandbox.write(USER, "ok")
    t2 = (await client.poll(a, polled.body["get_updates_buf"]))["msgs"][0]["context_token"]
    assert t2 != t1
    assert sandbox.window(USER) == "open"

    await until(61)
    assert (await client.send(a, context=t1))["ret"] == 0  # lenient: the older token still passes
    await until(61.2)
    assert (await client.send(a, context=t2))["ret"] == 0
    await until(61.4)
    assert (await client.send(a, context=t2))["ret"] == -2
    assert sandbox.record.calls[-1].why == "burst"
    session = sandbox.session(USER)
    assert session is not None
    assert session.conversation.penalty_until == EPOCH + 361.4
    await until(91)
    assert (await client.send(a, context=t2))["ret"] == -2
    assert sandbox.record.calls[-1].why == "penalty"
    assert session.conversation.penalty_until == EPOCH + 391

    await until(86_459)
    assert (await client.send(a, context=t2))["ret"] == 0
    await until(86_460)
    assert (await client.send(a, context=t2))["ret"] == -2
    assert sandbox.record.calls[-1].why == "aged"

    await until(86_490)
    async with trio.open_nursery() as nursery:
        old = _later(nursery, client, "poll", a)
        b = await bind(86_495, 86_500)
    assert old.body == {"ret": -14, "errcode": -14, "errmsg": "session timeout"}
    assert old.at - zero == 86_500
    assert b != a
    assert sandbox.window(USER) == "never_opened"
    assert len(sandbox.read(USER)) == 13
    sandbox.check_invariants()


def _later(nursery: trio.Nursery, client: Client, method: str, *args: str) -> Later:
    later = Later()

    async def run() -> None:
        later.body = await getattr(client, method)(*args)
        later.at = trio.current_time()

    nursery.start_soon(run)
    return later
