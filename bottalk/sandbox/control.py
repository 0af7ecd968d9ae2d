"""The control API: the phone and the switches over HTTP, as JSON, for tests in other processes and the phone page."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec
from quart import Blueprint, Response, request

from bottalk.sandbox import views
from bottalk.sandbox.phone import Phone, PhoneError
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import PROFILES

Body = TypeVar("Body")
Switch = Literal[
    "unbind", "expire", "takeover", "half_dead", "doze", "silent_drop", "backlog", "penalize", "forgive", "age_window"
]


class Scan(msgspec.Struct, forbid_unknown_fields=True):
    user: str


class Verify(msgspec.Struct, forbid_unknown_fields=True):
    digits: str


class Write(msgspec.Struct, forbid_unknown_fields=True):
    text: str = "hi"
    item: dict[str, Any] | None = None


class SwitchOrder(msgspec.Struct, forbid_unknown_fields=True):
    """`on` for the switches that stay (half_dead, silent_drop, backlog), `seconds` for penalize and age_window."""

    on: bool = True
    seconds: float | None = None


def control(phone: Phone) -> Blueprint:
    """The blueprint for `/control`. Errors are 400, 404 or 409 with `{"error": text}`."""
    blueprint = Blueprint("control", __name__, url_prefix="/control")
    blueprint.before_request(_read_whole)
    _add_errors(blueprint)
    _add_looking(blueprint, phone)
    _add_codes(blueprint, phone)
    _add_users(blueprint, phone)
    _add_switches(blueprint, phone)
    return blueprint


def reply(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, content_type="application/json")


async def _read_whole() -> None:
    """Read the body even where it says nothing: answered before, hypercorn could not reuse the connection."""
    await request.get_data()


async def _read(kind: type[Body]) -> Body:
    """The request's body; an empty one is `{}`. Raises msgspec.DecodeError, which is answered 400."""
    return msgspec.json.decode(await request.get_data() or b"{}", type=kind)


def _add_errors(blueprint: Blueprint) -> None:
    @blueprint.errorhandler(PhoneError)
    async def impossible(error: PhoneError) -> Response:
        return reply({"error": str(error)}, 409)

    @blueprint.errorhandler(msgspec.DecodeError)
    async def not_readable(error: msgspec.DecodeError) -> Response:
        return reply({"error": str(error)}, 400)

    @blueprint.errorhandler(ValueError)
    async def bad_value(error: ValueError) -> Response:
        return reply({"error": str(error)}, 400)


def _add_looking(blueprint: Blueprint, phone: Phone) -> None:
    @blueprint.get("/screen")
    async def screen() -> Response:
        return reply(views.screen_view(phone, request.args.get("user")))

    @blueprint.get("/bots")
    async def bots() -> Response:
        return reply([views.bot_view(phone, session) for session in phone.sessions])

    @blueprint.get("/record")
    async def record() -> Response:
        limit = int(request.args.get("limit", "1000"))
        endpoint = request.args.get("endpoint")
        calls = [call for call in phone.record.calls if endpoint in (None, call.endpoint)]
        counters = [
            {"endpoint": each, "outcome": outcome, "why": why, "calls": count}
            for (each, outcome, why), count in sorted(phone.record.counters.items())
        ]
        return reply(
            {
                "calls": [views.call_view(call) for call in calls[-limit:]],
                "counters": counters,
                "max_concurrent_polls": phone.max_concurrent_polls(),
            }
        )

    @blueprint.get("/invariants")
    async def invariants() -> Response:
        try:
            phone.check_invariants()
        except AssertionError as error:
            return reply({"ok": False, "error": str(error)})
        return reply({"ok": True})

    @blueprint.post("/reset")
    async def reset() -> Response:
        phone.reset()
        return reply({"ok": True})


def _add_codes(blueprint: Blueprint, phone: Phone) -> None:
    @blueprint.get("/codes")
    async def codes() -> Response:
        return reply([views.code_view(phone, code) for code in phone.codes])

    @blueprint.get("/codes/<code>")
    async def one(code: str) -> Response:
        return reply(views.code_view(phone, phone.code(code)))

    @blueprint.post("/codes/<code>/scan")
    async def scan(code: str) -> Response:
        result = phone.scan(code, (await _read(Scan)).user)
        return reply({"ok": result.ok, "state": result.state, "text": result.text, "digits": result.digits})

    @blueprint.post("/codes/<code>/verify")
    async def verify(code: str) -> Response:
        return reply({"ok": phone.enter_verify(code, (await _read(Verify)).digits)})

    @blueprint.post("/codes/<code>/confirm")
    async def confirm(code: str) -> Response:
        return reply(views.bot_view(phone, phone.confirm(code)))

    @blueprint.post("/codes/<code>/cancel")
    async def cancel(code: str) -> Response:
        phone.cancel(code)
        return reply({"ok": True})


def _add_users(blueprint: Blueprint, phone: Phone) -> None:
    @blueprint.get("/users")
    async def users() -> Response:
        return reply([views.user_view(phone, user) for user in phone.users])

    @blueprint.post("/users")
    async def new_user() -> Response:
        return reply(views.user_view(phone, phone.new_user()))

    @blueprint.get("/users/<user>")
    async def one_user(user: str) -> Response:
        return reply(views.user_view(phone, user))

    @blueprint.get("/users/<user>/messages")
    async def read(user: str) -> Response:
        return reply([views.message_view(message) for message in phone.read(user)])

    @blueprint.get("/users/<user>/chat")
    async def chat(user: str) -> Response:
        return reply([views.message_view(message) for message in phone.chat(user)])

    @blueprint.post("/users/<user>/write")
    async def write(user: str) -> Response:
        order = await _read(Write)
        return reply({"delivered": phone.write(user, order.text, item=order.item)})

    @blueprint.post("/users/<user>/switch/<name>")
    async def switch(user: str, name: str) -> Response:
        order = await _read(SwitchOrder)
        _switch(phone, user, msgspec.convert(name, Switch), order)
        return reply(views.user_view(phone, user))


def _switch(phone: Phone, user: str, name: Switch, order: SwitchOrder) -> None:
    switches: dict[Switch, Callable[[], object]] = {
        "unbind": lambda: phone.unbind(user),
        "expire": lambda: phone.expire(user),
        "takeover": lambda: phone.takeover(user),
        "half_dead": lambda: phone.half_dead(user, order.on),
        "doze": lambda: phone.doze(user),
        "silent_drop": lambda: phone.silent_drop(user, order.on),
        "backlog": lambda: phone.backlog(user, order.on),
        "penalize": lambda: phone.penalize(user, order.seconds),
        "forgive": lambda: phone.forgive(user),
        "age_window": lambda: phone.age_window(user, order.seconds or 0.0),
    }
    switches[name]()


def _add_switches(blueprint: Blueprint, phone: Phone) -> None:
    @blueprint.get("/parameters")
    async def parameters() -> Response:
        return reply(phone.parameters)

    @blueprint.post("/parameters")
    async def set_parameters() -> Response:
        changes = await _read(dict[str, Any])
        profile = changes.pop("profile", None)
        if profile is not None and profile not in PROFILES:
            raise ValueError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
        if profile is not None:
            changes = msgspec.structs.asdict(PROFILES[profile]) | changes
        phone.set(**changes)
        return reply(phone.parameters)

    @blueprint.get("/faults")
    async def faults() -> Response:
        return reply(views.faults_view(phone))

    @blueprint.post("/faults")
    async def arm() -> Response:
        phone.arm(await _read(Fault))
        return reply(views.faults_view(phone))

    @blueprint.delete("/faults")
    async def disarm() -> Response:
        phone.disarm()
        return reply([])
