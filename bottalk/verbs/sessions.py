"""Browser sessions: opened when first needed, rolled once a day, ended by a logout."""

from bottalk.errors import NoAccount
from bottalk.messages import CloseSession, OpenSession, TouchSession
from bottalk.store import sessions as session_rows
from bottalk.verbs.draft import Draft


def open_session(draft: Draft, m: OpenSession) -> None:
    """Raises NoAccount when the one to be logged in is gone or disabled by now."""
    if m.session.user_id is not None:
        user = draft.user(m.session.user_id)
        if user is None or user.is_disabled:
            raise NoAccount("no such account, or a disabled one")
    if m.replaces is not None:
        session_rows.delete(draft.connection, m.replaces)
    session_rows.insert(draft.connection, m.session)


def touch(draft: Draft, m: TouchSession) -> None:
    session_rows.touch(draft.connection, m.id_hash, m.seen_at, m.expires_at)


def close(draft: Draft, m: CloseSession) -> None:
    session_rows.delete(draft.connection, m.id_hash)
    if m.user_id is not None:
        session_rows.delete_of_user(draft.connection, m.user_id)
