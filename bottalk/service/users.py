"""Users: what an administrator, or the operator at the command line, does with accounts."""

from typing import Any

import structlog
from msgspec import Struct

from bottalk.errors import Invalid, Refused
from bottalk.messages import ChangeUser, RemoveUser, ResetKey, UserChanged
from bottalk.service.accounts import NOTHING_TO_CHANGE, nickname_of
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.store import users as user_rows
from bottalk.store.database import Database
from bottalk.values import User, UserId
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox, MailboxFull, NotTaken, OutcomeUnknown

log = structlog.get_logger()

ADMIN = "admin"
ROLES = ("user", ADMIN)
HIGHEST_RATE = 100_000

NO_USER = "User not found"
NOT_ONESELF = "不能修改自己的账户"


class UserRow(Struct, frozen=True):
    """An account as an administrator sees it. `channel_count` leaves out inactive channels; `push_count` counts the
    rows of its log."""

    user: User
    channel_count: int
    push_count: int


class UserForm(Struct, frozen=True):
    """What an administrator may change; None: not given. `rate_limit`: pushes an hour. An empty nickname is none."""

    role: str | None = None
    is_disabled: bool | None = None
    rate_limit: int | None = None
    nickname: str | None = None


class Users:
    """The use cases of the administrator's account routes, and of `bottalk admin` and `bottalk user`.

    What writes raises CannotWrite, MailboxFull or NotTaken when nobody takes it: then nothing was changed. A cancel of
    one that was taken stops the listening, not the work.
    """

    def __init__(self, pictures: Pictures, journal: Mailbox[Any], channels: Mailbox[Any], database: Database) -> None:
        self._pictures = pictures
        self._journal = journal
        self._channels = channels
        self._database = database

    async def rows(self, *, after: UserId | None = None, limit: int | None = None) -> list[UserRow]:
        """All accounts by id, or `limit` of those after one."""
        found = sorted((u for u in self._pictures.directory.users() if u.id > (after or 0)), key=lambda u: u.id)[:limit]
        if not found:
            return []
        counts = await self._database.read(lambda c: user_rows.push_counts(c, found[0].id, found[-1].id))
        return [UserRow(user, self._channel_count(user.id), counts.get(user.id, 0)) for user in found]

    def admins(self) -> list[User]:
        """Every administrator, by id."""
        return sorted((u for u in self._pictures.directory.users() if u.role == ADMIN), key=lambda u: u.id)

    async def change(self, by: UserId, user_id: UserId, form: UserForm) -> User:
        """The account as changed, by an administrator who is not its owner. Raises Refused or Invalid.

        Once this returns, a disabled account's sessions, pushes and actors have ended.
        """
        if by == user_id:
            raise Refused(NOT_ONESELF, 400)
        if form == UserForm():
            raise Invalid(NOTHING_TO_CHANGE)
        if form.role is not None and form.role not in ROLES:
            raise Invalid("role 应为 user 或 admin")
        if form.rate_limit is not None and not 0 <= form.rate_limit <= HIGHEST_RATE:
            raise Invalid(f"rate_limit 应为 0 到 {HIGHEST_RATE} 的整数")
        change = ChangeUser(
            user_id,
            by=by,
            nickname=nickname_of(form.nickname),
            role=form.role,
            is_disabled=form.is_disabled,
            rate_limit=form.rate_limit,
        )
        user = await self._journal.ask(change, timeout=TAKEN_WITHIN_S)
        log.info("users.changed", user=user.id, by=by, role=user.role, disabled=user.is_disabled)
        if form.is_disabled is not None:
            await self._actors_follow(user_id)
        return user

    async def delete(self, by: UserId, user_id: UserId) -> None:
        """An account and all it owns are gone, once its channels' actors have ended. Not one's own. Raises Refused."""
        if by == user_id:
            raise Refused(NOT_ONESELF, 400)
        if self._pictures.directory.user(user_id) is None:
            raise Refused(NO_USER, 404)
        await self._channels.ask(RemoveUser(user_id), timeout=TAKEN_WITHIN_S)
        log.info("users.deleted", user=user_id, by=by)

    async def grant(self, who: str) -> User:
        """Make somebody an administrator: an e-mail address, an account's id, or a WeChat's id. Raises Refused."""
        return await self._set_role(who, ADMIN)

    async def revoke(self, who: str) -> User:
        """Make an administrator, the last one too, an ordinary user. Raises Refused."""
        return await self._set_role(who, "user")

    async def set_disabled(self, who: str, is_disabled: bool) -> User:
        """Disable or enable an account, named as for `grant`. Once this returns, a disabled one's sessions, pushes and
        actors have ended. Raises Refused."""
        found = self._present(who)
        user = await self._journal.ask(ChangeUser(found.id, is_disabled=is_disabled), timeout=TAKEN_WITHIN_S)
        log.info("users.disabled" if is_disabled else "users.enabled", user=user.id)
        await self._actors_follow(user.id)
        return user

    async def reset_key(self, who: str) -> User:
        """A new SendKey for an account, named as for `grant`; the old one is dead once this returns. Raises Refused."""
        user = await self._journal.ask(ResetKey(self._present(who).id), timeout=TAKEN_WITHIN_S)
        log.info("users.key_reset", user=user.id)
        return user

    def find(self, who: str) -> User | None:
        """The account of an id, an e-mail address, or a WeChat's id (that founded it, or has a channel in it)."""
        directory, who = self._pictures.directory, who.strip()
        if who.isascii() and who.isdigit() and len(who) <= 18:
            return directory.user(UserId(int(who)))
        found = directory.user_of_email(who.lower()) or directory.user_of_wechat(who)
        channel = directory.channel_of_wechat(who)
        return found or (None if channel is None else directory.user(channel.user_id))

    async def _set_role(self, who: str, role: str) -> User:
        user = await self._journal.ask(ChangeUser(self._present(who).id, role=role), timeout=TAKEN_WITHIN_S)
        log.info("users.role", user=user.id, role=role)
        return user

    def _present(self, who: str) -> User:
        found = self.find(who)
        if found is None:
            raise Refused(NO_USER, 404)
        return found

    async def _actors_follow(self, user_id: UserId) -> None:
        """Wait until the account's actors are as committed. The journal has told their supervisor already."""
        try:
            await self._channels.ask(UserChanged(user_id), timeout=TAKEN_WITHIN_S)
        except (MailboxFull, NotTaken, OutcomeUnknown) as e:
            log.debug("users.not_waited", user=user_id, why=str(e))

    def _channel_count(self, user_id: UserId) -> int:
        return sum(channel.is_live for channel in self._pictures.directory.channels_of(user_id))
