"""The sandbox: iLink's rules, with the waiting added. The one place where trio meets the rules."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from bottalk.sandbox.phone import Phone
from bottalk.sandbox.rules import calls, checks, faults, polling, qr, sending
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from bottalk.sandbox.rules.record import Call, shortened
from bottalk.sandbox.rules.sending import Outcome
from bottalk.sandbox.rules.session import Session
from bottalk.sandbox.rules.wire import (
    Answer,
    ConnectionCutError,
    NobodyListensError,
    Request,
    Rng,
    json_answer,
    unknown_token,
)

PREFIX = "/ilink/bot/"
ENDPOINTS = {
    f"{PREFIX}{path}": path.rpartition("/")[2]
    for path in (
        "get_bot_qrcode",
        "get_qrcode_status",
        "getupdates",
        "sendmessage",
        "msg/notifystart",
        "msg/notifystop",
        "getconfig",
        "sendtyping",
        "getuploadurl",
    )
}
WITHOUT_TOKEN = frozenset({"get_bot_qrcode", "get_qrcode_status"})


@dataclass(slots=True)
class _InHand:
    """One call on its way through."""

    request: Request
    endpoint: str
    token: str
    session: Session | None
    body: object
    """The parsed JSON; None if there is none or it is not JSON."""
    entry: Call

    @property
    def fields(self) -> dict[str, Any]:
        return self.body if isinstance(self.body, dict) else {}


class Sandbox(Phone):
    """A faithful iLink in memory: `handle` is the wire, everything inherited is the phone and the switches.

    One thread (trio's). Nothing is kept between processes.
    """

    def __init__(self, *, now: Callable[[], float], rng: Rng, parameters: Parameters = FIELD) -> None:
        super().__init__(now=now, rng=rng, parameters=parameters)
        self._held: dict[str, list[trio.Event]] = {}
        self._watchers: list[trio.Event] = []

    async def handle(self, request: Request) -> Answer:
        """One HTTP call, held as long as iLink would hold it.

        Raises ConnectionCutError and NobodyListensError for faults of the connection. A cancel is the client hanging
        up: a held poll then hands nothing out; what was accepted before stays accepted.
        """
        endpoint = ENDPOINTS.get(request.path)
        if endpoint is None:
            return json_answer({"errmsg": "not found"}, 404)
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        session = self._world.sessions.get(token)
        entry = Call(self.now, endpoint, shortened(token), session.user if session else "")
        record = self._world.record
        call = _InHand(request, endpoint, token, session, _parsed(request.body), entry)
        try:
            answer = await self._through_faults(call)
            entry.status = answer.status
            return answer
        finally:
            entry.took_s = self.now - entry.at
            record.add(entry)
            self._tell_watchers()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition` holds; it is looked at now and after whatever a call or the phone has changed.

        It has no deadline of its own. For tests: no sleeping, no guessing.
        """
        while not condition():
            event = trio.Event()
            self._watchers.append(event)
            try:
                await event.wait()
            finally:
                if event in self._watchers:
                    self._watchers.remove(event)

    def _wake(self, key: str) -> None:
        for event in self._held.get(key, ()):
            event.set()

    def _changed(self, *keys: str) -> None:
        super()._changed(*keys)
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for event in self._watchers:
            event.set()
        self._watchers.clear()

    # -- faults around the call --------------------------------------------------------------------------------

    async def _through_faults(self, call: _InHand) -> Answer:
        await self._down(call)
        for fault in self._struck(call, "before"):
            answer = await self._strike(call, fault, None)
            if answer is not None:
                return answer
        answer = await self._answer(call)
        for fault in self._struck(call, "after"):
            answer = await self._strike(call, fault, answer) or answer
        return answer

    def _struck(self, call: _InHand, when: str) -> list[Fault]:
        return self._take(call, None, when)

    def _take(self, call: _InHand, kinds: frozenset[str] | None, when: str | None = None) -> list[Fault]:
        user = call.session.user if call.session else None
        world = self._world
        return faults.take(
            world.faults, kinds, world.rng, self.now, endpoint=call.endpoint, user=user, token=call.token, when=when
        )

    async def _down(self, call: _InHand) -> None:
        """Nobody listens, or nobody answers, at this address for the moment."""
        for fault in self._take(call, faults.DOWN_KINDS):
            _note(call, "fault", fault.kind)
            if fault.kind == "dead_ip":
                await trio.sleep_forever()
            raise NobodyListensError

    async def _strike(self, call: _InHand, fault: Fault, answer: Answer | None) -> Answer | None:
        """Let one fault act. `answer`: what would be answered, None before processing. None: nothing is changed."""
        if fault.kind == "delay":
            await trio.sleep(fault.delay_s)
            return None
        is_refused = answer is not None and call.entry.outcome == "refused"
        _note(call, "fault", fault.kind)
        match fault.kind:
            case "hang":
                await trio.sleep_forever()
            case "reset":
                raise _cut(fault, answer)
            case "status":
                return faults.status_answer(fault)
            case "garbage":
                return faults.garbage_answer(fault.garbage)
            case "empty_body":
                # it says that all went well: in place of a refusal it would be a silent drop, which has its own switch
                return None if is_refused else Answer(200, b"")
            case "wrong_code":
                return faults.wrong_code_answer(fault)
        return None

    async def _lose(self, call: _InHand, fault: Fault) -> None:
        """The effect stands, the answer does not arrive."""
        _note(call, "fault", fault.kind)
        if fault.kind == "lost_answer" and fault.ending == "hang":
            await trio.sleep_forever()
        raise ConnectionCutError

    # -- the call itself ---------------------------------------------------------------------------------------

    async def _answer(self, call: _InHand) -> Answer:
        world = self._world
        call.session = world.sessions.get(call.token)
        if world.parameters.request_checks:
            broken = checks.violation(world, call.endpoint, call.session, call.request, call.body)
            if broken is not None:
                _note(call, "bad_request", broken)
                return json_answer({"errmsg": broken}, 400)
        if call.endpoint == "get_bot_qrcode":
            return _noted(call, calls.get_bot_qrcode(world, call.request, call.fields, self.now))
        if call.endpoint == "get_qrcode_status":
            return await self._status(call)
        if call.session is None:
            _note(call, "refused", "unknown_token")
            return unknown_token(world.parameters)
        if call.endpoint == "getupdates":
            return await self._getupdates(call, call.session)
        if call.endpoint == "sendmessage":
            return await self._sendmessage(call, call.session)
        return _noted(call, calls.session_call(world, call.endpoint, call.session, call.fields, self.now))

    async def _sendmessage(self, call: _InHand, session: Session) -> Answer:
        outcome = sending.sendmessage(self._world, session, call.fields, self.now)
        answer = _noted(call, outcome)
        if outcome.outcome == "ok":
            for fault in self._take(call, frozenset({"lost_answer"})):
                await self._lose(call, fault)
        return answer

    async def _getupdates(self, call: _InHand, session: Session) -> Answer:
        world = self._world
        poll = polling.begin(world, session, polling.cursor_of(call.fields), self.now)
        self._changed()
        if poll is None:
            return _noted(call, polling.reject(world.parameters))
        try:
            while True:
                step = polling.step(world, session, poll, self.now)
                if step.outcome is not None:
                    break
                await self._hold(session.token, step.until)
                if world is not self._world:
                    return _noted(call, Outcome(unknown_token(self.parameters), "refused", "unknown_token"))
                await self._down(call)
        finally:
            polling.end(world, session, poll)
            if world is self._world:
                self._changed()
        answer = _noted(call, step.outcome)
        if step.lost is not None:
            await self._lose(call, step.lost)
        return answer

    async def _status(self, call: _InHand) -> Answer:
        request = call.request
        code = self._world.codes.get(request.query.get("qrcode", ""))
        if code is None:
            return _noted(call, Outcome(json_answer({"ret": 0, "status": "expired"}), "ok", "unknown_code"))
        waiting = qr.StatusCall(
            request.host, request.base_url, self.now, request.query.get("verify_code") or None, code.told
        )
        while True:
            status = qr.status(code, self.parameters, waiting, self.now)
            if status.body is not None:
                kind = "empty" if status.body["status"] == "wait" else "ok"
                return _noted(call, Outcome(json_answer(status.body), kind, status.body["status"]))
            await self._hold(code.qrcode, status.until)
            if code.qrcode not in self._world.codes:
                return _noted(call, Outcome(json_answer({"ret": 0, "status": "expired"}), "ok", "unknown_code"))
            await self._down(call)

    async def _hold(self, key: str, until: float) -> None:
        """Wait until something changes for this token or code, at most until this time of the sandbox."""
        event = trio.Event()
        held = self._held.setdefault(key, [])
        held.append(event)
        try:
            with trio.move_on_after(max(0.0, until - self.now)):
                await event.wait()
        finally:
            held.remove(event)
            if not held:
                self._held.pop(key, None)


def _note(call: _InHand, outcome: str, why: str) -> None:
    call.entry.outcome, call.entry.why = outcome, why


def _noted(call: _InHand, outcome: Outcome) -> Answer:
    _note(call, outcome.outcome, outcome.why)
    return outcome.answer


def _cut(fault: Fault, answer: Answer | None) -> ConnectionCutError:
    if fault.at == "first_byte":
        return ConnectionCutError()
    whole = answer or json_answer({"ret": 0})
    return ConnectionCutError(whole, 0 if fault.at == "headers" else len(whole.body) // 2)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None
