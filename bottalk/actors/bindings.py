"""Bindings: one transient child per QR code being scanned. It finishes the binding even if the page was closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
import trio

from bottalk.actors.binding import BindingActor, BindingTools
from bottalk.config import Config
from bottalk.errors import CannotWrite, NoAccount, TooManyCodes
from bottalk.ilink.errors import IlinkError
from bottalk.messages import AskForCode, Binding, NewCode, OpenBinding
from bottalk.newcomers import place_of
from bottalk.values import Secret
from bottalk.verbs.draft import Pictures
from supervisors import (
    Child,
    ChildSpec,
    Letter,
    Mailbox,
    Restart,
    SupervisionError,
    Supervisor,
)

log = structlog.get_logger()

CODE_LIFE_S = 300.0
"""Seconds a code is shown as valid: other clients assume five minutes; only the status call is believed."""

MAILBOX = 100
"""Requests for a code: each is one HTTP call to iLink, so more than this would wait longer than a browser does."""


@dataclass(slots=True, eq=False)
class _Place:
    """`code` is empty until iLink has given it; once that is stored it counts among the bindings, no longer here."""

    ip: str
    code: str = ""


class Bindings:
    """Takes requests for codes, and watches each open code with a child of its own."""

    def __init__(self, tools: BindingTools, pictures: Pictures, supervisor: Supervisor, config: Config) -> None:
        self.mailbox: Mailbox[AskForCode] = Mailbox("bindings", MAILBOX)
        self.supervisor = supervisor
        self._tools = tools
        self._pictures = pictures
        self._config = config
        self._watched: dict[str, BindingActor] = {}
        self._count = 0
        self._coming: list[_Place] = []
        """Held for codes of which iLink is being asked, or the journal."""

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Go on with the codes that were open, and open new ones as they are asked for."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run, child)
            for binding in list(self._pictures.bindings.values()):
                if not binding.state.is_end and binding.expires_at > self._tools.clock.now():
                    await self._watch(binding)
            task_status.started()
            async for letter in self.mailbox:
                nursery.start_soon(self._open, letter)

    def state(self, code: str) -> Binding | None:
        """What is known of a code now: the journal's word once it has ended, the phone's steps before."""
        binding = self._pictures.bindings.get(code)
        watch = self._watched.get(code)
        if binding is None or binding.state.is_end or watch is None:
            return binding
        return watch.seen(binding)

    def enter(self, code: str, digits: Secret) -> None:
        """Hand the digits that the phone shows to the code's watcher."""
        watch = self._watched.get(code)
        if watch is not None:
            watch.enter(digits)

    async def _open(self, letter: Letter[AskForCode]) -> None:
        """One request, to its end, whoever still listens."""
        m = letter.message
        try:
            with self._place(m.ip) as place:
                found = await self._tools.ilink.get_bot_qrcode()
                place.code = found.qrcode.reveal()
                now = self._tools.clock.now()
                binding = Binding(found.qrcode, m.session, m.user_id, m.ip, now, now + CODE_LIFE_S, m.rebind, m.invited)
                await self._tools.journal.ask(OpenBinding(binding, m.opens))
            await self._watch(binding)
        except (IlinkError, TooManyCodes, CannotWrite, NoAccount, SupervisionError) as e:
            # of the tree's errors: the journal full or gone, or no watcher because a stop has begun
            letter.fail(e)
            return
        letter.reply(NewCode(binding, found.url, found.raw))

    @contextmanager
    def _place(self, ip: str) -> Iterator[_Place]:
        """Hold one of the places for open codes until the code is among them. Raises TooManyCodes."""
        now, bindings, network = self._tools.clock.now(), self._pictures.bindings, place_of(ip) or ip
        taken = [b.ip for b in bindings.values() if not b.state.is_end and b.expires_at > now]
        taken += [coming.ip for coming in self._coming if coming.code not in bindings]
        if len(taken) >= self._config.codes_in_all:
            raise TooManyCodes("in all")
        if sum((place_of(other) or other) == network for other in taken) >= self._config.codes_per_address:
            raise TooManyCodes("from this address")
        place = _Place(ip)
        self._coming.append(place)
        try:
            yield place
        finally:
            self._coming.remove(place)

    async def _watch(self, binding: Binding) -> None:
        for code in [code for code in self._watched if code not in self._pictures.bindings]:
            del self._watched[code]
        watch = self._watched[binding.code.reveal()] = BindingActor(self._tools, binding)
        self._count += 1
        # the code is a secret, so the child is named by a number
        spec = ChildSpec(
            name=f"binding {self._count}", run=watch.run, restart=Restart.TRANSIENT, stop_timeout=1.0, forget=True
        )
        await self.supervisor.start_child(spec)
