"""Figures for administrators. Days are those of the configured zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.store import logs as log_rows
from bottalk.store.database import Database
from bottalk.values import ChannelStatus
from bottalk.verbs.draft import Pictures


class StatsView(Struct, frozen=True):
    """`failed_today`: rows accepted today that failed. `queued`: rows that wait, whenever they were accepted."""

    total_users: int
    today_pushes: int
    active_channels: int
    disabled_users: int
    admin_count: int
    today_new_users: int
    failed_today: int
    queued: int


class Stats:
    def __init__(self, pictures: Pictures, database: Database, config: Config, clock: Clock) -> None:
        self._pictures = pictures
        self._database = database
        self._zone = ZoneInfo(config.tz)
        self._clock = clock

    async def view(self) -> StatsView:
        since = self._midnight()
        counts = await self._database.read(lambda c: log_rows.counts(c, since))
        users = list(self._pictures.directory.users())
        return StatsView(
            total_users=len(users),
            today_pushes=counts.pushes,
            active_channels=sum(c.status is ChannelStatus.ACTIVE for c in self._pictures.directory.channels()),
            disabled_users=sum(user.is_disabled for user in users),
            admin_count=sum(user.role == "admin" for user in users),
            today_new_users=sum(user.created_at >= since for user in users),
            failed_today=counts.failed,
            queued=counts.queued,
        )

    def _midnight(self) -> float:
        """When today began, wall time."""
        today = datetime.fromtimestamp(self._clock.now(), self._zone)
        return today.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()
