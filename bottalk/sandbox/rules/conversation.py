"""One user's conversation with one bot: the window, the ten messages, the limiter and its penalty."""

from dataclasses import dataclass, field
from enum import StrEnum

from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.wire import Answer

TOKENS_KEPT = 1_000
CLIENT_IDS_KEPT = 1_000


class Window(StrEnum):
    """What a conversation is at one moment; PENALTY runs beside it."""

    NEVER_OPENED = "never_opened"
    OPEN = "open"
    SPENT = "spent"
    AGED = "aged"


@dataclass(slots=True)
class Allowance:
    """What one inbound message allows: from when, and how much of it is gone."""

    opened_at: float
    used: int = 0


@dataclass(slots=True)
class Conversation:
    """`tokens` are all context tokens issued here, the latest last, each with the allowance it came with."""

    tokens: dict[str, Allowance] = field(default_factory=dict)
    burst_times: list[float] = field(default_factory=list)
    penalty_started: float | None = None
    penalty_until: float | None = None
    accepted: dict[str, Answer] = field(default_factory=dict)
    """Answers already given, by client_id."""

    @property
    def latest(self) -> Allowance | None:
        return next(reversed(self.tokens.values()), None)

    @property
    def latest_token(self) -> str | None:
        return next(reversed(self.tokens), None)

    @property
    def opened_at(self) -> float | None:
        return self.latest.opened_at if self.latest else None

    @property
    def used(self) -> int:
        return self.latest.used if self.latest else 0

    def in_penalty(self, now: float) -> bool:
        return self.penalty_until is not None and now < self.penalty_until


def open_window(conversation: Conversation, token: str, now: float) -> None:
    """An inbound message: every state leads to OPEN, nothing spent. It ends no penalty."""
    _issue(conversation, token, Allowance(now))


def issue_again(conversation: Conversation, token: str) -> None:
    """A duplicate with a fresh token: it is the latest from now on, and opens nothing."""
    if conversation.latest is not None:
        _issue(conversation, token, conversation.latest)


def _issue(conversation: Conversation, token: str, allowance: Allowance) -> None:
    conversation.tokens[token] = allowance
    while len(conversation.tokens) > TOKENS_KEPT:
        del conversation.tokens[next(iter(conversation.tokens))]


def allowance_for(conversation: Conversation, parameters: Parameters, token: str | None) -> Allowance | None:
    """The allowance that a send with this token spends; a token that is not known spends the latest."""
    if parameters.quota_scope == "token" and token is not None and token in conversation.tokens:
        return conversation.tokens[token]
    return conversation.latest


def window(allowance: Allowance | None, parameters: Parameters, now: float) -> Window:
    if allowance is None:
        return Window.NEVER_OPENED
    if now - allowance.opened_at >= parameters.window_s:
        return Window.AGED
    if parameters.quota is not None and allowance.used >= parameters.quota:
        return Window.SPENT
    return Window.OPEN


def begin_penalty(conversation: Conversation, now: float, seconds: float) -> None:
    conversation.penalty_started = now
    conversation.penalty_until = now + seconds


def refusal(
    conversation: Conversation,
    parameters: Parameters,
    now: float,
    *,
    token: str | None,
    token_fits: bool,
    notified: bool,
) -> str | None:
    """Why this conversation takes no message now (steps 6 to 8 of a send), or None; a refusal has its effects here.

    `token_fits`: the context check's verdict. `notified`: the client has called notifystart.
    """
    if conversation.in_penalty(now):
        if parameters.penalty_extends and conversation.penalty_started is not None:
            conversation.penalty_until = min(
                now + parameters.penalty_s, conversation.penalty_started + parameters.penalty_cap_s
            )
        return "penalty"
    allowance = allowance_for(conversation, parameters, token)
    state = window(allowance, parameters, now)
    why: str | None = None
    if state is not Window.OPEN:
        why = state.value
    elif not token_fits:
        why = "token"
    elif parameters.need_notifystart and not notified:
        why = "notifystart"
    if why is not None:
        if parameters.count_refused and allowance is not None:
            allowance.used += 1
        return why
    if _exceeds_burst(conversation, parameters, now):
        begin_penalty(conversation, now, parameters.penalty_s)
        return "burst"
    return None


def _exceeds_burst(conversation: Conversation, parameters: Parameters, now: float) -> bool:
    longest = max((seconds for _, seconds in parameters.burst), default=0.0)
    conversation.burst_times = [at for at in conversation.burst_times if at > now - longest]
    return any(
        sum(at > now - seconds for at in conversation.burst_times) >= count for count, seconds in parameters.burst
    )


def spend(conversation: Conversation, parameters: Parameters, now: float, token: str | None) -> None:
    """One message was accepted."""
    allowance = allowance_for(conversation, parameters, token)
    if allowance is None:
        raise RuntimeError("a message was accepted before the conversation was opened")
    allowance.used += 1
    if parameters.burst:
        conversation.burst_times.append(now)


def remember_answer(conversation: Conversation, client_id: str, answer: Answer) -> None:
    conversation.accepted[client_id] = answer
    while len(conversation.accepted) > CLIENT_IDS_KEPT:
        del conversation.accepted[next(iter(conversation.accepted))]
