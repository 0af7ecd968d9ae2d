"""The root of the tree: its children in their order, what becomes of each that crashes, and how long its stop may take.

The stop's sums, which must fit systemd's TimeoutStopSec of 60 s: http 21.5 s (the longest `wait` and one more; waiting
callers are answered at once, so usually nothing), reminders 0.5 s, codes 1.5 s, sends in hand 11 s, journal 5 s: 39.5 s
in all.
"""

from bottalk.actors.alarms import Alarms
from bottalk.actors.housekeeper import Housekeeper
from bottalk.actors.journal import Journal
from bottalk.actors.watchdog import Vitals, Watchdog
from bottalk.daemon.actors import Actors
from bottalk.daemon.parts import Parts, supervisor
from bottalk.http.actor import Web
from supervisors import Backoff, ChildSpec, ChildState, Excess, Intensity, Supervisor

HTTP_STOP_S = 21.5
CHANNELS_STOP_S = 11.0
BINDINGS_STOP_S = 1.5
REMINDERS_STOP_S = 0.5
JOURNAL_STOP_S = 5.0

VITAL = ("journal", "ratelimit", "http")
"""The actors without which no push is accepted: the process is not left to run for long without one of them."""


def root_of(
    p: Parts, actors: Actors, housekeeper: Housekeeper, alarms: Alarms, web: Web | None, watchdog: Watchdog
) -> Supervisor:
    """Start top to bottom, stop bottom to top. A crash of the journal ends the process; the others come back."""
    for_ever = Backoff(first=0.2, factor=2.0, cap=30.0, jitter=0.2)
    once = Intensity(max_restarts=0, period_s=60.0)
    children = [
        ChildSpec(
            "journal",
            actors.journal.run,
            mailbox=actors.journal.mailbox,
            intensity=once,
            excess=Excess.ESCALATE,
            stop_timeout=JOURNAL_STOP_S,
        ),
        ChildSpec(
            "ratelimit",
            actors.ratelimit.run,
            mailbox=actors.ratelimit.mailbox,
            backoff=for_ever,
            excess=Excess.KEEP_ON,
            stop_timeout=0.0,
        ),
        ChildSpec(
            "channels",
            actors.channels.run,
            mailbox=actors.channels.mailbox,
            supervisor=actors.channels.supervisor,
            backoff=for_ever,
            excess=Excess.KEEP_ON,
            start_timeout=120.0,
            stop_timeout=CHANNELS_STOP_S,
        ),
        ChildSpec(
            "bindings",
            actors.bindings.run,
            mailbox=actors.bindings.mailbox,
            supervisor=actors.bindings.supervisor,
            backoff=for_ever,
            excess=Excess.KEEP_ON,
            stop_timeout=BINDINGS_STOP_S,
        ),
        ChildSpec(
            "reminders", actors.reminders.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=REMINDERS_STOP_S
        ),
        ChildSpec("housekeeper", housekeeper.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=0.0),
        ChildSpec("alarms", alarms.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=0.0),
    ]
    if web is not None:
        children.append(ChildSpec("http", web.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=HTTP_STOP_S))
    children.append(ChildSpec("watchdog", watchdog.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=0.0))
    return supervisor("root", p, children)


def vitals(root: Supervisor, journal: Journal) -> Vitals:
    """What the watchdog looks at."""
    children = root.status(deep=False).children
    down = [f"{c.name}: {c.state.value}" for c in children if c.name in VITAL and c.state is not ChildState.RUNNING]
    mailbox = journal.mailbox.status()
    return Vitals(tuple(down), mailbox.depth + mailbox.in_hand, journal.status().tries)
