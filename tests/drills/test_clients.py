"""Clients by the thousand that are slow, and more than there are files for: pushes go on, or come back."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from tests.drills.tools import AT_ONCE, delivered, epochs, waiting
from tests.e2e.processes import PATIENCE_S, Field, field, process

pytestmark = pytest.mark.slow

HEAD = b"POST /%s.send HTTP/1.1\r\nHost: x\r\n"
KINDS = (
    HEAD,  # a head without an end
    HEAD + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",  # a body without an end
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",  # a whole request, and then nothing
)


@contextmanager
def clients(url: str, number: int, key: str) -> Iterator[list[socket.socket]]:
    """So many connections, of each kind a third; they say their first bytes and no more."""
    address = (urlsplit(url).hostname, urlsplit(url).port)
    with ExitStack() as stack:
        found = []
        for n in range(number):
            sock = stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S))
            kind = KINDS[n % len(KINDS)]
            sock.sendall(kind % key.encode() if b"%s" in kind else kind)
            found.append(sock)
        yield found


async def test_pushes_go_on_beside_a_thousand_slow_clients(tmp_path: Path) -> None:
    async with field(tmp_path) as the, the.daemon(AT_ONCE) as daemon:
        bound = await the.bind()
        before = open_files(daemon.popen.pid)
        with clients(the.url, 1000, bound.send_key) as slow:
            await the.until(lambda: files_of(daemon.popen.pid), lambda found: found >= before + 1000)
            for n in range(30):
                for sock in slow[n::300]:
                    sock.sendall(b"x" if n else b"X-Slow: ")  # a byte now and then
                began = time.monotonic()
                answer = await the.push(bound, f"<{n}>", wait="5")
                assert answer["code"] == 0 or answer["data"]["reason"] == "context_expired", answer
                assert time.monotonic() - began < 5
                if n % 8 == 7:
                    await the.write(bound.user)
            await the.write(bound.user)
            await the.until(lambda: waiting(the), lambda found: found == 0)
            shown = await delivered(the, bound)
            assert [shown.count(f"<{n}>") for n in range(30)] == [1] * 30
            assert open_files(daemon.popen.pid) >= before + 600, "none of them was turned away for it"
        await the.until(lambda: files_of(daemon.popen.pid), lambda found: found < before + 20)
        assert "Traceback" not in daemon.errors.read_text()


async def test_more_clients_than_files(tmp_path: Path) -> None:
    """What cannot be accepted waits in the kernel; the polls that could not be made are made when there are files."""
    limit = 60
    async with field(tmp_path) as the:
        async with the.daemon(AT_ONCE):
            bound = await the.bind()
        log = tmp_path / "scarce.log"
        with process("tests.drills.scarce", str(limit), "serve", env=the.environment(AT_ONCE), errors=log) as daemon:
            the.url = await daemon.line("BotTalk listens on ")
            before = await heard(the)
            assert (await the.push(bound, "<before>", wait="20"))["message"] == "success"
            with clients(the.url, 3 * limit, bound.send_key):
                await the.until(lambda: files_of(daemon.popen.pid), lambda found: found >= limit - 1)
                await the.write(bound.user)  # a poll that is under way brings it, or a later one
                with trio.move_on_after(3):
                    # nobody answers while there are no files; whoever gives up was told nothing, so nothing is promised
                    await the.push(bound, "<nobody was told>", wait="0")
                await trio.sleep(2)
                assert daemon.popen.poll() is None
            answer = await the.push(bound, "<after>", wait="20")
            assert answer["message"] == "success", answer
            await the.write(bound.user)
            await the.until(lambda: waiting(the), lambda found: found == 0)
            await the.until(lambda: heard(the), lambda found: found >= before + 2)
            shown = await delivered(the, bound)
            assert [shown.count(title) for title in ("<before>", "<after>")] == [1, 1]
            assert "actor.crashed" not in log.read_text()


async def heard(the: Field) -> int:
    """Messages of the user that were stored."""
    return sum(epochs(the).values())


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def files_of(pid: int) -> int:
    return open_files(pid)
