"""Books kept beside the rules: what iLink would never do. The sandbox asserts them about itself."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bottalk.sandbox.rules.conversation import TOKENS_KEPT
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.session import Person, Session

IDS_KEPT = 10_000
BREACHES_KEPT = 100


@dataclass(slots=True)
class _Grant:
    """One inbound message as the auditor saw it."""

    opened_at: float
    accepted: int = 0


@dataclass(slots=True)
class _BotBooks:
    grants: dict[str, _Grant] = field(default_factory=dict)
    handed: dict[Any, None] = field(default_factory=dict)
    duplicates: Counter[Any] = field(default_factory=Counter)


class Audit:
    """It counts on its own and reads the rules' state only to compare."""

    def __init__(self) -> None:
        self._bots: dict[str, _BotBooks] = {}
        self.accepted: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.breaches: list[str] = []

    def _books(self, session: Session) -> _BotBooks:
        return self._bots.setdefault(session.token, _BotBooks())

    def _breach(self, text: str) -> None:
        if len(self.breaches) < BREACHES_KEPT:
            self.breaches.append(text)

    def inbound(self, session: Session, context_token: str, now: float) -> None:
        books = self._books(session)
        books.grants[context_token] = _Grant(now)
        while len(books.grants) > TOKENS_KEPT:
            del books.grants[next(iter(books.grants))]

    def token_again(self, session: Session, context_token: str) -> None:
        grants = self._books(session).grants
        if grants:
            grants[context_token] = next(reversed(grants.values()))

    def window_shifted(self, session: Session, seconds: float) -> None:
        for grant in {id(grant): grant for grant in self._books(session).grants.values()}.values():
            grant.opened_at -= seconds

    def duplicate_armed(self, session: Session, message_id: object) -> None:
        self._books(session).duplicates[message_id] += 1

    def sent(self, session: Session, parameters: Parameters, now: float, context_token: str | None) -> None:
        """A message was accepted: may it have been?"""
        books = self._books(session)
        self.accepted[session.user] += 1
        if session.is_dead(now) or session.half_dead or session.dozing_since is not None:
            self._breach(f"{session.bot_id}: accepted while {session.state(now)}")
        if session.conversation.in_penalty(now):
            self._breach(f"{session.bot_id}: accepted in a penalty")
        if not books.grants:
            self._breach(f"{session.bot_id}: accepted before the first inbound message")
            return
        grant = next(reversed(books.grants.values()))
        if parameters.quota_scope == "token" and context_token in books.grants:
            grant = books.grants[context_token]
        grant.accepted += 1
        if now - grant.opened_at >= parameters.window_s:
            self._breach(f"{session.bot_id}: accepted {now - grant.opened_at:.0f} s after the inbound message")
        if parameters.quota is not None and grant.accepted > parameters.quota:
            self._breach(f"{session.bot_id}: {grant.accepted} accepted, {parameters.quota} allowed")

    def handed_out(self, session: Session, parameters: Parameters, messages: list[dict[str, Any]]) -> None:
        books = self._books(session)
        for message_id in (message["message_id"] for message in messages if "message_id" in message):
            if message_id in books.handed and parameters.cursor_mode == "consume":
                books.duplicates[message_id] -= 1
                if books.duplicates[message_id] < 0:
                    self._breach(f"{session.bot_id}: message {message_id} handed out twice")
            books.handed[message_id] = None
        while len(books.handed) > IDS_KEPT:
            del books.handed[next(iter(books.handed))]

    def check(self, people: dict[str, Person], sessions: dict[str, Session]) -> None:
        """Raises AssertionError, in words, if the sandbox has broken a rule of its own."""
        breaches = list(self.breaches)
        for person in people.values():
            mine = [sessions[token] for token in person.tokens]
            backlogged = sum(len(session.backlog or ()) for session in mine)
            expected = self.accepted[person.id] - self.dropped[person.id] - backlogged
            if person.received != expected:
                breaches.append(f"{person.id}: {person.received} on the phone, {expected} expected")
            shown = sum(message.from_bot for message in person.chat)
            if shown != person.received and len(person.chat) < (person.chat.maxlen or 0):
                breaches.append(f"{person.id}: {shown} bubbles, {person.received} received")
            if sum(session.dies_at is None for session in mine) > 1:
                breaches.append(f"{person.id}: more than one live bot")
        if breaches:
            raise AssertionError("; ".join(breaches))
