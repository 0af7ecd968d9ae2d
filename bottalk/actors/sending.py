"""A channel's send loop: group commit for WeChat. Take what has gathered, send one message, settle."""

from dataclasses import dataclass
from math import inf

import structlog
import trio

from bottalk.actors.line import AUTH_CONFIRM_S, Line
from bottalk.actors.persist import persist
from bottalk.delivery import digest, pacing, queue, retry
from bottalk.delivery.digest import Batch
from bottalk.delivery.verdict import Verdict
from bottalk.ilink.errors import IlinkError, IlinkHttpError, IlinkTransportError
from bottalk.ilink.shapes import Sent
from bottalk.messages import SendEvent, Settle
from bottalk.outbox import nobody
from bottalk.values import InactiveReason, Outcome, Row, RowStatus, Settlement

log = structlog.get_logger()

SUCCESS = Outcome(RowStatus.SUCCESS)


@dataclass(slots=True)
class _Frozen:
    """A batch that was tried and not yet accepted or refused: the same bytes until then."""

    batch: Batch
    failures: int = 0
    maybe_duplicate: bool = False


class Sender:
    """The loop and what it remembers between two tries."""

    __slots__ = ("_auth_suspect", "_frozen", "_idle", "_is_expecting", "_line", "_session_suspect")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._frozen: _Frozen | None = None
        self._session_suspect = False
        self._auth_suspect = False
        self._is_expecting = False
        self._idle = trio.CancelScope()

    def expect(self) -> None:
        """A row is about to be committed: connect meanwhile, where it could go at once."""
        line = self._line
        if len(line.outbox) == 0 and line.bot.is_cold and not line.gate.is_down and not line.stopping:
            self._is_expecting = True
            line.outbox.wakeup.set()

    def stop(self) -> None:
        """End the loop before its next message; one in hand is finished and settled."""
        self._line.stopping = True
        self._idle.cancel()

    async def run(self) -> None:
        """Send what waits until `stop`. A cancel cuts a send: its rows stay queued, and it may have arrived.

        Raises SessionEnded when iLink has ended the session.
        """
        outbox = self._line.outbox
        outbox.expect = self.expect
        try:
            while not self._line.stopping:
                self._idle = trio.CancelScope()
                frozen = None
                with self._idle:
                    await self._turn()
                    frozen = await self._next_batch()
                if self._idle.cancelled_caught:
                    break
                if frozen is None:
                    continue
                outbox.in_hand = frozenset(frozen.batch.row_ids)
                await self._try(frozen)
                if self._frozen is None or not self._frozen.maybe_duplicate:
                    outbox.in_hand = frozenset()  # what may have arrived stays as it is until iLink says yes or no
        finally:
            outbox.expect = nobody
            outbox.in_hand = frozenset()

    async def _turn(self) -> None:
        """Wait until something may be sent now."""
        line = self._line
        while True:
            await self._judge()
            wait = self._wait()
            if wait is not None and wait <= 0:
                await line.gate.call()
                await line.tools.outboxes.free()
                wait = self._wait()  # things may have changed in the line
                if wait is not None and wait <= 0:
                    return
                continue
            await self._news(self._nap(wait))
            if self._is_expecting:
                await self._warm()

    async def _news(self, seconds: float) -> None:
        """Wait for news of the outbox, so long at most. An idle channel keeps no deadline: that is 1 KB each."""
        wakeup = self._line.outbox.wakeup
        if seconds == inf:
            await wakeup.wait()
        else:
            with trio.move_on_after(seconds):
                await wakeup.wait()

    async def _warm(self) -> None:
        """Connect while the row is committed. A failure says nothing yet: the send will find out."""
        self._is_expecting = False
        line = self._line
        now, settings = line.tools.clock.now(), line.tools.config.delivery
        due = pacing.earliest(line.channel().window, pacing.Waiting(oldest_at=now), now, settings)
        if due is None or due > now:
            return
        try:
            await line.bot.warm()
        except IlinkError as e:
            log.debug("channel.not_warm", channel=line.channel_id, error=str(e))

    async def _judge(self) -> None:
        """Settle the rows that will never go: a row has one judge, its channel's actor while it runs."""
        line = self._line
        found = queue.over(line.outbox, line.outbox.in_hand, line.tools.clock.now())
        if found:
            ends = tuple(
                Settlement(row.id, Outcome(RowStatus.FAILED, reason=why), attempts=row.attempts) for row, why in found
            )
            epoch = line.channel().window.epoch
            await persist(line.tools.journal, Settle(line.channel_id, line.token, SendEvent.NOTHING, epoch, ends))

    def _wait(self) -> float | None:
        """Seconds until the next message may go, at most 0 for now; None while only news can bring it."""
        line = self._line
        if len(line.outbox) == 0:
            self._frozen = None
            return None
        now = line.tools.clock.now()
        ready = queue.ready(line.outbox, now)
        if not ready and self._frozen is None:
            return None
        settings, window = line.tools.config.delivery, line.channel().window
        due = pacing.earliest(window, queue.waiting(ready, now), now, settings)
        if due is None:
            due = pacing.probe_at(window, now, settings)
        if due is None:
            return None
        return max(due - now, line.heartbeat.next_try_at - trio.current_time())

    def _nap(self, wait: float | None) -> float:
        """Seconds to sleep at most: until a message may go, or a row's time comes or is over.

        Wall times are looked at again each minute, so that a moved clock is noticed.
        """
        if len(self._line.outbox) == 0:
            return inf
        now = self._line.tools.clock.now()
        change = queue.next_change(self._line.outbox, now)
        return max(0.0, min(60.0, inf if wait is None else wait, inf if change is None else change - now))

    async def _next_batch(self) -> _Frozen | None:
        """The frozen batch, unless one of its rows was settled meanwhile (then none of it can have arrived).

        None when all of them were settled while their texts were read: look again. Else no checkpoint was passed since
        the last `free`, so that the rows may be taken in hand.
        """
        line = self._line
        if self._frozen is not None and not all(row_id in line.outbox for row_id in self._frozen.batch.row_ids):
            self._frozen = None
        if self._frozen is None:
            rows = queue.ready(line.outbox, line.tools.clock.now())
            filled = await line.tools.texts.fill(rows)
            await line.tools.outboxes.free()
            present = [row for row in filled if row.id in line.outbox]
            if not present:
                return None
            self._frozen = _Frozen(digest.compose(present, line.tools.style))
        return self._frozen

    async def _try(self, frozen: _Frozen) -> None:
        """One call of sendmessage, and what comes of it committed."""
        line, batch = self._line, frozen.batch
        channel = line.channel()
        epoch = channel.window.epoch
        try:
            sent = await line.bot.send_message(
                channel.wechat_openid, batch.text, client_id=batch.client_id, context_token=channel.context_token
            )
        except IlinkError as e:
            await self._failed(frozen, e, epoch)
        except trio.Cancelled:
            # cut at the end of a stop, or because the poll loop ended: it may have arrived, and the next try says so
            await self._note(frozen, "cut", SendEvent.UNCERTAIN, epoch)
            raise
        else:
            await self._accepted(frozen, sent, epoch)

    async def _accepted(self, frozen: _Frozen, sent: Sent, epoch: int) -> None:
        line = self._line
        line.gate.answered()
        line.heartbeat.retrying_since = None
        line.heartbeat.next_try_at = 0.0
        self._frozen, self._session_suspect, self._auth_suspect = None, False, False
        confirmed = sent.message_id is not None
        suspicious = not confirmed and line.channel().window.gives_ids
        settlements = tuple(self._success(frozen, row, sent, suspicious=suspicious) for row in frozen.batch.rows)
        event = SendEvent.ACCEPTED if confirmed else SendEvent.UNCONFIRMED
        await persist(line.tools.journal, Settle(line.channel_id, line.token, event, epoch, settlements))

    def _success(self, frozen: _Frozen, row: Row, sent: Sent, *, suspicious: bool) -> Settlement:
        response: dict[str, str | int | bool | None] = {
            "errcode": 0,
            "errmsg": "ok",
            "http_status": sent.http_status,
            "duration_ms": sent.duration_ms,
        }
        if sent.message_id is not None:
            response["message_id"] = sent.message_id
        if suspicious:
            response["confirmed"] = False
        if frozen.maybe_duplicate or row.maybe_duplicate:
            response["maybe_duplicate"] = True
        attempts = frozen.failures + 1 + row.attempts
        return Settlement(row.id, SUCCESS, response, attempts, frozen.batch.client_id)

    async def _failed(self, frozen: _Frozen, error: IlinkError, epoch: int) -> None:
        line = self._line
        verdict = line.fault(error)
        line.heartbeat.last_error = str(error)
        if verdict in (Verdict.WINDOW, Verdict.OTHER):  # the token was good enough for a real answer
            self._session_suspect = self._auth_suspect = False
        log.info("channel.send_failed", channel=line.channel_id, error=str(error), verdict=verdict.name)
        match verdict:
            case Verdict.WINDOW:
                await self._refused(frozen, error, epoch)
            case Verdict.SESSION:
                await self._session(frozen, error, epoch)
            case Verdict.AUTH:
                if self._auth_suspect:
                    await line.end_session(InactiveReason.AUTH)
                self._auth_suspect = True
                line.heartbeat.next_try_at = trio.current_time() + AUTH_CONFIRM_S
                await self._note(frozen, error, SendEvent.NOTHING, epoch)
            case Verdict.OTHER | Verdict.TRANSPORT:
                await self._retry(frozen, error, verdict, epoch)

    async def _refused(self, frozen: _Frozen, error: IlinkError, epoch: int) -> None:
        """iLink takes nothing now; the window's books say why. The batch thaws: refused bytes are free again."""
        self._frozen = None
        await self._note(frozen, error, SendEvent.REFUSED, epoch)
        window = self._line.channel().window
        log.warning(
            "channel.refused", channel=self._line.channel_id, closed=window.closed, penalty_step=window.penalty_step
        )

    async def _session(self, frozen: _Frozen, error: IlinkError, epoch: int) -> None:
        """−14: a notifystart decides at once. Well answered, the batch is tried once more; −14 again: half-dead."""
        line = self._line
        if self._session_suspect:
            self._session_suspect, self._frozen = False, None
            await self._note(frozen, error, SendEvent.HALF_DEAD, epoch)
            log.warning("channel.half_dead", channel=line.channel_id, what_to_do="write to the bot, or scan again")
            return
        if await line.notify_start() is Verdict.SESSION:
            await line.end_session(InactiveReason.SESSION_EXPIRED)
        self._session_suspect = True
        await self._note(frozen, error, SendEvent.NOTHING, epoch)

    async def _retry(self, frozen: _Frozen, error: IlinkError, verdict: Verdict, epoch: int) -> None:
        """The same bytes again, later. A cut send may have arrived, so it counts as spent."""
        line = self._line
        if line.heartbeat.retrying_since is None:
            line.heartbeat.retrying_since = line.tools.clock.now()
        uncertain = _may_have_arrived(error)
        await self._note(frozen, error, SendEvent.UNCERTAIN if uncertain else SendEvent.NOTHING, epoch)
        frozen.failures += 1
        frozen.maybe_duplicate = frozen.maybe_duplicate or uncertain
        tools = line.tools
        pause = retry.delay(frozen.failures, tools.config.delivery.retry, tools.rng)
        line.heartbeat.next_try_at = trio.current_time() + pause

    async def _note(self, frozen: _Frozen, error: IlinkError | str, event: SendEvent, epoch: int) -> None:
        """Commit that a try did not settle its rows."""
        line = self._line
        tried = frozen.batch.row_ids
        await persist(
            line.tools.journal, Settle(line.channel_id, line.token, event, epoch, tried=tried, error=str(error))
        )


def _may_have_arrived(error: IlinkError) -> bool:
    """Whether iLink may have accepted the message although the call failed. A 504 or 524 is a proxy that gave up."""
    if isinstance(error, IlinkHttpError):
        return error.status in (504, 524)
    return isinstance(error, IlinkTransportError) and error.maybe_arrived
