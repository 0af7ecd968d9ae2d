"""Browser sessions: an opaque id minted here, known to the store by its hash, 30 days, rolling."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from bottalk.clock import Clock
from bottalk.messages import OpenSession, Session, TouchSession
from bottalk.store import sessions as session_rows
from bottalk.store.database import Database
from bottalk.values import Secret, User, UserId
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox

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


def hash_of(session_id: Secret) -> str:
    return hashlib.sha256(session_id.reveal().encode()).hexdigest()


class Sessions:
    def __init__(self, pictures: Pictures, journal: Mailbox[Any], database: Database, clock: Clock) -> None:
        self._pictures = pictures
        self._journal = journal
        self._database = database
        self._clock = clock

    async def find(self, session_id: Secret) -> Visitor | None:
        """The visitor of that id, None if it is unknown or over. Raises CannotWrite when a roll cannot be kept."""
        now = self._clock.now()
        id_hash = hash_of(session_id)
        session = await self._database.read(lambda c: session_rows.find(c, id_hash, now))
        if session is None:
            return None
        rolled = now - session.seen_at >= ROLL_EVERY_S
        if rolled:
            session = replace(session, seen_at=now, expires_at=now + LIFE_S)
            await self._journal.ask(TouchSession(id_hash, now, now + LIFE_S), timeout=5.0)
        return Visitor(session, self._user(session.user_id), rolled)

    async def open(self, user_id: UserId | None = None, replaces: Session | None = None) -> tuple[Secret, Visitor]:
        """A session with an id minted now; `replaces` is over with the same commit (rotation).

        Raises CannotWrite, MailboxFull or NotTaken when it could not be kept.
        """
        session_id = Secret(secrets.token_urlsafe(32))
        now = self._clock.now()
        session = Session(hash_of(session_id), user_id, now, now, now + LIFE_S)
        await self._journal.ask(OpenSession(session, replaces.id_hash if replaces else None), timeout=5.0)
        return session_id, Visitor(session, self._user(user_id))

    def _user(self, user_id: UserId | None) -> User | None:
        user = self._pictures.directory.user(user_id) if user_id is not None else None
        return None if user is None or user.is_disabled else user
