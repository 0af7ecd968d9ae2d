"""Independent books of every send: what went out, what iLink made of it, and what the daemon could know of that."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import trio

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.audit import Audit
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.session import Session
from bottalk.sandbox.transport import transport

Known = Literal["accepted", "refused", "never_arrived", "unknown"]
"""What a try has told the daemon. `unknown`: cut, timed out, or answered by what cannot be read."""


class Planted(RuntimeError):
    """A bug, planted by a test."""


@dataclass(slots=True, eq=False)
class Try:
    """One call of sendmessage. Times are trio's clock; `wall` is the daemon's own at its beginning."""

    at: float
    wall: float
    token: str
    to: str
    client_id: str
    text: str
    epoch: int
    """Of the channel's window when it began; of the one it counts in, once it is over."""
    run: int
    """Of the daemon: the first is 0."""
    known: Known | None = None
    """None while it is under way."""
    is_accepted: bool = False
    """iLink took it, whoever was told."""
    is_forgotten: bool = False
    """The daemon ended before it had written what was told."""

    @property
    def is_excused(self) -> bool:
        """The daemon cannot know that it was accepted: it may be sent again."""
        return self.is_forgotten or self.known in ("unknown", None)

    @property
    def counts(self) -> bool:
        """It is one of the ten, as far as the daemon can know."""
        return self.known in ("accepted", "unknown", None)


class Watched(Sandbox):
    """A sandbox that tells of each message at the moment at which it takes it."""

    def __init__(self, *, now: Callable[[], float], rng: Any, parameters: Parameters) -> None:  # noqa: ANN401
        super().__init__(now=now, rng=rng, parameters=parameters)
        self.under_way: dict[str, Try] = {}
        self._world.audit = _Telling(self.under_way)


class _Telling(Audit):
    def __init__(self, under_way: dict[str, Try]) -> None:
        super().__init__()
        self._under_way = under_way

    def sent(self, session: Session, parameters: Parameters, now: float, context_token: str | None) -> None:
        super().sent(session, parameters, now, context_token)
        self._under_way[session.token].is_accepted = True


@dataclass(slots=True)
class Bug:
    endpoint: str
    left: int
    answered: bool


@dataclass(slots=True)
class Books:
    """All tries, oldest first."""

    tries: list[Try] = field(default_factory=list)

    def of_token(self, token: str) -> Iterator[Try]:
        return (one for one in self.tries if one.token == token)


Look = Callable[[Try], None]
"""Called with each try as it begins, before it is on the books."""


class Wire(httpx.AsyncBaseTransport):
    """What one run of the daemon reaches iLink by. `is_dead`: the process is gone, and nothing goes out any more."""

    def __init__(self, sandbox: Watched, books: Books, run: int, bugs: list[Bug], wall: Callable[[], float]) -> None:
        self._inner = transport(sandbox)
        self._sandbox = sandbox
        self._books = books
        self._run = run
        self._bugs = bugs
        self._wall = wall
        self.look: Look = _nothing
        self.epoch_of: Callable[[str], int] = _first
        self.is_dead = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_dead:
            raise httpx.ConnectError("the process is gone", request=request)
        endpoint = request.url.path.rpartition("/")[2]
        self._crash(endpoint, answered=False)
        if endpoint != "sendmessage":
            response = await self._inner.handle_async_request(request)
        else:
            with self._noted(await self._begin(request)) as one:
                response = await self._inner.handle_async_request(request)
                one.known = _told(response)
                self._crash(endpoint, answered=True, one=one)
                return response
        self._crash(endpoint, answered=True)
        return response

    async def _begin(self, request: httpx.Request) -> Try:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        message = json.loads(await request.aread())["msg"]
        text = message["item_list"][0]["text_item"]["text"]
        one = Try(
            trio.current_time(), self._wall(), token, message["to_user_id"], message["client_id"], text,
            self.epoch_of(token), self._run,
        )  # fmt: skip
        self.look(one)
        return one

    @contextmanager
    def _noted(self, one: Try) -> Iterator[Try]:
        self._books.tries.append(one)
        self._sandbox.under_way[one.token] = one
        try:
            yield one
        except httpx.ConnectError:
            one.known = "never_arrived"
            raise
        except BaseException:
            one.known = "unknown"
            raise
        finally:
            one.epoch = max(one.epoch, self.epoch_of(one.token))

    def _crash(self, endpoint: str, *, answered: bool, one: Try | None = None) -> None:
        for bug in self._bugs:
            if bug.endpoint == endpoint and bug.answered is answered and bug.left:
                bug.left -= 1
                raise Planted(f"planted: a bug in {endpoint}")


def _told(response: httpx.Response) -> Known:
    """What an answer says to somebody who reads the protocol notes."""
    if not isinstance(response.stream, httpx.ByteStream):
        return "unknown"  # cut off
    if response.status_code in (504, 524):
        return "unknown"
    if response.status_code != 200:
        return "refused"
    body = b"".join(response.stream)
    if not body:
        return "accepted"
    if len(body) > 1 << 20:
        return "unknown"
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return "unknown"
    if not isinstance(answer, dict) or not all(type(answer.get(n, 0)) is int for n in ("ret", "errcode")):
        return "unknown"
    return "refused" if answer.get("errcode") or answer.get("ret") else "accepted"


def _nothing(one: Try) -> None:
    """Nobody looks yet."""


def _first(token: str) -> int:
    return 0
