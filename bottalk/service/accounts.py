"""Accounts: log in with a SendKey, and what an account sees of itself."""

from dataclasses import dataclass

from bottalk.messages import Session
from bottalk.service.sessions import Sessions, Visitor
from bottalk.values import Secret, User
from bottalk.verbs.draft import Pictures


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as its owner sees it. `channel_count` leaves out inactive channels."""

    user: User
    channel_count: int


class Accounts:
    def __init__(self, pictures: Pictures, sessions: Sessions) -> None:
        self._pictures = pictures
        self._sessions = sessions

    def view(self, user: User) -> AccountView:
        count = sum(channel.is_live for channel in self._pictures.directory.channels_of(user.id))
        return AccountView(user, count)

    async def log_in(self, send_key: Secret, before: Session | None) -> tuple[Secret, Visitor] | None:
        """A new session for the key's account; None when there is none. The session before is over (rotation)."""
        user = self._pictures.directory.user_of_key(send_key.reveal())
        if user is None or user.is_disabled:
            return None
        return await self._sessions.open(user.id, before)
