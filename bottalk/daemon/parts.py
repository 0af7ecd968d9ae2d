"""What is open before the tree is built, and what every supervisor of it is given."""

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import httpx
import structlog

from bottalk.actors.watchdog import Manager
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery.digest import Style
from bottalk.ilink.client import Ilink
from bottalk.measures import Measures
from bottalk.store.database import Database
from bottalk.store.threads import Runner
from bottalk.values import Secret
from bottalk.verbs.draft import Pictures
from supervisors import ChildSpec, EventKind, SupervisionEvent, Supervisor

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What is open before the tree is built."""

    config: Config
    style: Style
    clock: Clock
    rng: random.Random
    database: Database
    pictures: Pictures
    next_row_id: int
    ilink: Ilink
    secret: Secret
    manager: Manager | None
    sockets: tuple[socket.socket, ...]
    runner: Runner | None
    measures: Measures
    alert_transport: httpx.AsyncBaseTransport | None


def supervisor(name: str, p: Parts, children: Sequence[ChildSpec] = ()) -> Supervisor:
    """One of the tree's supervisors: what happens below it is logged, and its restarts are counted."""
    return Supervisor(name, children, rng=p.rng, wall=p.clock.now, on_event=partial(_tell, p.measures))


def _tell(measures: Measures, event: SupervisionEvent) -> None:
    """The tree's events as log lines: what an operator reads first when something is ill."""
    name = f"{event.supervisor}.{event.child}"
    match event.kind:
        case EventKind.CRASHED:
            log.error("actor.crashed", actor=name, exc_info=event.error)
        case EventKind.PARKED | EventKind.ESCALATED:
            log.error(f"actor.{event.kind.value}", actor=name, what_to_do="read the error above, restart it")
        case EventKind.RESTARTING:
            measures.restarts[event.supervisor] += 1
            log.warning("actor.restarting", actor=name, after_s=event.delay)
        case EventKind.CUT:
            log.warning("actor.cut", actor=name)
        case EventKind.STARTED | EventKind.STOPPED | EventKind.FINISHED | EventKind.RETURNED:
            log.debug(f"actor.{event.kind.value}", actor=name)
