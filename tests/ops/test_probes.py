"""Looks at a real machine: sockets that answer, refuse or stay silent, directories, the environment."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bottalk.ops import probes


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """The address of a server that answers one request with `reply`, or never where there is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(reply)
                if not reply:
                    connection.recv(65536)  # until the other side gives up

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_an_answer_tells_status_time_and_clock() -> None:
    reply = b"HTTP/1.1 404 Not Found\r\nDate: Mon, 21 Sep 2026 13:33:20 GMT\r\nContent-Length: 0\r\n\r\n"
    before = time.time()
    with answering(reply) as url:
        found = probes.reach(url)
    assert (found.url, found.status, found.error, found.server_at) == (url, 404, "", 1_789_997_600.0)
    assert 0 < found.seconds < probes.PATIENCE_S
    assert before <= found.here_at <= time.time()


def test_an_answer_without_a_usable_date() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n") as url:
        assert probes.reach(url).server_at is None


def test_nobody_there_junk_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "refused" in probes.reach(f"http://127.0.0.1:{port}").error
    with answering(b"what?\r\n\r\n") as url:
        assert probes.reach(url).error
    monkeypatch.setattr(probes, "PATIENCE_S", 0.2)
    with answering(b"") as url:
        assert probes.reach(url).error == "no answer within 0.2 s"


def test_proxies_come_without_their_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert probes.proxies() == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    found = probes.proxies()
    assert found == {"https": "http://proxy:3128", "no": "inside.example"}
    assert probes.proxy_for("https://ilink.example", found) == "http://proxy:3128"
    assert probes.proxy_for("https://inside.example", found) == ""
    assert probes.proxy_for("http://ilink.example", found) == ""
    assert probes.proxy_for("https://127.0.0.1:1", found) == ""
    assert probes.proxy_for("http://ilink.example", {"all": "proxy:1"}) == "http://proxy:1"


def test_directories(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    assert probes.nearest(directory / "deeper") == tmp_path
    directory.mkdir(mode=0o700)
    (directory / "file").touch(mode=0o600)
    (directory / "link").symlink_to("/")
    assert probes.nearest(directory) == directory
    assert probes.modes(directory) == {str(directory): 0o700, str(directory / "file"): 0o600}
    assert probes.is_usable(directory)
    assert not probes.is_usable(directory / "file")
    assert probes.free_bytes(directory) > 0


def test_an_account_without_a_name_is_its_number() -> None:
    assert probes.account(0) == "root"
    assert probes.account(4_000_000_123) == "4000000123"
