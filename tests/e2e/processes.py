"""A sandbox and a daemon as processes of their own, on real sockets; and who plays phone, browser and curl there."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from bottalk.words import DEFAULT
from tests.support.leaks import leaks, stored

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0
"""Seconds of the real clock after which something that should happen has not. Only a failing test waits so long."""


def is_welcome(text: str) -> bool:
    return text.startswith(DEFAULT.welcome.partition("\n")[0])


class Process:
    """A running `python -m module …`; its standard output is read line by line, its errors are kept for the report."""

    def __init__(self, popen: "subprocess.Popen[str]", errors: Path) -> None:
        self.popen = popen
        self.errors = errors

    async def line(self, start: str) -> str:
        """The rest of the first line of output that begins with `start`."""
        assert self.popen.stdout is not None
        with trio.move_on_after(PATIENCE_S):
            while text := await trio.to_thread.run_sync(self.popen.stdout.readline, abandon_on_cancel=True):
                if text.startswith(start):
                    return text.removeprefix(start).strip()
        raise AssertionError(f"no line {start!r}; it ended with {self.popen.poll()}: {self.errors.read_text()[-3000:]}")

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        with trio.fail_after(PATIENCE_S):
            return await trio.to_thread.run_sync(self.popen.wait, abandon_on_cancel=True)

    async def kill(self) -> None:
        self.popen.kill()
        await self.ended()


@contextmanager
def process(
    module: str, *arguments: str, errors: Path, env: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL
) -> Iterator[Process]:
    """Run `python -m module arguments…`; it is killed at the end if need be. Our own settings are not inherited.

    `stdin`: a file descriptor; by default no terminal, whose end would be a stop.
    """
    command = [sys.executable, "-m", module, *arguments]
    with process_of(command, errors=errors, env=env, stdin=stdin, leave_out="BOTTALK_") as running:
        yield running


@contextmanager
def process_of(
    command: Sequence[str],
    *,
    errors: Path,
    env: dict[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    leave_out: str | tuple[str, ...] = ("BOTTALK_", "PYTHONPATH"),
) -> Iterator[Process]:
    """As `process`, for any command. Variables that begin with one of `leave_out` are not inherited."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(leave_out)}
    with errors.open("a") as stderr:
        popen = subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | (env or {}),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            yield Process(popen, errors)
        finally:
            popen.kill()
            popen.wait()
            if popen.stdout is not None:
                popen.stdout.close()
    found = leaks(errors.read_text(errors="replace").splitlines(), stored(errors.parent))
    assert found == [], "a secret is in the log of a process"


@dataclass(slots=True)
class Bound:
    """A sandbox user whose channel is active."""

    user: str
    channel_id: int
    send_key: str


class Field:
    """A running sandbox, and daemons on one data directory against it."""

    def __init__(self, upstream: str, data_dir: Path, client: httpx.AsyncClient) -> None:
        self.upstream = upstream
        self.data_dir = data_dir
        self.client = client
        self.url = ""

    @asynccontextmanager
    async def daemon(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        module: str = "bottalk",
        arguments: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        program: str | None = None,
    ) -> AsyncIterator[Process]:
        """A daemon that listens; its address is `url` from then on. `program`: an installed one, instead of ours."""
        env = self.environment(settings) | dict(environ or {})
        errors = self.data_dir.with_suffix(".log")
        started = (
            process(module, "serve", *arguments, env=env, errors=errors)
            if program is None
            else process_of([program, "serve", *arguments], env=env, errors=errors)
        )
        with started as running:
            self.url = await running.line("BotTalk listens on ")
            yield running

    def environment(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a daemon on this data directory is told; `settings` are named without their prefix."""
        return {
            "BOTTALK_PORT": "0",
            "BOTTALK_DATA_DIR": str(self.data_dir),
            "BOTTALK_DEMO": "1",
            "BOTTALK_ILINK_BASE_URL": self.upstream,
            "BOTTALK_ILINK_ALLOWED_HOSTS": "127.0.0.1",
            "BOTTALK_RATE_LIMIT": "100000",
            **{f"BOTTALK_{name}": value for name, value in (settings or {}).items()},
        }

    async def bind(self, *, own: bool = False) -> Bound:
        """Scan, confirm, write a word: an active channel, whose user has been welcomed.

        `own`: one more of the account that was bound last.
        """
        ask, status = ("qrcode", "bind-status") if own else ("qrcode-public", "bind-status-public")
        code = (await self.post(f"/api/channels/{ask}"))["data"]["qrcode"]
        user = (await self.control("/users"))["user"]
        await self.scan(code, user)
        done = await self.until(lambda: self.data(f"/api/channels/{status}/{code}"), lambda found: "id" in found)
        await self.write(user)
        await self.until(lambda: self.data(f"/api/channels/{done['id']}/activation"), lambda found: found["activated"])
        await self.until(lambda: self._messages(user), lambda texts: any(map(is_welcome, texts)))
        return Bound(user, int(done["id"]), str(done.get("send_key", "")))

    async def scan(self, code: str, user: str) -> None:
        """Scan the code and confirm it."""
        await self.control(f"/codes/{code}/scan", {"user": user})
        await self.control(f"/codes/{code}/confirm")

    async def write(self, user: str, text: str = "hi") -> None:
        await self.control(f"/users/{user}/write", {"text": text})

    async def push(self, bound: Bound, title: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - form fields
        response = await self.client.post(f"{self.url}/{bound.send_key}.send", data={"title": title, **fields})
        found: dict[str, Any] = response.json()
        return found

    async def texts(self, user: str) -> list[str]:
        """What the phone shows after the welcome, in order of arrival."""
        return [text for text in await self._messages(user) if not is_welcome(text)]

    async def _messages(self, user: str) -> list[str]:
        response = await self.client.get(f"{self.upstream}/control/users/{user}/messages")
        return [message["text"] for message in response.json()]

    async def control(self, path: str, body: object | None = None) -> Any:  # noqa: ANN401 - JSON
        response = await self.client.post(f"{self.upstream}/control{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def data(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return (await self.client.get(f"{self.url}{path}")).json()["data"]

    async def post(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return (await self.client.post(f"{self.url}{path}")).json()

    async def until(self, look: Callable[[], Awaitable[Any]], is_there: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Look, as a page does, until what is waited for is there."""
        found: object = None
        with trio.move_on_after(PATIENCE_S):
            while not is_there(found := await look()):  # noqa: ASYNC110 - another process
                await trio.sleep(0.02)
            return found
        raise AssertionError(f"it did not come: {found}")

    def rows(self, columns: str = "title, status, maybe_duplicate, response") -> list[sqlite3.Row]:
        """What the database file says of every push (not of our own words), in order; also while no daemon runs."""
        connection = sqlite3.connect(self.data_dir / "bottalk.db")
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(
                f"SELECT {columns} FROM push_logs WHERE source <> 'system' ORDER BY id"
            ).fetchall()
        finally:
            connection.close()


@asynccontextmanager
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    """A sandbox that runs until the end."""
    with process("bottalk", "sandbox", "--port", "0", errors=tmp_path / "sandbox.log") as sandbox:
        upstream = await sandbox.line("iLink sandbox on ")
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            yield Field(upstream, tmp_path / "data", client)
