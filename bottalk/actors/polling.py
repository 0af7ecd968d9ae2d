"""A channel's poll loop: getupdates for ever, one poll at a time, messages and cursor stored together."""

import structlog
import trio

from bottalk.actors.line import AUTH_CONFIRM_S, Line, rest_after
from bottalk.delivery import retry
from bottalk.delivery.commands import command_of
from bottalk.delivery.verdict import Verdict
from bottalk.ilink.errors import IlinkError
from bottalk.ilink.shapes import Inbound as WireMessage
from bottalk.ilink.shapes import Updates
from bottalk.messages import Inbound, InboundMessage
from bottalk.values import InactiveReason

log = structlog.get_logger()

STALE_PAUSE_S = 2.0
"""Seconds between a notifystart after −14 and the poll that decides."""

CURSOR_EVERY_S = 600.0
"""Seconds between two writes of a cursor that came without messages: 10,000 channels must not commit at each poll.
iLink does not replay, so an older cursor after a crash loses nothing; where it does, messages are recognised."""


HELD_AT_LEAST_S = 1.0
"""Seconds from one poll to the next when it brought nothing new. iLink holds an empty one for 15 s and more; a proxy
that answers at once, or a second poller that pushes this one out, must not make the loop run hot."""


class Poller:
    """The loop and what it remembers between two polls."""

    __slots__ = ("_cursor", "_line", "_suspect", "_written_at")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._cursor = line.channel().cursor
        self._written_at = trio.current_time()
        self._suspect: Verdict | None = None
        """A verdict that the next poll confirms or clears."""

    async def run(self) -> None:
        """Poll until cancelled. A cancel aborts the poll: what its answer would have brought is lost on the wire.

        Raises SessionEnded when iLink has ended the session.
        """
        line = self._line
        await line.gate.start()
        if await line.notify_start() is not None:
            await line.gate.start()  # the call is spent: the next one has a turn of its own
        while True:
            if not line.tools.writable.is_ok:
                # what a poll brings could not be stored; afterwards all channels begin in line
                await line.tools.writable.ok()
                await line.gate.start()
            began_at = trio.current_time()
            try:
                updates = await line.bot.get_updates(self._cursor)
            except IlinkError as e:
                await self._failed(e, began_at)
                await line.gate.start()
                continue
            if updates.answered:
                if not await self._finished(updates):
                    await trio.sleep_until(began_at + HELD_AT_LEAST_S)
            else:
                line.gate.failed()
                line.heartbeat.last_error = "getupdates: no answer in time"
            # after an outage all channels come back, those whose poll only timed out too: in line, not in one herd
            if line.gate.is_down or not updates.answered:
                await line.gate.start()

    async def store_cursor(self) -> None:
        """Write a cursor that is not written yet (at the end of the actor)."""
        if self._cursor != self._line.channel().cursor:
            await self._line.persist(self._inbound((), self._cursor))

    async def _finished(self, updates: Updates) -> bool:
        """Store what a poll brought. Whether it was anything new."""
        line = self._line
        line.gate.answered()
        line.heartbeat.polled_at = trio.current_time()
        line.heartbeat.poll_failures = 0
        self._suspect = None
        line.check.poll_is_suspect = False
        if updates.cursor:
            self._cursor = updates.cursor
        messages = tuple(self._known(m) for m in updates.messages if self._opens(m))
        stale = trio.current_time() - self._written_at > CURSOR_EVERY_S and self._cursor != line.channel().cursor
        if not messages and not stale:
            return False
        self._written_at = trio.current_time()
        new = await line.persist(self._inbound(messages, self._cursor))
        if new:
            log.info("channel.inbound", channel=line.channel_id, messages=new)
        return bool(new)

    async def _failed(self, error: IlinkError, began_at: float) -> None:
        """Look at a failed poll; return when the next may begin. The verdicts are the protocol's §7."""
        line = self._line
        line.heartbeat.poll_failures += 1
        line.heartbeat.last_error = str(error)
        verdict = line.fault(error)
        log.debug("channel.poll_failed", channel=line.channel_id, error=str(error), verdict=verdict.name)
        if verdict is Verdict.SESSION:
            if self._suspect is Verdict.SESSION:
                await line.end_session(InactiveReason.SESSION_EXPIRED)
            self._suspect = verdict
            line.check.poll_is_suspect = True
            await line.check.run(began_at)
            await trio.sleep(STALE_PAUSE_S)
        elif verdict is Verdict.AUTH:
            if self._suspect is Verdict.AUTH:
                await line.end_session(InactiveReason.AUTH)
            self._suspect = verdict
            await trio.sleep(AUTH_CONFIRM_S)
        else:
            pause = retry.delay(line.heartbeat.poll_failures, retry.POLL_LADDER, line.tools.rng)
            await trio.sleep(max(pause, rest_after(error, line.tools.config) or 0.0))

    def _opens(self, message: WireMessage) -> bool:
        """Whether it is a message of the channel's own user; groups and echoes open nothing."""
        channel = self._line.channel()
        return (
            message.is_from_user(channel.bot_id)
            and not message.group_id
            and message.from_user_id == channel.wechat_openid
        )

    def _known(self, message: WireMessage) -> InboundMessage:
        keys = tuple(dict.fromkeys((message.dedup_key, message.fingerprint)))
        command = None if message.quotes else command_of(message.text, self._line.tools.style.words)
        return InboundMessage(keys, message.context_token, command)

    def _inbound(self, messages: tuple[InboundMessage, ...], cursor: str) -> Inbound:
        return Inbound(self._line.channel_id, self._line.token, messages, cursor)
