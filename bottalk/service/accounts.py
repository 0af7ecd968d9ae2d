"""Accounts: join, log in and out, and what an account sees and changes of itself."""

import re
from typing import Any

import structlog
from msgspec import Struct

from bottalk.config import Config
from bottalk.errors import Invalid, NoAccount, Refused
from bottalk.messages import ChangeUser, Register, RemoveUser, ResetKey, Session
from bottalk.service.export import Export, Exported
from bottalk.service.invitation import NO_WORD, is_invited
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.service.sessions import Sessions, Visitor
from bottalk.values import Secret, User, UserId
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox

log = structlog.get_logger()


LONGEST_NICKNAME = 20
LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")

NO_EMAIL = "请输入邮箱地址"
BAD_EMAIL = "邮箱格式无效"
NOTHING_TO_CHANGE = "没有可更新的字段"
LONG_NICKNAME = f"nickname 过长（最多 {LONGEST_NICKNAME} 个字符）"
NOT_CONFIRMED = "confirm 必须是本账户的 SendKey"


class AccountView(Struct, frozen=True):
    """An account as its owner sees it. `channel_count` leaves out inactive channels."""

    user: User
    channel_count: int


class RegisterForm(Struct, frozen=True):
    """Somebody who wants an account. `invite` is the word that a closed circle asks for."""

    email: str
    ip: str
    invite: Secret = NO_WORD


class AccountForm(Struct, frozen=True):
    """What an account may change of itself; None: not given. An empty nickname is none."""

    strict: bool | None = None
    nickname: str | None = None


class Accounts:
    """The use cases of an account's own routes.

    What writes raises CannotWrite, MailboxFull or NotTaken when the journal takes nothing: then nothing was changed.
    A cancel of one that was taken stops the listening, not the work.
    """

    def __init__(
        self,
        pictures: Pictures,
        journal: Mailbox[Any],
        channels: Mailbox[Any],
        sessions: Sessions,
        export: Export,
        config: Config,
    ) -> None:
        self._pictures = pictures
        self._journal = journal
        self._channels = channels
        self._sessions = sessions
        self._export = export
        self._config = config

    def view(self, user: User) -> AccountView:
        count = sum(channel.is_live for channel in self._pictures.directory.channels_of(user.id))
        return AccountView(user, count)

    async def register(self, form: RegisterForm, before: Session | None) -> tuple[Secret, Visitor]:
        """A new account and a session logged in to it, in one commit; the session before is over (rotation).

        Raises Refused, with the contract's words.
        """
        email = email_of(form.email)
        session_id, session = self._sessions.mint()
        replaces = before.id_hash if before else None
        invited = is_invited(self._config, form.invite)
        user = await self._journal.ask(Register(email, form.ip, session, replaces, invited), timeout=TAKEN_WITHIN_S)
        log.info("accounts.registered", user=user.id)
        return session_id, self._sessions.visitor(session, user.id)

    async def log_in(self, send_key: Secret, before: Session | None) -> tuple[Secret, Visitor] | None:
        """A new session for the key's account; None when there is none. The session before is over (rotation)."""
        user = self._pictures.directory.user_of_key(send_key.reveal())
        if user is None or user.is_disabled:
            return None
        try:
            return await self._sessions.open(user.id, before)
        except NoAccount:
            return None

    async def log_out(self, session: Session, *, everywhere: bool = False) -> None:
        """This session is over, or all of its account."""
        await self._sessions.close(session, everywhere=everywhere)

    async def change(self, user_id: UserId, form: AccountForm) -> AccountView:
        """The account with what is given changed. Raises Invalid or Refused."""
        if form.strict is None and form.nickname is None:
            raise Invalid(NOTHING_TO_CHANGE)
        change = ChangeUser(user_id, strict=form.strict, nickname=nickname_of(form.nickname))
        return self.view(await self._journal.ask(change, timeout=TAKEN_WITHIN_S))

    async def reset_key(self, user_id: UserId) -> Secret:
        """A new SendKey; the old one is dead once this returns. Raises Refused when the account is gone."""
        user = await self._journal.ask(ResetKey(user_id), timeout=TAKEN_WITHIN_S)
        log.info("accounts.key_reset", user=user.id)
        return user.send_key

    async def delete(self, user_id: UserId, confirm: Secret) -> None:
        """The account and all it owns are gone, once its channels' actors have ended. `confirm`: its own SendKey.

        Raises Invalid when it is not.
        """
        user = self._pictures.directory.user_of_key(confirm.reveal().strip())
        if user is None or user.id != user_id:
            raise Invalid(NOT_CONFIRMED)
        await self._channels.ask(RemoveUser(user_id), timeout=TAKEN_WITHIN_S)
        log.info("accounts.deleted", user=user_id)

    def export(self, user_id: UserId) -> Exported:
        """All that is kept of the account, ready for JSON, without tokens. Raises NoAccount when it is gone."""
        return self._export.of(user_id)


def email_of(text: str) -> str:
    """The address as it is stored. Raises Refused."""
    email = text.strip().lower()
    if not email:
        raise Refused(NO_EMAIL)
    if len(email) > LONGEST_EMAIL or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise Refused(BAD_EMAIL)
    return email


def nickname_of(text: str | None) -> str | None:
    """A nickname as it is stored; None when none was given. Raises Invalid when it is too long."""
    nickname = None if text is None else text.strip()
    if nickname is not None and len(nickname) > LONGEST_NICKNAME:
        raise Invalid(LONG_NICKNAME)
    return nickname
