"""The typed calls of one bot token."""

import trio

from bottalk.ilink import answers
from bottalk.ilink.calls import Calls, call, successful
from bottalk.ilink.errors import IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.ilink.line import Line, Request
from bottalk.ilink.shapes import Sent, Updates
from bottalk.values import Secret

MAX_TEXT_BYTES = 16_384
"""UTF-8 bytes of a text; iLink refuses more (protocol notes §5). The policy stays far below."""

_BOT_MESSAGE = 2
_FINISHED = 2
_TEXT = 1


class _Unanswered(IlinkTransportError):
    """A poll that iLink did not answer in time."""


class Bot:
    """Calls with one bot token. Two connections, opened on demand: one for polls, one for sends.

    Made by `Ilink.bot`. At most one poll and one send at a time. Every method raises IlinkRefused, IlinkHttpError or
    IlinkTransportError, and nothing else for what iLink or the network do.
    """

    __slots__ = ("_calls", "_hold", "_origin", "_polling", "_polls", "_sending", "_sends", "_token")

    def __init__(self, calls: Calls, token: Secret, origin: Origin) -> None:
        self._calls = calls
        self._token = token
        self._origin = origin
        self._hold = calls.settings.poll_hold
        self._polls: Line | None = None
        self._sends: Line | None = None
        self._polling = False
        self._sending = False

    def __repr__(self) -> str:
        return f"<Bot at {self._origin.authority}>"

    @property
    def host(self) -> str:
        """Host and port of its calls: what the shared breaker goes by."""
        return self._origin.authority

    @property
    def poll_answer_begun(self) -> bool:
        """The first byte of the answer to the poll under way has come: cancelled now, its messages would be lost."""
        return self._polling and self._polls is not None and self._polls.answer_begun

    async def get_updates(self, cursor: str) -> Updates:
        """Wait for messages: a long poll, held by iLink for about 35 s. `cursor`: the last one stored, "" at first.

        Our own time-out is what iLink said last about its hold, plus 10 s; it gives `answered=False`, which is no
        finished poll. Raises IlinkRefused -14 for a token that is no longer good. After a cancel messages may be lost:
        iLink does not hand them out again (§4).
        """
        if self._polling:
            raise RuntimeError("two polls of one token would steal each other's messages")
        if self._polls is None:
            self._polls = self._calls.lines.own(self._origin)
        request = self._calls.post("/ilink/bot/getupdates", {"get_updates_buf": cursor}, self._token)
        self._polling = True
        try:
            with self._calls.tallies["getupdates"]:
                found = await self._poll(self._polls, request)
        except _Unanswered:
            return Updates(answered=False)
        finally:
            self._polling = False
        if found.next_timeout_s is not None:
            self._hold = found.next_timeout_s
        return found

    async def _poll(self, line: Line, request: Request) -> Updates:
        with trio.move_on_after(self._hold + self._calls.settings.poll_grace) as scope:
            answer = await line.exchange(request)
        if scope.cancelled_caught:
            raise _Unanswered(Kind.TIMEOUT, maybe_arrived=True)
        return answers.updates(successful(answer).body, (self._token,))

    async def send_message(self, to: str, text: str, *, client_id: str, context_token: Secret | None) -> Sent:
        """Send a text to `to`, exactly as received (case!). `context_token`: of the latest inbound message, if any.

        NUL is left out and lone surrogates are replaced; the same arguments give the same bytes. Raises IlinkRefused
        (-2: the window; -14: the session), IlinkHttpError, and IlinkTransportError: after a cancel, or one with
        `maybe_arrived`, the message may have been accepted. Raises ValueError for a text that must never be sent:
        blank, or over 16,384 bytes.
        """
        words = sendable_text(text)
        message: dict[str, object] = {
            "from_user_id": "",
            "to_user_id": to,
            "client_id": client_id,
            "message_type": _BOT_MESSAGE,
            "message_state": _FINISHED,
            "item_list": [{"type": _TEXT, "text_item": {"text": words}}],
        }
        if context_token:
            message["context_token"] = context_token.reveal()
        if self._sending:
            raise RuntimeError("one send at a time: two within a second draw a penalty")
        if self._sends is None:
            self._sends = self._calls.lines.own(self._origin)
        request = self._calls.post("/ilink/bot/sendmessage", {"msg": message}, self._token)
        line, lines, begun = self._sends, self._calls.lines, trio.current_time()
        lines.take(line)
        self._sending = True
        hide = (self._token, Secret(text), *((context_token,) if context_token else ()))
        with self._calls.tallies["sendmessage"]:
            try:
                answer = await call(line, request, self._calls.settings.send_timeout)
            finally:
                self._sending = False
                lines.rest(line)
            message_id = answers.sent_message_id(answer.body, hide)
        seconds = trio.current_time() - begun
        self._calls.send_seconds.observe(seconds)
        return Sent(message_id, http_status=answer.status, duration_ms=round(seconds * 1000))

    @property
    def is_cold(self) -> bool:
        """Whether a send would have to connect first."""
        return not self._sending and (self._sends is None or self._sends.is_cold)

    async def warm(self) -> None:
        """Connect for a send that is about to come. Does nothing while one is under way; it is closed again when none
        comes. Raises IlinkTransportError."""
        if self._sending:
            return
        if self._sends is None:
            self._sends = self._calls.lines.own(self._origin)
        line, lines = self._sends, self._calls.lines
        lines.take(line)
        self._sending = True
        try:
            await line.warm()
        finally:
            self._sending = False
            lines.rest(line)

    async def notify_start(self) -> None:
        """Tell iLink that a client serves this bot: at start, at binding, and once on -14 (§6, §7.2)."""
        await self._tell("/ilink/bot/msg/notifystart", {}, or_empty=True)

    async def notify_stop(self) -> None:
        """Tell iLink that nobody serves this bot any more: only when a channel is deleted or a binding given back."""
        await self._tell("/ilink/bot/msg/notifystop", {}, or_empty=True)

    async def get_config(self, user_id: str, context_token: Secret | None = None) -> None:
        """A health probe. IlinkRefused -4 means that the user has not written yet."""
        body = {"ilink_user_id": user_id}
        if context_token:
            body["context_token"] = context_token.reveal()
        await self._tell("/ilink/bot/getconfig", body, or_empty=False)

    async def aclose(self) -> None:
        """Close both connections, at once. A call under way fails with IlinkTransportError; cancel it first."""
        for line in (self._polls, self._sends):
            if line is not None:
                self._calls.lines.take(line)
                await line.aclose()

    async def _tell(self, target: str, body: dict[str, str], *, or_empty: bool) -> None:
        line = self._calls.lines.shared(self._origin)
        request = self._calls.post(target, body, self._token)
        with self._calls.tallies[target.rpartition("/")[2]]:
            answer = await call(line, request, self._calls.settings.other_timeout)
            answers.accepted(answer.body, (self._token,), or_empty=or_empty)


def sendable_text(text: str) -> str:
    """The text as it goes on the wire. Raises ValueError for one that must not be sent."""
    words = text.replace("\0", "").encode("utf-8", "replace")
    if not words.strip():
        raise ValueError("a blank text: iLink refuses it")
    if len(words) > MAX_TEXT_BYTES:
        raise ValueError(f"a text of {len(words)} bytes: iLink refuses more than {MAX_TEXT_BYTES}")
    return words.decode("utf-8")
