"""Browser sessions: opened when first needed, rolled once a day."""

from bottalk.messages import OpenSession, TouchSession
from bottalk.store import sessions as session_rows
from bottalk.verbs.draft import Draft


def open_session(draft: Draft, m: OpenSession) -> None:
    if m.replaces is not None:
        session_rows.delete(draft.connection, m.replaces)
    session_rows.insert(draft.connection, m.session)


def touch(draft: Draft, m: TouchSession) -> None:
    session_rows.touch(draft.connection, m.id_hash, m.seen_at, m.expires_at)
