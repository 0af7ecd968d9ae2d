"""The client of Tencent's iLink Bot API: binding by QR code, and the bots that come of it."""

import random
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urlencode

import httpx

from bottalk.ilink import answers
from bottalk.ilink.bot import Bot
from bottalk.ilink.calls import Calls, call
from bottalk.ilink.connection import Opener
from bottalk.ilink.errors import IlinkTransportError, Kind
from bottalk.ilink.lines import Lines
from bottalk.ilink.opening import open_stream
from bottalk.ilink.settings import IlinkSettings
from bottalk.ilink.shapes import QrCode, QrState, QrStatus
from bottalk.measures import Measures
from bottalk.values import Secret

__all__ = ["Bot", "Ilink", "IlinkSettings"]


class Ilink:
    """One per daemon: `async with Ilink(settings, rng=rng) as ilink`. Run `sweep` beside it.

    `transport`: all calls go through it, without sockets (a sandbox in this process). `proxies`: as
    `urllib.request.getproxies` gives them, None reads this machine's. `ssl_context` and `opener` replace the usual
    certificates and `open_stream`. Nothing is opened before the first call.
    """

    def __init__(
        self,
        settings: IlinkSettings,
        *,
        rng: random.Random,
        transport: httpx.AsyncBaseTransport | None = None,
        proxies: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        opener: Opener = open_stream,
        measures: Measures | None = None,
    ) -> None:
        """`measures`: where calls are counted."""
        self._lines = Lines(settings, transport=transport, proxies=proxies, ssl_context=ssl_context, opener=opener)
        self._calls = Calls(settings, self._lines, rng, measures or Measures())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the shared connections. Close the bots before: their polls are their own."""
        await self._lines.aclose()

    @property
    def host(self) -> str:
        """Host and port of the fixed address: what the breaker of the QR calls goes by."""
        return self._calls.hosts.fixed.authority

    def bot(self, token: Secret, base_url: str = "") -> Bot:
        """The calls of one bot. `base_url`: from the confirm answer; empty, or outside the host rule: the fixed one."""
        return Bot(self._calls, token, self._calls.hosts.base(base_url))

    async def sweep(self) -> NoReturn:
        """Close the bots' send connections after 30 s without use, for ever: one task for all bots."""
        await self._lines.sweep()

    async def get_bot_qrcode(self) -> QrCode:
        """A new code to scan. Sends no list of tokens: a scan then always gives fresh credentials (§3).

        Raises IlinkError.
        """
        line = self._lines.shared(self._calls.hosts.fixed)
        request = self._calls.post("/ilink/bot/get_bot_qrcode?bot_type=3", {"local_token_list": []})
        with self._calls.tallies["get_bot_qrcode"]:
            answer = await call(line, request, self._calls.settings.qrcode_timeout)
            return answers.qr_code(answer.body)

    async def get_qrcode_status(
        self, qrcode: Secret, *, verify_code: Secret | None = None, host: str | None = None
    ) -> QrStatus:
        """What became of a code: a long poll of about 35 s, answered at once on a change.

        `host`: the `redirect_host` of an earlier answer (one outside the host rule counts as none). Our own time-out
        while iLink holds the poll is WAIT. Raises IlinkError; whatever it is, the code may still be scanned: poll on.
        After a cancel an answer under way is lost, and whether `confirmed` comes twice is not known.
        """
        origin = self._calls.hosts.redirect(host) or self._calls.hosts.fixed
        query = {"qrcode": qrcode.reveal()}
        if verify_code:
            query["verify_code"] = verify_code.reveal()
        request = self._calls.get(f"/ilink/bot/get_qrcode_status?{urlencode(query)}")
        # Held for long, and there may be hundreds: no place for the small shared pool.
        line = self._lines.own(origin)
        hide = (qrcode, verify_code) if verify_code else (qrcode,)
        try:
            with self._calls.tallies["get_qrcode_status"]:
                answer = await call(line, request, self._calls.settings.status_timeout)
                return answers.qr_status(answer.body, self._calls.hosts, hide)
        except IlinkTransportError as e:
            if e.kind is Kind.TIMEOUT and e.maybe_arrived:
                return QrStatus(QrState.WAIT, status="wait")
            raise
        finally:
            await line.aclose()
