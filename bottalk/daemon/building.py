"""A daemon from its parts: the actors, the use cases above them, the front end, and the tree that holds all."""

from functools import partial
from pathlib import Path

import trio

from bottalk.actors.alarms import Alarms
from bottalk.actors.alert import Alert
from bottalk.actors.backups import Backups
from bottalk.actors.housekeeper import Housekeeper
from bottalk.actors.watchdog import Watchdog
from bottalk.daemon.actors import Actors, actors_of
from bottalk.daemon.jobs import backups_of, jobs_of
from bottalk.daemon.parts import Parts
from bottalk.daemon.running import Daemon
from bottalk.daemon.services import services_of
from bottalk.daemon.tree import root_of, vitals
from bottalk.http.actor import Web
from bottalk.http.app import create_app
from bottalk.ops import data_dir
from bottalk.ops.sockets import url_of
from bottalk.service.healths import Healths
from bottalk.service.services import Services
from bottalk.service.troubles import Troubles


def build(p: Parts) -> Daemon:
    """Nothing runs yet: that is `Daemon.run`."""
    stopping = trio.Event()
    actors = actors_of(p)
    healths = Healths(p.pictures, actors.channels, actors.heartbeats, actors.gates, p.config, p.clock)
    backups = backups_of(p)
    services = services_of(p, actors, healths, lambda: root.status(deep=False), stopping, backups)
    web = _web(p, services)
    housekeeper = Housekeeper([*jobs_of(p, actors), backups], p.clock)
    alarms = _alarms(p, actors, healths, backups)
    watchdog = Watchdog(p.manager, lambda: vitals(root, actors.journal), services.status.line)
    root = root_of(p, actors, housekeeper, alarms, web, watchdog)
    return Daemon(
        url=url_of(p.sockets[0]) if p.sockets else "",
        services=services,
        pictures=p.pictures,
        journal=actors.journal,
        housekeeper=housekeeper,
        gates=actors.gates,
        heartbeats=actors.heartbeats,
        channels=actors.channels,
        root=root,
        watchdog=watchdog,
        stopping=stopping,
        config=p.config,
    )


def _web(p: Parts, services: Services) -> Web | None:
    if not p.sockets:
        return None
    app = create_app(services, p.config, p.secret)
    return Web(app, app.door, p.sockets)


def _alarms(p: Parts, actors: Actors, healths: Healths, backups: Backups) -> Alarms:
    troubles = Troubles(
        healths,
        actors.gates,
        actors.journal.status,
        partial(data_dir.free_bytes, Path(p.config.data_dir)),
        lambda: p.config.alert_disk_free,
        lambda: backups.failed,
        p.clock,
    )
    return Alarms(troubles.signs, lambda: p.config.alert_url, Alert(p.alert_transport).tell, p.clock, p.rng)
