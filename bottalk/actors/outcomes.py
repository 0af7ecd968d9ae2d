"""What comes of a try to send one message: committed with its rows, and what the channel does next."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog
import trio

from bottalk.actors.line import AUTH_CONFIRM_S, Line, rest_after
from bottalk.actors.tries import Frozen, Tries
from bottalk.delivery.digest import Batch
from bottalk.delivery.suspects import Convict
from bottalk.delivery.verdict import Verdict
from bottalk.delivery.window import closed_by
from bottalk.ilink.errors import IlinkError, IlinkHttpError, IlinkRefused, IlinkTransportError
from bottalk.ilink.shapes import Sent
from bottalk.messages import SendEvent, Settle
from bottalk.values import InactiveReason, Outcome, PushId, Reason, Row, RowId, RowStatus, Settlement

log = structlog.get_logger()

SUCCESS = Outcome(RowStatus.SUCCESS)

POLL_DECIDES_S = 5.0
"""Seconds without a send where a poll was answered −14 as well: its second try is due after two. And before a
notifystart is made again that was not heard."""

ENOUGH_CHECKS = 2
"""A notifystart that was heard, or two that were not: where none ever is, −14 decides all the same."""


MOST_NAMED = 20
"""Pushes that one line of the log names."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of sendmessage. `epoch` and `is_probe` (the window was closed) are as it began; `began_at` is trio's
    clock."""

    frozen: Frozen
    epoch: int
    is_probe: bool
    began_at: float


class Outcomes:
    """Judges the tries of one channel. `tries` is told what it has to remember."""

    __slots__ = ("_auth_suspect", "_line", "_session_checks", "_tries")

    def __init__(self, line: Line, tries: Tries) -> None:
        self._line = line
        self._tries = tries
        self._session_checks = 0
        """By the notifystarts since the first −14 of several in a row: 2 for each that was heard, else 1."""
        self._auth_suspect = False

    async def accepted(self, attempt: Attempt, sent: Sent) -> None:
        """iLink took it: its rows are settled, or a part of its only row is out."""
        line, frozen = self._line, attempt.frozen
        line.gate.answered()
        self._session_checks, self._auth_suspect = 0, False
        convicts = self._tries.accepted(frozen)
        self._is_over()
        is_confirmed = sent.message_id is not None
        batch, event = frozen.batch, SendEvent.ACCEPTED if is_confirmed else SendEvent.UNCONFIRMED
        part = (batch.rows[0].id, batch.parts_sent) if batch.parts_sent else None
        suspicious = not is_confirmed and line.channel().window.gives_ids
        ends = [] if part else [self._success(frozen, row, sent, suspicious=suspicious) for row in batch.rows]
        await self._settle(attempt, event, (*ends, *self._given_up(convicts)), part=part)
        log.info(
            "channel.sent",
            channel=line.channel_id,
            pushes=pushes_of(batch),
            rows=len(batch.rows),
            part=batch.parts_sent or None,
            confirmed=is_confirmed,
            ms=sent.duration_ms,
        )

    async def cut(self, attempt: Attempt) -> None:
        """The call was cancelled: it may have arrived, and the next try says so."""
        await self._note(attempt, "cut", SendEvent.UNCERTAIN)

    async def failed(self, attempt: Attempt, error: IlinkError) -> None:
        """Whatever else came of it. Raises SessionEnded when iLink has ended the session."""
        line = self._line
        verdict = line.fault(error)
        line.heartbeat.last_error = str(error)
        if verdict in (Verdict.WINDOW, Verdict.BURST, Verdict.OTHER):  # the token was good enough for a real answer
            self._session_checks, self._auth_suspect = 0, False
        pushes = pushes_of(attempt.frozen.batch)
        log.info("channel.send_failed", channel=line.channel_id, pushes=pushes, error=str(error), verdict=verdict.name)
        rest = rest_after(error, line.tools.config)
        if rest is not None:
            await self._rest(attempt, error, rest)
            return
        match verdict:
            case Verdict.WINDOW:
                await self._refused(attempt, error, SendEvent.REFUSED)
            case Verdict.BURST:
                await self._refused(attempt, error, SendEvent.BURST)
            case Verdict.SESSION:
                await self._session(attempt, error)
            case Verdict.AUTH:
                if self._auth_suspect:
                    await line.end_session(InactiveReason.AUTH)
                self._auth_suspect = True
                line.heartbeat.rest_until = trio.current_time() + AUTH_CONFIRM_S
                await self._note(attempt, error, SendEvent.NOTHING)
            case Verdict.OTHER:
                await self._disliked(attempt, error)
            case Verdict.TRANSPORT:
                await self._retry(attempt, error)

    async def _rest(self, attempt: Attempt, error: IlinkError, seconds: float) -> None:
        """iLink says itself how long it wants to be left alone. More gathers meanwhile, unless it may have arrived."""
        self._is_retrying()
        self._line.heartbeat.rest_until = trio.current_time() + seconds
        if not attempt.frozen.maybe_duplicate:
            self._tries.thaw(attempt.frozen)
        await self._note(attempt, error, SendEvent.NOTHING)

    async def _refused(self, attempt: Attempt, error: IlinkError, event: SendEvent) -> None:
        """iLink takes nothing now; the window's books say why. The batch thaws: refused bytes are free again."""
        line = self._line
        self._tries.thaw(attempt.frozen)
        self._is_over()
        before = line.channel().window
        await self._note(attempt, error, event)
        after = line.channel().window
        log.warning("channel.refused", channel=line.channel_id, closed=after.closed, penalty_step=after.penalty_step)
        if isinstance(error, IlinkRefused):
            await self._give_up(attempt, self._tries.refused(attempt.frozen, error.ret, before, after))

    async def _session(self, attempt: Attempt, error: IlinkError) -> None:
        """−14: a notifystart decides at once. Well answered, the batch is tried once more; −14 again: half-dead, unless
        polls are answered so too: then the next poll decides. One that was not heard is made again, once."""
        line = self._line
        if self._session_checks >= ENOUGH_CHECKS and not line.check.poll_is_suspect:
            self._session_checks = 0
            self._tries.thaw(attempt.frozen)
            self._is_over()
            await self._note(attempt, error, SendEvent.HALF_DEAD)
            log.warning("channel.half_dead", channel=line.channel_id, what_to_do="write to the bot, or scan again")
            return
        answer = await line.check.run(attempt.began_at)
        if answer is Verdict.SESSION:
            await line.end_session(InactiveReason.SESSION_EXPIRED)
        is_heard = answer is not Verdict.TRANSPORT
        self._session_checks += 2 if is_heard else 1
        if line.check.poll_is_suspect or not is_heard:
            line.heartbeat.rest_until = trio.current_time() + POLL_DECIDES_S
        await self._note(attempt, error, SendEvent.NOTHING)

    async def _disliked(self, attempt: Attempt, error: IlinkError) -> None:
        """Another number: the same bytes again, as after a transport error, a few times; then another row."""
        self._is_retrying()
        await self._note(attempt, error, SendEvent.NOTHING)
        if isinstance(error, IlinkRefused):
            number = error.ret
        else:
            assert isinstance(error, IlinkHttpError)
            number = error.status
        await self._give_up(attempt, self._tries.disliked(attempt.frozen, number))

    async def _retry(self, attempt: Attempt, error: IlinkError) -> None:
        """The same bytes again, later. A cut send may have arrived, so it counts as spent."""
        uncertain = _may_have_arrived(error)
        await self._note(attempt, error, SendEvent.UNCERTAIN if uncertain else SendEvent.NOTHING)
        self._is_retrying()
        self._tries.failed(attempt.frozen, uncertain=uncertain)

    def _is_retrying(self) -> None:
        """The same again, soon; where the window is closed it is the user's word that helps."""
        line, now = self._line, self._line.tools.clock.now()
        if closed_by(line.channel().window, now, line.tools.config.delivery) is not None:
            line.heartbeat.retrying_since = None
        elif line.heartbeat.retrying_since is None:
            line.heartbeat.retrying_since = now

    def _is_over(self) -> None:
        """iLink took or refused a message: whatever was in its way before, only another frozen one is still retried."""
        if not self._tries.is_retrying:
            self._line.heartbeat.retrying_since = None

    # --- what is committed ---

    async def _note(self, attempt: Attempt, error: IlinkError | str, event: SendEvent) -> None:
        """Commit that a try did not settle its rows."""
        await self._settle(attempt, event, tried=attempt.frozen.batch.row_ids, error=str(error))

    async def _settle(
        self,
        attempt: Attempt,
        event: SendEvent,
        settlements: Iterable[Settlement] = (),
        *,
        tried: tuple[RowId, ...] = (),
        error: str = "",
        part: tuple[RowId, int] | None = None,
    ) -> None:
        line = self._line
        await line.persist(
            Settle(
                line.channel_id,
                line.token,
                event,
                attempt.epoch,
                tuple(settlements),
                tried=tried,
                error=error,
                is_probe=attempt.is_probe,
                part=part,
            )
        )

    def _success(self, frozen: Frozen, row: Row, sent: Sent, *, suspicious: bool) -> Settlement:
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
        batch, attempts = frozen.batch, self._tries_of(row) + 1
        return Settlement(row.id, SUCCESS, response, attempts, batch.client_id, linked=batch.linked)

    def _tries_of(self, row: Row) -> int:
        """Those before this one, as committed."""
        known = self._line.outbox.get(row.id)
        return row.attempts if known is None else known.attempts

    async def _give_up(self, attempt: Attempt, convicts: list[Convict]) -> None:
        ends = tuple(self._given_up(convicts))
        if ends:
            await self._settle(attempt, SendEvent.NOTHING, ends)

    def _given_up(self, convicts: list[Convict]) -> Iterator[Settlement]:
        """The ends of texts that iLink will not take."""
        for convict in convicts:
            row = self._line.outbox.get(convict.row_id)
            if row is None:
                continue
            log.warning("channel.gave_up", channel=self._line.channel_id, push=row.push_id, ret=convict.ret)
            response: dict[str, str | int | bool | None] = {"errcode": convict.ret, "errmsg": "refused by iLink"}
            if row.maybe_duplicate:
                response["maybe_duplicate"] = True
            outcome = Outcome(RowStatus.FAILED, reason=Reason.ILINK_OTHER, ret=convict.ret)
            yield Settlement(row.id, outcome, response, row.attempts)


def pushes_of(batch: Batch) -> list[PushId]:
    """The ids of its first pushes, for the log."""
    return [row.push_id for row in batch.rows[:MOST_NAMED]]


def _may_have_arrived(error: IlinkError) -> bool:
    """Whether iLink may have accepted the message although the call failed. A 504 or 524 is a proxy that gave up."""
    if isinstance(error, IlinkHttpError):
        return error.status in (504, 524)
    return isinstance(error, IlinkTransportError) and error.maybe_arrived
