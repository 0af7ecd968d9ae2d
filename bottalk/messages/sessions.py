"""To the journal: browser sessions."""

from msgspec import Struct

from bottalk.values import (
    UserId,
)
from supervisors import Ask


class Session(Struct, frozen=True, gc=False):
    """One browser session, known by the hash of its id."""

    id_hash: str
    user_id: UserId | None
    created_at: float
    seen_at: float
    expires_at: float


class OpenSession(Ask[None], Struct, frozen=True):
    """Store a session whose id was just minted; `replaces` (hash) is gone with the same commit."""

    session: Session
    replaces: str | None = None


class TouchSession(Ask[None], Struct, frozen=True):
    id_hash: str
    seen_at: float
    expires_at: float


class CloseSession(Ask[None], Struct, frozen=True):
    """This session is over; with `user_id` all sessions of that account are."""

    id_hash: str
    user_id: UserId | None = None
