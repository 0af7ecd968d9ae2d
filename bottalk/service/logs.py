"""Push logs: an account's own rows, and, for administrators, everybody's."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

import trio
from msgspec import Struct

from bottalk.config import Config
from bottalk.errors import BotTalkError, Invalid
from bottalk.messages import DropRows
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.store import logs as log_rows
from bottalk.store.database import Database
from bottalk.store.logs import LogFilter
from bottalk.values import ChannelId, LogRow, LogStory, RowId, RowStatus, UserId
from supervisors import Mailbox

T = TypeVar("T")

LISTED = 50
MOST_LISTED = 200


class AlreadySent(BotTalkError):
    """The row is settled, or its message is under way: `text` says so, in Chinese."""

    text = "该消息已发出"


class LogForm(Struct, frozen=True):
    """What a list is asked for, as parsed at the edge; None and empty: not asked for."""

    limit: int | None = None
    before: int | None = None
    status: str = ""
    channel: int | None = None
    q: str = ""


class Logs:
    """Everything is read on read connections, so that a long log never stalls a push. Of searches in texts, which may
    read a whole log, one is made at a time: logins and the rest have a connection that none holds."""

    def __init__(self, journal: Mailbox[Any], database: Database, config: Config) -> None:
        self._journal = journal
        self._database = database
        self._config = config
        self._searching = trio.CapacityLimiter(1)

    async def of(self, user_id: UserId, form: LogForm) -> list[LogRow]:
        """The account's rows, newest first, with their texts. Raises Invalid."""
        wanted = _filter(form, LISTED)
        async with self._turn(wanted):
            return await self._database.read(lambda c: log_rows.of_user(c, user_id, wanted))

    async def one(self, user_id: UserId, row_id: RowId) -> LogStory | None:
        """One row of the account with its story."""
        return await self._database.read(lambda c: log_rows.one(c, user_id, row_id))

    async def delete(self, user_id: UserId, row_id: RowId) -> bool:
        """Settle a waiting row as deleted; whether the account has such a row.

        Raises AlreadySent, and CannotWrite, MailboxFull or NotTaken: then nothing was changed. A cancel stops the
        listening only.
        """
        story = await self.one(user_id, row_id)
        if story is None:
            return False
        if story.row.status is not RowStatus.QUEUED:
            raise AlreadySent
        if not await self._journal.ask(DropRows(story.row.channel_id, row_id), timeout=TAKEN_WITHIN_S):
            raise AlreadySent
        return True

    async def every(self, form: LogForm) -> list[LogRow]:
        """All accounts' rows, newest first; title and text only where the setting `admin_sees_text` allows it.

        Raises Invalid, also for a search in texts that may not be seen.
        """
        texts = self._config.admin_sees_text
        if form.q and not texts:
            raise Invalid("q 不可用：设置 admin_sees_text 未开启")
        wanted = _filter(form, MOST_LISTED)
        async with self._turn(wanted):
            return await self._database.read(lambda c: log_rows.every(c, wanted, texts=texts))

    def _turn(self, wanted: LogFilter) -> AbstractAsyncContextManager[None]:
        return self._searching if wanted.q else nullcontext()


def _filter(form: LogForm, limit: int) -> LogFilter:
    if form.limit is not None:
        if not 1 <= form.limit <= MOST_LISTED:
            raise Invalid(f"limit 应为 1 到 {MOST_LISTED} 的整数")
        limit = form.limit
    if form.status and form.status not in list(RowStatus):
        raise Invalid(f"status 应为 {'、'.join(RowStatus)} 之一")
    return LogFilter(
        limit=limit,
        before=_id("before", form.before, RowId),
        status=RowStatus(form.status) if form.status else None,
        channel=_id("channel", form.channel, ChannelId),
        q=form.q,
    )


def _id(name: str, number: int | None, kind: Any) -> Any:  # noqa: ANN401 - one check for ids of every kind
    """Raises Invalid for a number that SQLite cannot hold."""
    if number is not None and not 0 <= number < 2**63:
        raise Invalid(f"{name} 应为编号")
    return None if number is None else kind(number)
