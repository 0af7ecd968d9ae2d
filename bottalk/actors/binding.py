"""One QR code being scanned: poll its status until it ends, and finish the binding in the journal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
import trio
from msgspec.structs import replace

from bottalk.actors.persist import persist
from bottalk.clock import Clock
from bottalk.directory import Directory
from bottalk.ilink.client import Ilink
from bottalk.ilink.errors import IlinkError
from bottalk.ilink.shapes import Confirmed, QrState, QrStatus
from bottalk.messages import Bind, Binding, BindingState, EndBinding
from bottalk.values import ChannelId, Secret
from supervisors import Child, Mailbox

log = structlog.get_logger()

PAUSE_S = 1.0
"""Seconds between two status polls, as the official client does."""

BACKOFF_CAP_S = 10.0
"""Failed status polls wait 1, 2, 4 … seconds, at most this."""

_STEPS = {
    QrState.SCANNED: BindingState.SCANNED,
    QrState.REDIRECT: BindingState.SCANNED,
    QrState.NEED_VERIFYCODE: BindingState.NEED_VERIFYCODE,
}
_ENDS = {
    QrState.EXPIRED: BindingState.EXPIRED,
    QrState.BOUND: BindingState.EXPIRED,
    QrState.VERIFY_BLOCKED: BindingState.VERIFY_CODE_BLOCKED,
}


@dataclass(frozen=True, slots=True)
class BindingTools:
    """What a watcher works with. `start_channel` starts the bound channel's actor, the old one gone first."""

    ilink: Ilink
    journal: Mailbox[Any]
    directory: Directory
    clock: Clock
    start_channel: Callable[[ChannelId], Awaitable[None]]


class BindingActor:
    """Watches one code. The steps of the phone are kept in memory; how it ends is the journal's."""

    def __init__(self, tools: BindingTools, binding: Binding) -> None:
        self._tools = tools
        self._binding = binding
        self._step = binding.state
        self._host: str | None = None
        self._digits: Secret | None = None
        self._entered = trio.Event()
        self._is_ending = False

    def seen(self, binding: Binding) -> Binding:
        """The journal's binding with the phone's present step."""
        return replace(binding, state=self._step)

    def enter(self, digits: Secret) -> None:
        """Digits typed in on the page; they go with the next status call, which is made at once."""
        self._digits = digits
        self._entered.set()

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Poll until the code ends or its time is over. A code cut by a stop is taken up again at the next start."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            await child.stopping.wait()
            if not self._is_ending:  # a confirmed code is told once, perhaps: its commit is waited for
                nursery.cancel_scope.cancel()

    async def _watch(self, done: trio.CancelScope) -> None:
        failures = 0
        while self._tools.clock.now() < self._binding.expires_at:
            digits, self._digits, self._entered = self._digits, None, trio.Event()
            try:
                status = await self._tools.ilink.get_qrcode_status(
                    self._binding.code, verify_code=digits, host=self._host
                )
            except IlinkError as e:
                failures += 1
                self._digits = self._digits or digits
                log.debug("binding.poll_failed", error=str(e))
                await trio.sleep(min(2.0 ** (failures - 1), BACKOFF_CAP_S))
                continue
            failures = 0
            if await self._took(status):
                break
            with trio.move_on_after(PAUSE_S):
                await self._entered.wait()
        else:
            await self._end(BindingState.EXPIRED)
        done.cancel()

    async def _took(self, status: QrStatus) -> bool:
        """Follow one status; whether it was the last."""
        if status.state is QrState.CONFIRMED and status.confirmed is not None:
            self._is_ending = True
            await self._bind(status.confirmed)
            return True
        if status.state in _ENDS:
            await self._end(_ENDS[status.state])
            return True
        self._step = _STEPS.get(status.state, self._step)
        if status.redirect_host:
            self._host = status.redirect_host
        if status.state is QrState.NEED_VERIFYCODE:
            await self._digits_or_end()
        return False

    async def _digits_or_end(self) -> None:
        """Nothing changes until digits are entered; the code may expire meanwhile."""
        with trio.move_on_after(max(0.0, self._binding.expires_at - self._tools.clock.now())):
            await self._entered.wait()

    async def _bind(self, confirmed: Confirmed) -> None:
        """Commit before anything else: whether iLink would tell it twice is not known."""
        binding = await persist(
            self._tools.journal,
            Bind(
                self._binding.code,
                confirmed.bot_token,
                confirmed.bot_id,
                confirmed.user_id,
                confirmed.base_url,
            ),
        )
        log.info("binding.done", state=binding.state.value)
        channel = self._tools.directory.channel_of_wechat(confirmed.user_id)
        if channel is not None and channel.bot_token == confirmed.bot_token:
            await self._tools.start_channel(channel.id)
        else:
            await self._release(confirmed)

    async def _release(self, confirmed: Confirmed) -> None:
        """The binding was refused: give it back and forget the token."""
        bot = self._tools.ilink.bot(confirmed.bot_token, confirmed.base_url)
        try:
            await bot.notify_stop()
        except IlinkError as e:
            log.info("binding.release_failed", error=str(e))
        finally:
            await bot.aclose()

    async def _end(self, state: BindingState) -> None:
        await persist(self._tools.journal, EndBinding(self._binding.code, state))
        log.info("binding.ended", state=state.value)
