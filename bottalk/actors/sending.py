"""A channel's send loop: group commit for WeChat. Take what has gathered, send one message, settle."""

from math import inf

import structlog
import trio

from bottalk.actors.line import Line
from bottalk.actors.outcomes import Attempt, Outcomes, pushes_of
from bottalk.actors.tries import Frozen, Tries, Turn
from bottalk.delivery import pacing, queue
from bottalk.delivery.window import closed_by
from bottalk.ilink.errors import IlinkError
from bottalk.messages import SendEvent, Settle
from bottalk.outbox import nobody

log = structlog.get_logger()


class Sender:
    """The loop. What it remembers between two tries is in `Tries`, what it makes of answers in `Outcomes`."""

    __slots__ = ("_idle", "_is_expecting", "_line", "_outcomes", "_tries")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._tries = Tries(line)
        self._outcomes = Outcomes(line, self._tries)
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

    def spread(self) -> None:
        """The daemon has just started: what waits goes some time within the first seconds, as with other channels."""
        tools, turn = self._line.tools, self._tries.next()
        seconds = tools.config.delivery.start_spread
        if turn is not None and turn.wait < seconds:
            self._line.heartbeat.rest_until = trio.current_time() + tools.rng.random() * seconds

    async def run(self) -> None:
        """Send what waits until `stop`. A cancel cuts a send: its rows stay queued, and it may have arrived.

        Raises SessionEnded when iLink has ended the session.
        """
        outbox = self._line.outbox
        outbox.expect = self.expect
        outbox.in_hand = self._tries.in_hand()
        try:
            while not self._line.stopping:
                self._idle = trio.CancelScope()
                with self._idle:
                    frozen = await self._turn()
                if self._idle.cancelled_caught:
                    break
                outbox.in_hand = self._tries.in_hand(frozen)
                await self._try(frozen)
                del frozen  # nobody who rests holds a text
                outbox.in_hand = self._tries.in_hand()
        finally:
            outbox.expect = nobody
            outbox.in_hand = frozenset()

    async def _turn(self) -> Frozen:
        """Wait until a message may go, and make it. No checkpoint lies between the last look and the return."""
        line = self._line
        while True:
            await self._judge()
            turn = self._tries.next()
            if turn is not None and turn.wait <= 0:
                if line.gate.is_down:
                    await self._up()
                    continue
                if not line.tools.writable.is_ok:
                    await line.tools.writable.ok()
                    continue  # it may have taken long: what waits is judged anew
                frozen = await self._next_batch(turn)
                if frozen is not None:
                    return frozen
                continue
            await self._news(self._nap(None if turn is None else turn.wait), is_firm=self._tries.is_firm(turn))
            if self._is_expecting:
                await self._warm()

    async def _next_batch(self, turn: Turn) -> Frozen | None:
        """The message whose turn it is now; None when another one has, because things have changed during a wait here.

        The only place where rows are chosen. Whatever waits in here comes before the last look: rows may be settled
        meanwhile.
        """
        tools = self._line.tools
        filled = await tools.texts.fill(turn.rows)
        await tools.outboxes.free()
        now = self._tries.next()
        if now is None or now.wait > 0 or not tools.writable.is_ok or self._line.gate.is_down:
            return None
        if now.frozen is not None:
            return now.frozen
        chosen = {row.id for row in now.rows}
        rows = [row for row in filled if row.id in chosen]
        if not rows or rows[0].id != now.rows[0].id:
            return None
        return self._tries.freeze(rows)

    async def _news(self, seconds: float, *, is_firm: bool) -> None:
        """Wait for news of the outbox, so long at most. `is_firm`: a row that only joins the others is none.

        An idle channel keeps no deadline: that is 1 KB each.
        """
        outbox = self._line.outbox
        outbox.is_resting = is_firm
        try:
            if seconds == inf:
                await outbox.wakeup.wait()
            else:
                with trio.move_on_after(seconds):
                    await outbox.wakeup.wait()
        finally:
            outbox.is_resting = False

    async def _up(self) -> None:
        """Wait until the host answers, or for news: what waits is judged meanwhile, too."""
        async with trio.open_nursery() as nursery:

            async def until_up() -> None:
                await self._line.gate.up()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_up)
            await self._news(self._nap(None), is_firm=True)
            nursery.cancel_scope.cancel()

    async def _warm(self) -> None:
        """Connect while the row is committed. A failure says nothing yet: the send will find out."""
        self._is_expecting = False
        line = self._line
        now, settings = line.tools.clock.now(), line.tools.config.delivery
        due = pacing.earliest(line.channel().window, pacing.Waiting(oldest_at=now), now, settings)
        if due is None or due > now or not line.tools.writable.is_ok:
            return
        try:
            await line.bot.warm()
        except IlinkError as e:
            log.debug("channel.not_warm", channel=line.channel_id, error=str(e))

    async def _judge(self) -> None:
        """Settle the rows that will never go: a row has one judge, its channel's actor while it runs."""
        line = self._line
        found = queue.over(line.outbox, self._tries.tried(), line.tools.clock.now())
        if found:
            ends = tuple(queue.ending(row, why) for row, why in found)
            epoch = line.channel().window.epoch
            await line.persist(Settle(line.channel_id, line.token, SendEvent.NOTHING, epoch, ends))
            for row, why in found:
                log.info("push.not_sent", channel=line.channel_id, push=row.push_id, reason=why.value)

    def _nap(self, wait: float | None) -> float:
        """Seconds to sleep at most: until a message may go, a row's time comes or is over, or the next look is due."""
        if len(self._line.outbox) == 0:
            return inf
        now = self._line.tools.clock.now()
        change = queue.next_change(self._line.outbox, now)
        return max(0.0, min(queue.LOOK_S, inf if wait is None else wait, inf if change is None else change - now))

    async def _try(self, frozen: Frozen) -> None:
        """One call of sendmessage, and what comes of it committed."""
        line, batch = self._line, frozen.batch
        if self._is_closed():
            # noted before it begins: the run that comes after a kill must not probe again within the hour
            epoch = line.channel().window.epoch
            await line.persist(Settle(line.channel_id, line.token, SendEvent.NOTHING, epoch, is_probe=True))
        channel, is_probe = line.channel(), self._is_closed()
        attempt = Attempt(frozen, channel.window.epoch, is_probe, trio.current_time())
        log.debug(
            "channel.try",
            channel=line.channel_id,
            pushes=pushes_of(batch),
            client_id=batch.client_id,
            failures=frozen.failures,
            probe=is_probe,
        )
        try:
            sent = await line.bot.send_message(
                channel.wechat_openid, batch.text, client_id=batch.client_id, context_token=channel.context_token
            )
        except IlinkError as e:
            await self._outcomes.failed(attempt, e)
        except BaseException:  # a cancel, or a bug: it may have arrived
            await self._outcomes.cut(attempt)
            raise
        else:
            await self._outcomes.accepted(attempt, sent)

    def _is_closed(self) -> bool:
        tools = self._line.tools
        return closed_by(self._line.channel().window, tools.clock.now(), tools.config.delivery) is not None
