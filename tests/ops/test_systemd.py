"""sd_notify's protocol, over real sockets."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bottalk.ops.systemd import ServiceManager, service_manager
from tests.support.http import logged
from tests.support.manager import ears


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_lines_arrive_as_one_datagram(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@bottalk-test-{os.getpid()}-{tmp_path.name}"
    with ears(address) as systemd:
        manager = service_manager({"NOTIFY_SOCKET": address})
        assert manager is not None
        assert manager.tell("READY=1", "STATUS=两行\n一行")
        assert systemd.listen() == ["READY=1\nSTATUS=两行 一行"]
        manager.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),  # meant for our parent
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_how_often_it_wants_a_sign_of_life(tmp_path: Path, environ: dict[str, str], seconds: float | None) -> None:
    manager = service_manager({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environ})
    assert manager is not None
    assert manager.watchdog_s == seconds
    manager.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "60000000"}])
def test_nobody_asked(environ: dict[str, str]) -> None:
    assert service_manager(environ) is None


def test_an_address_of_another_kind_is_named_and_left_alone() -> None:
    with logged() as lines:
        assert service_manager({"NOTIFY_SOCKET": "vsock:2:1234"}) is None
    assert [(line["event"], line["address"]) for line in lines] == [("systemd.unknown_address", "vsock:2:1234")]


def test_a_manager_that_is_gone_is_noticed_once_and_heard_of_again(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    manager = ServiceManager(address, None)
    with logged() as lines:
        assert not manager.tell("READY=1")
        assert not manager.tell("READY=1")
        with ears(address):
            assert manager.tell("READY=1")
        os.unlink(address)
        assert not manager.tell("READY=1")
    assert [line["event"] for line in lines] == ["systemd.not_told"] * 2
    manager.close()


def test_a_manager_that_does_not_read_keeps_nobody_waiting(tmp_path: Path) -> None:
    with ears(str(tmp_path / "notify")) as systemd:
        manager = ServiceManager(systemd.address, None)
        with logged() as lines:
            while manager.tell("STATUS=" + "x" * 1000):
                pass
        assert len(lines) == 1
        assert len(systemd.listen()) > 1
        assert manager.tell("STATUS=again")
        manager.close()


def test_what_is_executed_does_not_inherit_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    real = socket.socket

    def keep(*arguments: Any) -> socket.socket:  # noqa: ANN401 - as the class takes them
        made.append(real(*arguments))
        return made[0]

    monkeypatch.setattr("bottalk.ops.systemd.socket.socket", keep)
    manager = ServiceManager("/nowhere", None)
    assert [os.get_inheritable(sock.fileno()) for sock in made] == [False]
    manager.close()
