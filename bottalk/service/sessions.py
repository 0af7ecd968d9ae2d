"""Browser sessions: an opaque id minted here, known to the store by its hash, 30 days, rolling."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import structlog
from msgspec.structs import replace

from bottalk.clock import Clock
from bottalk.errors import CannotWrite
from bottalk.messages import CloseSession, OpenSession, Session, TouchSession
from bottalk.store import sessions as session_rows
from bottalk.store.database import Database
from bottalk.values import Secret, User, UserId
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox, MailboxFull, NotTaken

log = structlog.get_logger()

WRITTEN_WITHIN_S = 5.0
"""Seconds the journal may take to begin; then the browser is told that nothing was saved."""
LIFE_S = 30 * 86400.0
ROLL_EVERY_S = 86400.0
"""A session in use is rolled (written) at most this often."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who makes a request: a known session, and its account if one is logged in and not disabled."""

    session: Session
    user: User | None
    rolled: bool = False
    """The cookie should be sent again with a new date."""
    is_new: bool = False
    """The session is not stored yet: that comes with what is asked for in its name."""


def hash_of(session_id: Secret) -> str:
    return hashlib.sha256(session_id.reveal().encode()).hexdigest()


class Sessions:
    def __init__(self, pictures: Pictures, journal: Mailbox[Any], database: Database, clock: Clock) -> None:
        self._pictures = pictures
        self._journal = journal
        self._database = database
        self._clock = clock

    async def find(self, session_id: Secret) -> Visitor | None:
        """The visitor of that id, None if it is unknown or over.

        A roll that cannot be kept is left for the next request: who is known stays known while the disk is full.
        """
        now = self._clock.now()
        id_hash = hash_of(session_id)
        session = await self._database.read(lambda c: session_rows.find(c, id_hash, now))
        if session is None:
            return None
        if now - session.seen_at >= ROLL_EVERY_S and await self._roll(id_hash, now):
            session = replace(session, seen_at=now, expires_at=now + LIFE_S)
            return Visitor(session, self._user(session.user_id), rolled=True)
        return Visitor(session, self._user(session.user_id))

    async def open(self, user_id: UserId | None = None, replaces: Session | None = None) -> tuple[Secret, Visitor]:
        """A session with an id minted now; `replaces` is over with the same commit (rotation).

        Raises NoAccount when the account is gone or disabled by now; CannotWrite, MailboxFull or NotTaken when it
        could not be kept.
        """
        session_id, session = self.mint(user_id)
        await self._journal.ask(OpenSession(session, replaces.id_hash if replaces else None), timeout=WRITTEN_WITHIN_S)
        return session_id, self.visitor(session, user_id)

    def begin(self) -> tuple[Secret, Visitor]:
        """A visitor with an id minted now. Nothing is stored of one who gets nothing."""
        session_id, session = self.mint()
        return session_id, Visitor(session, None, is_new=True)

    def visitor(self, session: Session, user_id: UserId | None) -> Visitor:
        """Who makes a request with a session that has just been stored."""
        return Visitor(replace(session, user_id=user_id), self._user(user_id))

    def mint(self, user_id: UserId | None = None) -> tuple[Secret, Session]:
        """An id nobody can guess, and its session, which is not stored yet."""
        session_id = Secret(secrets.token_urlsafe(32))
        now = self._clock.now()
        return session_id, Session(hash_of(session_id), user_id, now, now, now + LIFE_S)

    async def close(self, session: Session, *, everywhere: bool = False) -> None:
        """End this session, or all of its account.

        Raises CannotWrite, MailboxFull or NotTaken when that could not be kept: then nothing has ended.
        """
        user_id = session.user_id if everywhere else None
        await self._journal.ask(CloseSession(session.id_hash, user_id), timeout=WRITTEN_WITHIN_S)

    async def _roll(self, id_hash: str, now: float) -> bool:
        try:
            await self._journal.ask(TouchSession(id_hash, now, now + LIFE_S), timeout=WRITTEN_WITHIN_S)
        except (CannotWrite, MailboxFull, NotTaken) as e:
            log.warning("sessions.not_rolled", why=str(e))
            return False
        return True

    def _user(self, user_id: UserId | None) -> User | None:
        user = self._pictures.directory.user(user_id) if user_id is not None else None
        return None if user is None or user.is_disabled else user
