"""What goes over the wire, without a wire: a request, an answer, and the ways a connection can fail."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bottalk.sandbox.rules.parameters import Parameters


class Rng(Protocol):
    """The part of `random.Random` that the rules use; whoever owns the sandbox seeds it."""

    def random(self) -> float: ...
    def getrandbits(self, k: int, /) -> int: ...
    def randrange(self, start: int, stop: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP call. Header names are lower-case; `base_url` is scheme and host as the client addressed them."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = "http://ilink.sandbox"

    @property
    def host(self) -> str:
        return self.base_url.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class ConnectionCutError(Exception):
    """The server resets the connection. `answer` None: before its first byte; else after `sent` bytes of the body."""

    def __init__(self, answer: Answer | None = None, sent: int = 0) -> None:
        super().__init__("connection reset by the sandbox")
        self.answer = answer
        self.sent = sent


class NobodyListensError(Exception):
    """Nobody listens at this address for the moment."""

    def __init__(self) -> None:
        super().__init__("connection refused by the sandbox")


def json_answer(body: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def refused(ret: int, errmsg: str | None = None) -> Answer:
    """A well-formed answer that says no: `ret` alone, with `errmsg` if there is one."""
    return json_answer({"ret": ret} if errmsg is None else {"ret": ret, "errmsg": errmsg})


def stale_token(parameters: Parameters) -> Answer:
    """-14 in the shape asked for."""
    body: dict[str, Any] = {"ret": -14, "errcode": -14, "errmsg": "session timeout"}
    if parameters.ret14_style == "ret":
        del body["errcode"]
    elif parameters.ret14_style == "errcode":
        del body["ret"]
    return json_answer(body)


def not_now(parameters: Parameters) -> Answer:
    """-2: iLink takes no message now, and does not say why."""
    body: dict[str, Any] = {"ret": -2}
    if parameters.ret2_style != "bare":
        body["errmsg"] = "prepare failed"
    if parameters.ret2_style == "both":
        body["errcode"] = -2
    return json_answer(body)


def unknown_token(parameters: Parameters) -> Answer:
    if parameters.unknown_token == "http401":
        return json_answer({"errmsg": "unauthorized"}, 401)
    return stale_token(parameters)


def big_id(rng: Rng) -> int:
    """A uint64 above 2^53, so that whoever reads ids as floats is found out."""
    return rng.randrange(2**53 + 1, 2**64)


def hex_text(rng: Rng, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def opaque_text(rng: Rng, characters: int) -> str:
    """Mixed-case letters and digits: case must be kept."""
    bits = rng.getrandbits(6 * characters)
    return "".join(ALPHABET[(bits >> 6 * index & 63) % len(ALPHABET)] for index in range(characters))
