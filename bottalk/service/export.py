"""An account's export: all that is kept of it, ready for JSON, without tokens."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from bottalk.clock import Clock, utc_text, utc_text_or_none
from bottalk.errors import NoAccount
from bottalk.store import logs as log_rows
from bottalk.store.database import Database
from bottalk.values import Channel, LogRow, Reminder, RowId, User, UserId
from bottalk.verbs.draft import Pictures

BITE = 500
"""Log rows read at once: some milliseconds of one of the two readers, then others have their turn."""


@dataclass(frozen=True, slots=True)
class Exported:
    """`head` is all but the log, ready for JSON. `logs` gives the rows of that, from the newest on, some at a time: a
    log may be larger than the memory. It raises NoAccount when the account is deleted meanwhile."""

    head: Mapping[str, object]
    logs: AsyncIterator[list[dict[str, object]]]


class Export:
    def __init__(self, pictures: Pictures, database: Database, clock: Clock) -> None:
        self._pictures = pictures
        self._database = database
        self._clock = clock

    def of(self, user_id: UserId) -> Exported:
        """The account, its channels (deleted ones too), reminders, and its log.

        Rows that are accepted while it is read are left out. Raises NoAccount when the account is gone.
        """
        directory = self._pictures.directory
        user = directory.user(user_id)
        if user is None:
            raise NoAccount("the account to export is gone")
        head: dict[str, object] = {
            "exported_at": utc_text(self._clock.now()),
            "account": _account(user),
            "channels": [_channel(channel) for channel in directory.channels_of(user_id)],
            "reminders": [_reminder(reminder) for reminder in self._pictures.reminders.of(user_id)],
        }
        return Exported(head, self._logs(user_id))

    async def _logs(self, user_id: UserId) -> AsyncIterator[list[dict[str, object]]]:
        before: RowId | None = None
        while bite := await self._bite(user_id, before):
            yield [_log(row) for row in bite]
            before = bite[-1].id

    async def _bite(self, user_id: UserId, before: RowId | None) -> list[LogRow]:
        wanted = log_rows.LogFilter(limit=BITE, before=before)
        found = await self._database.read(lambda connection: log_rows.of_user(connection, user_id, wanted))
        if self._pictures.directory.user(user_id) is None:  # its rows go with it: what was read may not be all
            raise NoAccount("the account was deleted during its export")
        return found


def _account(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "wechat_openid": user.wechat_openid,
        "send_key": user.send_key.reveal(),
        "nickname": user.nickname,
        "role": user.role,
        "rate_limit": user.rate_limit,
        "strict": int(user.strict),
        "created_at": utc_text(user.created_at),
    }


def _channel(channel: Channel) -> dict[str, object]:
    return {
        "id": channel.id,
        "name": channel.name,
        "wechat_openid": channel.wechat_openid,
        "status": channel.status.value,
        "inactive_reason": channel.inactive_reason.value if channel.inactive_reason else None,
        "is_default": int(channel.is_default),
        "can_login": int(channel.can_login),
        "created_at": utc_text(channel.created_at),
        "bound_at": utc_text(channel.bound_at),
        "activated_at": utc_text_or_none(channel.activated_at),
        "last_inbound_at": utc_text_or_none(channel.last_inbound_at),
    }


def _reminder(reminder: Reminder) -> dict[str, object]:
    return {
        "id": reminder.id,
        "title": reminder.title,
        "message": reminder.message,
        "time": reminder.time,
        "type": reminder.type.value,
        "channel": reminder.channel,
        "enabled": int(reminder.enabled),
        "send_count": reminder.send_count,
        "max_count": reminder.max_count,
        "zone": reminder.zone,
        "next_at": utc_text_or_none(reminder.next_at),
        "created_at": utc_text(reminder.created_at),
    }


def _log(row: LogRow) -> dict[str, object]:
    return {
        "id": row.id,
        "pushid": str(row.push_id),
        "title": row.title,
        "content": row.text,
        "status": row.status.value,
        "reason": row.reason.value if row.reason else None,
        "source": row.source,
        "ip": row.ip,
        "channel_id": row.channel_id,
        "channel_name": row.channel_name,
        "response": row.response,
        "created_at": utc_text(row.accepted_at),
        "settled_at": utc_text_or_none(row.settled_at),
    }
