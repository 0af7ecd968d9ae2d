"""The typed calls: what goes out, what comes back, time-outs. In virtual time, over a transport in this process."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import trio
import trio.testing

from bottalk import __version__
from bottalk.ilink.bot import MAX_TEXT_BYTES
from bottalk.ilink.client import Bot, Ilink, IlinkSettings
from bottalk.ilink.errors import IlinkError, IlinkHttpError, IlinkMalformed, IlinkRefused, IlinkTransportError, Kind
from bottalk.ilink.shapes import QrState, Sent, Updates
from bottalk.values import Secret
from tests.ilink.scripted_transport import ScriptedTransport, Step, hang

TOKEN = Secret("ab@im.bot:tok3n")
CONTEXT = Secret("AARzJW-context")
CODE = Secret("3f2a/&+code")
USER = "o9cq80MiXed@im.wechat"
BASE_INFO = {"channel_version": "2.4.9", "bot_agent": f"BotTalk/{__version__}"}
PROXIED = {"https": "http://proxy.invalid:1", "http": "http://proxy.invalid:1"}


def client(*steps: Step, settings: IlinkSettings | None = None) -> tuple[Ilink, ScriptedTransport]:
    """With proxies set: a transport in this process must never meet them."""
    transport = ScriptedTransport(*steps)
    ilink = Ilink(settings or IlinkSettings(), rng=random.Random(1), transport=transport, proxies=PROXIED)
    return ilink, transport


def a_bot(*steps: Step) -> tuple[Bot, ScriptedTransport]:
    ilink, transport = client(*steps)
    return ilink.bot(TOKEN), transport


async def send(bot: Bot, text: str = "hello", context_token: Secret | None = CONTEXT) -> Sent:
    return await bot.send_message(USER, text, client_id="bottalk:1-2", context_token=context_token)


# --- what goes out ----------------------------------------------------------------------------------------------------


async def test_get_bot_qrcode() -> None:
    ilink, transport = client({"ret": 0, "qrcode": "3f2a", "qrcode_img_content": "https://x"})
    assert (await ilink.get_bot_qrcode()).qrcode == Secret("3f2a")
    request = transport.requests[0]
    assert (request.method, str(request.url)) == (
        "POST",
        "https://ilinkai.weixin.qq.com/ilink/bot/get_bot_qrcode?bot_type=3",
    )
    assert transport.bodies == [{"local_token_list": []}]
    assert "authorization" not in request.headers
    assert request.headers["AuthorizationType"] == "ilink_bot_token"


async def test_get_qrcode_status() -> None:
    ilink, transport = client({"status": "scaned"})
    await ilink.get_qrcode_status(CODE)
    await ilink.get_qrcode_status(CODE, verify_code=Secret("123456"), host="sh.weixin.qq.com")
    await ilink.get_qrcode_status(CODE, host="evil.com")
    fixed, path = "https://ilinkai.weixin.qq.com", "/ilink/bot/get_qrcode_status?qrcode=3f2a%2F%26%2Bcode"
    assert [str(request.url) for request in transport.requests] == [
        fixed + path,
        "https://sh.weixin.qq.com" + path + "&verify_code=123456",
        fixed + path,
    ]
    request = transport.requests[0]
    assert request.method == "GET"
    assert transport.bodies[0] is None
    assert [name.decode() for name, _ in request.headers.raw] == [
        "Host",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "iLink-App-Id",
        "iLink-App-ClientVersion",
    ]


async def test_get_updates() -> None:
    bot, transport = a_bot({"msgs": [], "get_updates_buf": "next"})
    assert await bot.get_updates("cursor") == Updates(cursor="next")
    request = transport.requests[0]
    assert str(request.url) == "https://ilinkai.weixin.qq.com/ilink/bot/getupdates"
    assert request.headers["Authorization"] == "Bearer ab@im.bot:tok3n"
    assert transport.bodies == [{"get_updates_buf": "cursor", "base_info": BASE_INFO}]


async def test_send_message() -> None:
    bot, transport = a_bot({"ret": 0, "message_id": 7497484083968569736})
    sent = await send(bot)
    assert (sent.message_id, sent.http_status) == ("7497484083968569736", 200)
    message = {
        "from_user_id": "",
        "to_user_id": USER,
        "client_id": "bottalk:1-2",
        "message_type": 2,
        "message_state": 2,
        "item_list": [{"type": 1, "text_item": {"text": "hello"}}],
    }
    await send(bot, context_token=None)
    await send(bot, context_token=Secret(""))
    assert transport.bodies == [
        {"msg": {**message, "context_token": "AARzJW-context"}, "base_info": BASE_INFO},
        {"msg": message, "base_info": BASE_INFO},
        {"msg": message, "base_info": BASE_INFO},
    ]
    uins = {request.headers["X-WECHAT-UIN"] for request in transport.requests}
    assert len(uins) == 3


async def test_the_other_calls() -> None:
    bot, transport = a_bot({"ret": 0, "typing_ticket": "t"})
    await bot.notify_start()
    await bot.notify_stop()
    await bot.get_config(USER, CONTEXT)
    await bot.get_config(USER)
    assert [request.url.path for request in transport.requests] == [
        "/ilink/bot/msg/notifystart",
        "/ilink/bot/msg/notifystop",
        "/ilink/bot/getconfig",
        "/ilink/bot/getconfig",
    ]
    assert transport.bodies == [
        {"base_info": BASE_INFO},
        {"base_info": BASE_INFO},
        {"ilink_user_id": USER, "context_token": "AARzJW-context", "base_info": BASE_INFO},
        {"ilink_user_id": USER, "base_info": BASE_INFO},
    ]


async def test_a_bot_lives_at_its_own_address() -> None:
    ilink, transport = client({})
    await ilink.bot(TOKEN, "https://sh.weixin.qq.com/pre/").notify_start()
    await ilink.bot(TOKEN, "https://evil.com").notify_start()
    assert [str(request.url) for request in transport.requests] == [
        "https://sh.weixin.qq.com/pre/ilink/bot/msg/notifystart",
        "https://ilinkai.weixin.qq.com/ilink/bot/msg/notifystart",
    ]
    assert ilink.host == ilink.bot(TOKEN).host == "ilinkai.weixin.qq.com"


@pytest.mark.parametrize(
    ("text", "words"),
    [("a\0b", "ab"), ("a\ud83db", "a?b"), ("中文 \N{GRINNING FACE}\n", None), ("x" * MAX_TEXT_BYTES, None)],
)
async def test_a_text_goes_out_as_it_is_but_for_what_no_json_can_hold(text: str, words: str | None) -> None:
    bot, transport = a_bot({})
    await send(bot, text)
    assert transport.bodies[0]["msg"]["item_list"][0]["text_item"]["text"] == (text if words is None else words)


@pytest.mark.parametrize("text", ["", " \n\t", "\0", "x" * (MAX_TEXT_BYTES + 1), "中" * 6000])
async def test_a_text_that_must_not_be_sent(text: str) -> None:
    bot, transport = a_bot({})
    with pytest.raises(ValueError, match="text"):
        await send(bot, text)
    assert transport.requests == []


# --- what comes back --------------------------------------------------------------------------------------------------

Call = Callable[[Ilink], Awaitable[object]]
CALLS: dict[str, Call] = {
    "get_bot_qrcode": lambda ilink: ilink.get_bot_qrcode(),
    "get_qrcode_status": lambda ilink: ilink.get_qrcode_status(CODE, verify_code=Secret("123456")),
    "get_updates": lambda ilink: ilink.bot(TOKEN).get_updates("c"),
    "send_message": lambda ilink: send(ilink.bot(TOKEN)),
    "notify_start": lambda ilink: ilink.bot(TOKEN).notify_start(),
    "notify_stop": lambda ilink: ilink.bot(TOKEN).notify_stop(),
    "get_config": lambda ilink: ilink.bot(TOKEN).get_config(USER, CONTEXT),
}


async def failure(call: str, step: Step) -> IlinkError:
    ilink, _ = client(step)
    with pytest.raises(IlinkError) as caught:
        await CALLS[call](ilink)
    return caught.value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500, 502, 503, 504, 524])
async def test_any_status_but_2xx_is_an_error_whatever_the_body_says(call: str, status: int) -> None:
    error = await failure(call, httpx.Response(status, content=b'{"ret":0,"qrcode":"a","qrcode_img_content":"b"}'))
    assert isinstance(error, IlinkHttpError)
    assert (error.status, error.retry_after) == (status, None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), ("1.5", 1.5), ("-1", None), ("nan", None), ("inf", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)],
)
async def test_retry_after(header: str, seconds: float | None) -> None:
    error = await failure("send_message", httpx.Response(429, headers={"Retry-After": header}))
    assert isinstance(error, IlinkHttpError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("call", CALLS)
async def test_a_refusal_of_any_call(call: str) -> None:
    said = f"no {TOKEN.reveal()} {CONTEXT.reveal()} {CODE.reveal()} 123456 hello"
    error = await failure(call, {"ret": -14, "errmsg": said})
    assert isinstance(error, IlinkRefused)
    assert error.ret == -14
    mine = {"get_qrcode_status": (CODE.reveal(), "123456"), "send_message": ("hello", CONTEXT.reveal())}
    hidden = mine.get(call, ()) if "qrcode" in call else (*mine.get(call, ()), TOKEN.reveal())
    assert not [secret for secret in hidden if secret in str(error)]


@pytest.mark.parametrize("call", CALLS)
async def test_garbage_of_any_call(call: str) -> None:
    for body in (b"<html>", b"[]", b'{"ret":"x"}', b'{"a":' * 100_000, b"\xff"):
        assert isinstance(await failure(call, body), IlinkMalformed)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("raised", "kind", "maybe_arrived"),
    [
        (httpx.ConnectError("refused"), Kind.CONNECT, False),
        (httpx.ConnectTimeout("slow"), Kind.TIMEOUT, False),
        (httpx.ReadError("Bearer tok3n"), Kind.RESET, True),
        (httpx.RemoteProtocolError("cut"), Kind.RESET, True),
        (httpx.WriteError("cut"), Kind.RESET, True),
    ],
)
async def test_a_break_of_any_call(call: str, raised: Exception, kind: Kind, maybe_arrived: bool) -> None:
    error = await failure(call, raised)
    assert isinstance(error, IlinkTransportError)
    assert (error.kind, error.maybe_arrived) == (kind, maybe_arrived)
    assert "tok3n" not in str(error)
    assert error.__cause__ is None


class Torn(httpx.AsyncByteStream):
    """A body that breaks, or goes on for ever."""

    def __init__(self, part: bytes, error: Exception | None) -> None:
        self._part = part
        self._error = error
        self.sent = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await trio.lowlevel.checkpoint()
            self.sent += len(self._part)
            yield self._part
            if self._error is not None:
                raise self._error

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("call", CALLS)
async def test_a_body_that_breaks(call: str) -> None:
    torn = Torn(b'{"ret":0', httpx.ReadError("reset"))
    error = await failure(call, httpx.Response(200, stream=torn))
    assert isinstance(error, IlinkTransportError)
    assert (error.kind, error.maybe_arrived, torn.closed) == (Kind.RESET, True, True)


@pytest.mark.parametrize("call", CALLS)
async def test_a_body_without_end_is_cut_at_the_cap(call: str) -> None:
    endless = Torn(b" " * 65536, None)
    error = await failure(call, httpx.Response(200, stream=endless))
    assert isinstance(error, IlinkMalformed)
    assert endless.sent <= (1 << 20) + 65536
    assert endless.closed


# --- time-outs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "seconds"),
    [("get_bot_qrcode", 15), ("send_message", 15), ("notify_start", 10), ("notify_stop", 10), ("get_config", 10)],
)
async def test_time_outs(call: str, seconds: float, autojump_clock: trio.testing.MockClock) -> None:
    error = await failure(call, hang)
    assert isinstance(error, IlinkTransportError)
    assert (error.kind, error.maybe_arrived) == (Kind.TIMEOUT, True)
    assert trio.current_time() == pytest.approx(seconds)


async def test_a_time_out_covers_the_body(autojump_clock: trio.testing.MockClock) -> None:
    class Stuck(Torn):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            await trio.sleep_forever()

    stuck = Stuck(b"", None)
    error = await failure("send_message", httpx.Response(200, stream=stuck))
    assert isinstance(error, IlinkTransportError)
    assert error.kind is Kind.TIMEOUT
    assert trio.current_time() == pytest.approx(15)
    assert stuck.closed


async def test_a_status_poll_that_times_out_is_wait(autojump_clock: trio.testing.MockClock) -> None:
    ilink, _ = client(hang)
    assert (await ilink.get_qrcode_status(CODE)).state is QrState.WAIT
    assert trio.current_time() == pytest.approx(45)


async def test_a_poll_waits_ten_seconds_longer_than_ilink_holds(autojump_clock: trio.testing.MockClock) -> None:
    bot, _ = a_bot(hang, {"longpolling_timeout_ms": 17000}, hang, {}, hang)
    waits = []
    for _ in range(5):
        begun = trio.current_time()
        found = await bot.get_updates("")
        assert found.answered is (trio.current_time() == begun)
        waits.append(trio.current_time() - begun)
    assert waits == pytest.approx([45, 0, 27, 0, 27])


async def test_the_duration_of_a_send(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(request: httpx.Request) -> bytes:
        await trio.sleep(1.25)
        return b""

    bot, _ = a_bot(slow)
    assert await send(bot) == Sent(None, 200, 1250)


async def test_an_answer_that_has_begun_can_be_seen(autojump_clock: trio.testing.MockClock) -> None:
    class Slow(Torn):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await trio.sleep(5)
            yield b"{}"

    async def late(request: httpx.Request) -> httpx.Response:
        await trio.sleep(5)
        return httpx.Response(200, stream=Slow(b"", None))

    bot, _ = a_bot(late)
    seen = [bot.poll_answer_begun]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bot.get_updates, "")
        for at in (1, 6):
            await trio.sleep_until(at)
            seen.append(bot.poll_answer_begun)
    seen.append(bot.poll_answer_begun)
    assert seen == [False, False, True, False]


async def test_two_polls_of_one_bot_are_a_mistake() -> None:
    bot, transport = a_bot(hang)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bot.get_updates, "")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="two polls"):
            await bot.get_updates("")
        nursery.cancel_scope.cancel()
    assert len(transport.requests) == 1
    assert not bot.poll_answer_begun


async def test_two_sends_of_one_bot_are_a_mistake() -> None:
    bot, _ = a_bot(hang)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, bot)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="one send"):
            await send(bot)
        nursery.cancel_scope.cancel()


def test_nothing_secret_is_shown() -> None:
    bot, _ = a_bot({})
    assert "tok3n" not in repr(bot)
