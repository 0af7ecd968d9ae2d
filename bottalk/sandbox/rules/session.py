"""Bots and the people they belong to."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from bottalk.sandbox.rules.conversation import Conversation
from bottalk.sandbox.rules.inbox import Inbox

CHAT_KEPT = 5_000


class SessionState(StrEnum):
    ALIVE = "alive"
    HALF_DEAD = "half_dead"
    BACKLOGGED = "backlogged"
    DOZING = "dozing"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class PhoneMessage:
    """One bubble on the phone. `at` is when it appeared; `note` says what the person should know about it."""

    text: str
    at: float
    client_id: str | None = None
    message_id: str | None = None
    bot_id: str | None = None
    from_bot: bool = True
    note: str = ""


@dataclass(slots=True)
class Poll:
    """One held getupdates."""

    cursor: str
    began_at: float
    is_superseded: bool = False


@dataclass(slots=True)
class Session:
    """One bot token. `dies_at` is set when its end is certain, `why_dead` says by what."""

    token: str
    bot_id: str
    user: str
    created_at: float
    inbox: Inbox
    conversation: Conversation = field(default_factory=Conversation)
    dies_at: float | None = None
    why_dead: str = ""
    half_dead: bool = False
    dozing_since: float | None = None
    backlog: list[PhoneMessage] | None = None
    """Accepted messages that wait for the backlog's end; None while there is no backlog."""
    notified: bool = False
    seq: int = 0
    polls: list[Poll] = field(default_factory=list)
    """In the order in which they asked."""
    max_concurrent_polls: int = 0
    last_uin: str = ""
    uin_run: int = 0

    def is_dead(self, now: float) -> bool:
        return self.dies_at is not None and now >= self.dies_at

    def state(self, now: float) -> SessionState:
        if self.is_dead(now):
            return SessionState.DEAD
        if self.dozing_since is not None:
            return SessionState.DOZING
        if self.half_dead:
            return SessionState.HALF_DEAD
        return SessionState.ALIVE if self.backlog is None else SessionState.BACKLOGGED


@dataclass(slots=True)
class Person:
    """One WeChat user. `silent_drop` belongs to the user and survives every new bot."""

    id: str
    chat: deque[PhoneMessage] = field(default_factory=lambda: deque(maxlen=CHAT_KEPT))
    silent_drop: bool = False
    tokens: list[str] = field(default_factory=list)
    """Bot tokens of this user, the newest last."""
    received: int = 0
    """Bot messages that have appeared on the phone, those no longer kept included."""
    is_typed_to: bool = False
