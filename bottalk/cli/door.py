"""The operator's door seen from outside: a running daemon's Unix socket, asked by a command on the same machine."""

from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
import trio

from bottalk.config import Config
from bottalk.errors import BotTalkError, CannotWrite, Refused
from bottalk.http.answers import Failed, Ok
from bottalk.http.endpoints import NOT_A_ROUTE

T = TypeVar("T")

PATIENCE_S = 15.0
"""Seconds for an answer: a use case waits 10 s to be taken, and then says that nothing was changed."""

JSON = {"Content-Type": "application/json"}


class DoorShut(BotTalkError):
    """A daemon holds the data directory, but nobody answers at its door, or not as this version expects."""


class Door:
    """Asks the daemon that holds `config`'s data directory. `holder` is its process id, as its lock says."""

    def __init__(self, config: Config, holder: str) -> None:
        self._socket = Path(config.data_dir) / "bottalk.sock"
        self._holder = holder

    def get(self, path: str, data: type[T]) -> T:
        return self._ask("GET", path, b"", data)

    def post(self, path: str, form: msgspec.Struct, data: type[T]) -> T:
        return self._ask("POST", path, msgspec.json.encode(form), data)

    def _ask(self, method: str, path: str, body: bytes, data: type[T]) -> T:
        """The answer's `data`. Raises Refused with the daemon's words, CannotWrite or DoorShut."""
        try:
            answer = trio.run(self._request, method, path, body)
        except (httpx.TransportError, OSError) as e:
            raise DoorShut(
                f"the daemon (process {self._holder}) holds {self._socket.parent} but does not answer at "
                f"{self._socket} ({e or type(e).__name__}): it is starting, stopping or stuck. Try again in a moment, "
                "or stop it"
            ) from e
        status, who = answer.status_code, f"the daemon (process {self._holder})"
        try:
            if status == 200:
                return msgspec.json.decode(answer.content, type=Ok[data]).data  # type: ignore[valid-type]  # at run time
            failed = msgspec.json.decode(answer.content, type=Failed)
        except msgspec.MsgspecError:
            failed = None
        if failed is None or failed == NOT_A_ROUTE.example:
            raise DoorShut(
                f"{who} answered HTTP {status}, which this version does not understand: restart the daemon with the "
                "version of this command"
            )
        if status == 503:
            raise CannotWrite(f"{who} could not save it: {failed.error}")
        if status >= 500:
            raise DoorShut(f"{who} answered HTTP {status} ({failed.error}): look at its log")
        raise Refused(failed.error, status)

    async def _request(self, method: str, path: str, body: bytes) -> httpx.Response:
        # asynchronous, because httpcore's other way leaves its socket open when nobody answers
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket))
        async with httpx.AsyncClient(transport=transport, timeout=PATIENCE_S) as client:
            return await client.request(method, f"http://operator{path}", content=body, headers=JSON)
