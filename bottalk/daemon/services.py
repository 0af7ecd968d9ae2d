"""The use cases, each by its constructor: the pictures, the actors it asks, the database it reads."""

from collections.abc import Callable

import trio

from bottalk.actors.backups import Backups
from bottalk.daemon.actors import Actors
from bottalk.daemon.parts import Parts
from bottalk.service.accounts import Accounts
from bottalk.service.channels import Channels
from bottalk.service.export import Export
from bottalk.service.figures import Figures
from bottalk.service.healths import Healths
from bottalk.service.imports import Imports
from bottalk.service.logs import Logs
from bottalk.service.operations import Operations
from bottalk.service.pushes import Pushes
from bottalk.service.reminders import Reminders
from bottalk.service.services import Services
from bottalk.service.sessions import Sessions
from bottalk.service.stats import Stats
from bottalk.service.status import Status
from bottalk.service.texts import Texts
from bottalk.service.users import Users
from bottalk.service.waiting import Waiting
from supervisors import SupervisorStatus


def services_of(
    p: Parts,
    actors: Actors,
    healths: Healths,
    tree: Callable[[], SupervisorStatus],
    stopping: trio.Event,
    backups: Backups,
) -> Services:
    """`tree` gives the root's status, without what is below its children; `stopping` is set when a stop begins."""

    def newest_backup_at() -> float | None:
        return backups.newest_at

    journal, channels = actors.journal.mailbox, actors.channels.mailbox
    sessions = Sessions(p.pictures, journal, p.database, p.clock)
    return Services(
        pushes=_pushes(p, actors, stopping),
        channels=Channels(p.pictures, actors.bindings, healths, p.config, p.clock, journal, channels),
        accounts=Accounts(p.pictures, journal, channels, sessions, Export(p.pictures, p.database, p.clock), p.config),
        users=Users(p.pictures, journal, channels, p.database),
        operations=Operations(p.pictures, journal, p.config, p.clock, healths.of),
        imports=Imports(p.pictures, journal, channels),
        sessions=sessions,
        reminders=Reminders(p.pictures, journal, p.clock),
        logs=Logs(journal, p.database, p.config),
        texts=Texts(p.database, p.config, p.clock),
        stats=Stats(p.pictures, p.database, p.config, p.clock),
        status=Status(
            p.pictures,
            healths,
            actors.gates,
            actors.journal.status,
            tree,
            p.config.database,
            p.config.delivery,
            p.clock,
            newest_backup_at,
        ),
        figures=Figures(
            p.measures, p.pictures, actors.heartbeats, p.config, p.clock, newest_backup_at, lambda: backups.failed
        ),
    )


def _pushes(p: Parts, actors: Actors, stopping: trio.Event) -> Pushes:
    waiting = Waiting(
        p.pictures,
        actors.heartbeats,
        actors.gates,
        p.config,
        p.style,
        p.clock,
        is_running=actors.is_running,
        stopping=stopping,
    )
    journal, ratelimit = actors.journal.mailbox, actors.ratelimit.mailbox
    return Pushes(p.pictures, journal, ratelimit, p.database, waiting, p.config, p.clock, p.measures)
