"""`/operator/import`: what `bottalk import` has read from the database of BotTalk on Node.js, a batch at a time."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bottalk.errors import Invalid
from bottalk.http import answers
from bottalk.http.answers import Answer, Ok
from bottalk.http.endpoints import Call, Endpoint, Reply
from bottalk.http.operator import at
from bottalk.messages import Arrived, ComingAccount, ComingLog
from bottalk.service.imports import Imports
from bottalk.values import Secret

T = TypeVar("T")

ACCOUNTS = "/operator/import/accounts"
LOGS = "/operator/import/logs"


class Batch(Struct, frozen=True):
    """A list as JSON text (forms are flat)."""

    batch: str


class Written(Struct, frozen=True):
    """Rows that were not here already."""

    written: int


def endpoints(imports: Imports) -> Sequence[Endpoint[Any]]:
    async def accounts(call: Call[Batch]) -> Answer:
        return answers.ok(await imports.accounts(_unpacked(call.form, list[ComingAccount])))

    async def logs(call: Call[Batch]) -> Answer:
        return answers.ok(Written(await imports.logs(_unpacked(call.form, list[ComingLog]))))

    came = Reply(200, "what became of each", Ok[list[Arrived]])
    return (
        at("POST", ACCOUNTS, "Take accounts over, with channels and reminders", accounts, Batch, came),
        at("POST", LOGS, "Write rows of an old log", logs, Batch, Reply(200, "how many", Ok[Written])),
    )


def encoded(item: ComingAccount | ComingLog) -> str:
    """One item of a batch, as JSON text with its secrets."""
    return _encoder.encode(item).decode()


def batch(items: Sequence[str]) -> Batch:
    return Batch(f"[{','.join(items)}]")


def _unpacked(form: Batch, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(form.batch, type=kind, dec_hook=_secret)
    except msgspec.MsgspecError as e:
        raise Invalid(f"batch: {e}") from None


def _revealed(value: Any) -> str:  # noqa: ANN401 - msgspec's hook
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _secret(kind: type[Any], value: Any) -> Any:  # noqa: ANN401 - msgspec's hook
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=_revealed)
