"""Everything the pretended iLink knows, and the small moves that several rules share."""

from dataclasses import dataclass, field, replace

from bottalk.sandbox.rules import conversation, inbox
from bottalk.sandbox.rules.audit import Audit
from bottalk.sandbox.rules.faults import Armed
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from bottalk.sandbox.rules.qr import QrCode
from bottalk.sandbox.rules.record import Record
from bottalk.sandbox.rules.session import Person, PhoneMessage, Session
from bottalk.sandbox.rules.wire import Rng, hex_text, opaque_text

CODES_KEPT = 10_000


@dataclass(slots=True)
class World:
    """The state of all rules. `to_wake` is their effect: bot tokens and qrcodes whose held calls must look again."""

    rng: Rng
    parameters: Parameters = FIELD
    codes: dict[str, QrCode] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    faults: list[Armed] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    audit: Audit = field(default_factory=Audit)
    to_wake: list[str] = field(default_factory=list)
    last_uin: str = ""
    uin_run: int = 0


def person(world: World, user: str) -> Person:
    """The person with this id, made at its first mention. Ids are compared exactly, case and all."""
    return world.people.setdefault(user, Person(user))


def new_user_id(world: World) -> str:
    return f"o9cq80{opaque_text(world.rng, 22)}@im.wechat"


def live_session(world: World, user: str, now: float) -> Session | None:
    """The bot that this user has in the chat list now: the newest, if it is not dead."""
    someone = world.people.get(user)
    if someone is None or not someone.tokens:
        return None
    newest = world.sessions[someone.tokens[-1]]
    return None if newest.is_dead(now) else newest


def keep_code(world: World, code: QrCode) -> None:
    world.codes[code.qrcode] = code
    while len(world.codes) > CODES_KEPT:
        del world.codes[next(iter(world.codes))]


def new_session(world: World, user: str, now: float) -> Session:
    """A new bot for this user; the older one dies after `takeover_delay_s`."""
    for token in person(world, user).tokens:
        kill(world, world.sessions[token], now + world.parameters.takeover_delay_s, "takeover")
    token = f"{hex_text(world.rng, 12)}@im.bot:{opaque_text(world.rng, 40)}"
    session = Session(token, token.partition(":")[0], user, now, inbox.Inbox(world.rng.getrandbits(64)))
    world.sessions[token] = session
    person(world, user).tokens.append(token)
    return session


def kill(world: World, session: Session, at: float, why: str) -> None:
    """The session dies at `at`, unless it dies sooner anyway."""
    if session.dies_at is None or at < session.dies_at:
        session.dies_at, session.why_dead = at, why
        world.to_wake.append(session.token)


def settle(world: World, session: Session, now: float) -> None:
    """Let come what is due by now: inbound duplicates on their way, and their fresh tokens."""
    if session.is_dead(now):
        session.inbox.pending.clear()
    for message in inbox.release(session.inbox, now):
        token = message.get("context_token")
        if isinstance(token, str) and token not in session.conversation.tokens and not message.get("group_id"):
            conversation.issue_again(session.conversation, token)
            world.audit.token_again(session, token)


def lift_backlog(world: World, user: str, now: float) -> None:
    """What waited arrives now, all at once and in order."""
    someone = person(world, user)
    for token in someone.tokens:
        session = world.sessions[token]
        waiting, session.backlog = session.backlog or [], None
        someone.chat.extend(replace(message, at=now) for message in waiting)
        someone.received += len(waiting)


def show(world: World, session: Session, message: PhoneMessage) -> None:
    """Put one accepted message on the phone, or where it goes instead."""
    someone = person(world, session.user)
    if someone.silent_drop:
        world.audit.dropped[session.user] += 1
    elif session.backlog is not None:
        session.backlog.append(message)
    else:
        someone.chat.append(message)
        someone.received += 1
