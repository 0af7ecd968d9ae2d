"""The phone in a person's hand, and the switches behind iLink's counter: what acts on the sandbox from outside.

All of it is synchronous and takes effect at once; calls that wait for it are woken. One thread only (trio's).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bottalk.sandbox.rules import conversation, faults, qr, writing
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from bottalk.sandbox.rules.qr import QrCode, QrState, ScanResult
from bottalk.sandbox.rules.record import Record
from bottalk.sandbox.rules.session import PhoneMessage, Session
from bottalk.sandbox.rules.wire import Rng
from bottalk.sandbox.rules.world import World, kill, lift_backlog, live_session, new_session, new_user_id, person


class PhoneError(Exception):
    """What was asked is not possible on this phone now; the text says why."""


class Phone(ABC):
    """`now` gives seconds since 1970 and must pass as trio's clock passes, for held calls wait on that; `rng` decides
    everything that is random. Users come into being when they are first named."""

    def __init__(self, *, now: Callable[[], float], rng: Rng, parameters: Parameters = FIELD) -> None:
        self._now = now
        self._world = World(rng, parameters)
        self._initial = parameters

    # -- looking -----------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """This sandbox's time, seconds since 1970."""
        return self._now()

    @property
    def parameters(self) -> Parameters:
        return self._world.parameters

    @property
    def record(self) -> Record:
        return self._world.record

    @property
    def users(self) -> list[str]:
        return list(self._world.people)

    @property
    def sessions(self) -> Sequence[Session]:
        """Every bot there ever was, dead ones included, oldest first. Read only."""
        return list(self._world.sessions.values())

    @property
    def codes(self) -> Sequence[QrCode]:
        """Every QR code, oldest first. Read only."""
        for code in self._world.codes.values():
            qr.refresh(code, self.parameters, self.now)
        return list(self._world.codes.values())

    @property
    def faults(self) -> list[Fault]:
        """What is armed."""
        return [armed.fault for armed in self._world.faults if not faults.is_over(armed, self.now)]

    def code(self, code: str) -> QrCode:
        """By its handle, its public id, or the whole link of the picture. Raises PhoneError if there is none."""
        handle = parse_qs(urlsplit(code).query).get("qrcode", [code])[0]
        found = self._world.codes.get(handle)
        if found is None:
            found = next((each for each in self._world.codes.values() if each.public_id == handle), None)
        if found is None:
            raise PhoneError("没有这个二维码 (no such code)")
        qr.refresh(found, self.parameters, self.now)
        return found

    def session(self, user: str) -> Session | None:
        """The user's newest bot, dead or alive; None: never had one."""
        someone = self._world.people.get(user)
        return self._world.sessions[someone.tokens[-1]] if someone and someone.tokens else None

    def read(self, user: str) -> list[PhoneMessage]:
        """What bots have sent to this user, in order of arrival (the last 5,000 bubbles of the chat)."""
        return [message for message in self.chat(user) if message.from_bot]

    def chat(self, user: str) -> list[PhoneMessage]:
        """Both sides of the chat, in order."""
        someone = self._world.people.get(user)
        return list(someone.chat) if someone else []

    def window(self, user: str) -> str:
        """`never_opened`, `open`, `spent`, `aged`, or `none` without a live bot."""
        session = live_session(self._world, user, self.now)
        if session is None:
            return "none"
        return conversation.window(session.conversation.latest, self.parameters, self.now).value

    def is_typed_to(self, user: str) -> bool:
        """Whether the bot shows "typing" (sendtyping)."""
        someone = self._world.people.get(user)
        return someone is not None and someone.is_typed_to

    def drops_silently(self, user: str) -> bool:
        """Whether the silent drop is switched on for this user."""
        someone = self._world.people.get(user)
        return someone is not None and someone.silent_drop

    def max_concurrent_polls(self, token: str | None = None) -> int:
        """The most polls that were ever held at once on this token; without one, on any token."""
        return max(
            (each.max_concurrent_polls for each in self._world.sessions.values() if token in (None, each.token)),
            default=0,
        )

    def check_invariants(self) -> None:
        """Raises AssertionError, in words, if the sandbox has done what iLink never does."""
        self._world.audit.check(self._world.people, self._world.sessions)

    # -- the person --------------------------------------------------------------------------------------------

    def new_user(self) -> str:
        """A person with a made-up id."""
        user = person(self._world, new_user_id(self._world)).id
        self._changed()
        return user

    def scan(self, code: str, user: str) -> ScanResult:
        """Scan a code. Raises PhoneError if there is no such code; a refusal is told in the result."""
        found = self.code(code)
        person(self._world, user)
        bot = live_session(self._world, user, self.now)
        result = qr.scan(found, self.parameters, self._world.rng, self.now, user, bot.token if bot else None)
        self._changed(found.qrcode)
        return result

    def verify_digits(self, code: str) -> str | None:
        """The pairing digits that the phone shows, or None."""
        found = self.code(code)
        return found.digits if found.state is QrState.NEED_CODE else None

    def enter_verify(self, code: str, digits: str) -> bool:
        """Enter the digits by hand, as if the client had sent them. True: they were right."""
        found = self.code(code)
        is_right = qr.enter_verify(found, self.parameters, digits)
        self._changed(found.qrcode)
        return is_right

    def confirm(self, code: str) -> Session:
        """Tap "confirm": the new bot. Raises PhoneError unless the code is scanned."""
        found = self.code(code)
        try:
            user = qr.confirm(found, self.parameters, self.now)
        except ValueError as error:
            raise PhoneError(str(error)) from error
        session = new_session(self._world, user, self.now)
        found.bot_token, found.bot_id = session.token, session.bot_id
        self._changed(found.qrcode)
        return session

    def cancel(self, code: str) -> None:
        """Tap "cancel"; the code expires. Raises PhoneError if there is no such code."""
        found = self.code(code)
        qr.cancel(found, self.parameters, self.now)
        self._changed(found.qrcode)

    def write(self, user: str, text: str = "hi", *, item: dict[str, Any] | None = None) -> bool:
        """Write to the bot, or send `item` (one entry of `item_list`). False: no live bot, the message is lost."""
        is_delivered = writing.write(self._world, user, text, item, self.now)
        self._changed()
        return is_delivered

    def unbind(self, user: str) -> None:
        """Delete the bot from the chat list; its token is dead."""
        self._kill(user, "unbind", 0)

    # -- iLink's side ------------------------------------------------------------------------------------------

    def expire(self, user: str) -> None:
        """iLink ends the session."""
        self._kill(user, "expire", 0)

    def takeover(self, user: str) -> Session:
        """The user scans with another client: a new bot, whose token this client never sees; the old one dies."""
        session = new_session(self._world, user, self.now)
        self._changed()
        return session

    def half_dead(self, user: str, on: bool = True) -> None:
        """The bot receives, and every send is answered -14."""
        self._session(user).half_dead = on
        self._changed()

    def doze(self, user: str) -> None:
        """-14 to everything until a notifystart."""
        session = self._session(user)
        session.dozing_since = self.now
        self._changed(session.token)

    def silent_drop(self, user: str, on: bool = True) -> None:
        """Sends to this user are accepted without an id and never arrive; a new bot does not help."""
        person(self._world, user).silent_drop = on
        self._changed()

    def backlog(self, user: str, on: bool = True) -> None:
        """Accepted messages wait; switched off, they arrive all at once, in order."""
        if on:
            session = self._session(user)
            session.backlog = session.backlog or []
        else:
            lift_backlog(self._world, user, self.now)
        self._changed()

    def penalize(self, user: str, seconds: float | None = None) -> None:
        """Begin a penalty now, as after a burst; `seconds` None: as long as the parameters say."""
        length = self.parameters.penalty_s if seconds is None else seconds
        conversation.begin_penalty(self._session(user).conversation, self.now, length)
        self._changed()

    def forgive(self, user: str) -> None:
        """End a penalty."""
        session = self._session(user)
        session.conversation.penalty_until = session.conversation.penalty_started = None
        self._changed()

    def age_window(self, user: str, seconds: float) -> None:
        """Let the last inbound message be `seconds` older than it is."""
        session = self._session(user)
        for allowance in {id(each): each for each in session.conversation.tokens.values()}.values():
            allowance.opened_at -= seconds
        self._world.audit.window_shifted(session, seconds)
        self._changed()

    def arm(self, fault: Fault) -> None:
        """Arm a fault; several may be armed, they strike in this order."""
        self._world.faults.append(faults.arm(fault, self.now))
        if fault.kind in faults.DOWN_KINDS:
            self._changed(*self._world.sessions, *self._world.codes)

    def disarm(self) -> None:
        """No fault is armed any more. Calls that already hang go on hanging until their client gives up."""
        self._world.faults.clear()
        self._changed()

    def set(self, **parameters: object) -> None:
        """Change parameters. Raises ValueError for an unknown name or a bad value; then nothing is changed."""
        self._world.parameters = self.parameters.changed(**parameters)
        self._changed(*self._world.sessions, *self._world.codes)

    def reset(self) -> None:
        """Forget everything: users, bots, codes, faults, record; parameters are those of the beginning.

        Held calls are answered as for a token or code that nobody knows.
        """
        held = [*self._world.sessions, *self._world.codes]
        self._world = World(self._world.rng, self._initial)
        self._changed(*held)

    # -- inside ------------------------------------------------------------------------------------------------

    def _session(self, user: str) -> Session:
        session = live_session(self._world, user, self.now)
        if session is None:
            raise PhoneError(f"{user} 没有可用的机器人 (has no live bot)")
        return session

    def _kill(self, user: str, why: str, after: float) -> None:
        for token in person(self._world, user).tokens:
            kill(self._world, self._world.sessions[token], self.now + after, why)
        self._changed()

    def _changed(self, *keys: str) -> None:
        """Something changed that calls held on these keys must look at, and on those the rules name."""
        wake = dict.fromkeys([*keys, *self._world.to_wake])
        self._world.to_wake.clear()
        for key in wake:
            self._wake(key)

    @abstractmethod
    def _wake(self, key: str) -> None:
        """Let calls held on this token or code look again."""
