"""getupdates: who is answered what, and who is held until when."""

from dataclasses import dataclass
from typing import Any

from bottalk.sandbox.rules import faults, inbox
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.sending import Outcome
from bottalk.sandbox.rules.session import Poll, Session, SessionState
from bottalk.sandbox.rules.wire import json_answer, stale_token
from bottalk.sandbox.rules.world import World, settle


@dataclass(frozen=True, slots=True)
class Step:
    """One look at a waiting poll: how it ends, or until when it is held at most.

    `lost`: what it carried counts as handed out, and the answer is lost on the wire.
    """

    outcome: Outcome | None
    until: float = 0.0
    lost: Fault | None = None


def begin(world: World, session: Session, cursor: str, now: float) -> Poll | None:
    """A poll arrives. None: it is refused at once, for another one is held and the server takes no second."""
    if session.polls and world.parameters.second_poller == "reject":
        session.max_concurrent_polls = max(session.max_concurrent_polls, len(session.polls) + 1)
        return None
    if world.parameters.second_poller == "supersede":
        for older in session.polls:
            older.is_superseded = True
        world.to_wake.append(session.token)
    poll = Poll(cursor, now)
    session.polls.append(poll)
    session.max_concurrent_polls = max(session.max_concurrent_polls, len(session.polls))
    return poll


def end(world: World, session: Session, poll: Poll) -> None:
    """The poll is over, answered or not; the next in line may have its turn."""
    session.polls.remove(poll)
    if session.polls:
        world.to_wake.append(session.token)


def step(world: World, session: Session, poll: Poll, now: float) -> Step:
    """Answer the poll if it can be answered now. Messages in the answer are handed out here."""
    parameters = world.parameters
    settle(world, session, now)
    ends_at = poll.began_at + parameters.hold_s
    if session.state(now) in (SessionState.DEAD, SessionState.DOZING):
        is_due = parameters.dead_wakes_poll or now >= ends_at or _was_dead_at(session, poll.began_at)
        if is_due:
            return Step(Outcome(stale_token(parameters), "refused", session.state(now).value))
        return Step(None, ends_at)
    is_first = session.polls[0] is poll
    if is_first and not poll.is_superseded and inbox.waiting(session.inbox, parameters, poll.cursor):
        return _hand_out(world, session, poll, now)
    if poll.is_superseded or now >= ends_at:
        body = _body(world, session, [], inbox.same_place(session.inbox, parameters, poll.cursor), now)
        return Step(Outcome(json_answer(body), "empty"))
    due = [ends_at]
    if session.dies_at is not None and session.dies_at > now:
        due.append(session.dies_at)
    if session.inbox.pending:
        due.append(session.inbox.pending[0][0])
    return Step(None, min(due))


def _was_dead_at(session: Session, at: float) -> bool:
    """A call to a session that is dead or dozing already is never held."""
    return session.is_dead(at) or (session.dozing_since is not None and session.dozing_since <= at)


def _hand_out(world: World, session: Session, poll: Poll, now: float) -> Step:
    messages, cursor = inbox.hand_out(session.inbox, world.parameters, poll.cursor)
    body = _body(world, session, messages, cursor, now)
    world.audit.handed_out(session, world.parameters, body["msgs"])
    lost = faults.take(
        world.faults,
        frozenset({"lost_updates"}),
        world.rng,
        now,
        endpoint="getupdates",
        user=session.user,
        token=session.token,
    )
    return Step(Outcome(json_answer(body)), lost=lost[0] if lost else None)


def _body(world: World, session: Session, messages: list[inbox.Message], cursor: str, now: float) -> dict[str, Any]:
    parameters = world.parameters
    body: dict[str, Any] = {"msgs": messages}
    if parameters.ret_on_success == "everywhere":
        body["ret"] = 0
    if messages or parameters.cursor_when_empty:
        body |= {"get_updates_buf": cursor, "sync_buf": cursor[:12]}
    if parameters.advertised_ms is not None:
        body["longpolling_timeout_ms"] = parameters.advertised_ms
    _disturb(world, session, body, now)
    return body


def _disturb(world: World, session: Session, body: dict[str, Any], now: float) -> None:
    """Faults that belong to an answer to a poll: an old cursor, messages out of order."""
    kinds = {"cursor_regression"} | ({"reorder_inbound"} if len(body["msgs"]) > 1 else set())
    for fault in faults.take(
        world.faults, frozenset(kinds), world.rng, now, endpoint="getupdates", user=session.user, token=session.token
    ):
        if fault.kind == "reorder_inbound":
            body["msgs"] = body["msgs"][::-1]
        elif fault.cursor == "older":
            body["get_updates_buf"] = inbox.older_cursor(session.inbox)
        elif fault.cursor == "empty":
            body["get_updates_buf"] = ""
        else:
            body.pop("get_updates_buf", None)


def cursor_of(body: dict[str, Any]) -> str:
    cursor = body.get("get_updates_buf")
    return cursor if isinstance(cursor, str) else ""


def reject(parameters: Parameters) -> Outcome:
    """The second poll of a server that takes only one."""
    return Outcome(stale_token(parameters), "refused", "second_poller")
