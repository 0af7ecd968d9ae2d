"""`bottalk demo` and `bottalk sandbox`: what they show, and an address that is taken."""

import socket

import pytest

from bottalk.cli.exits import CANNOT_OPEN, OK
from tests.cli.commands import run


async def test_the_demo_goes_from_binding_to_delivery_and_ends() -> None:
    ended = await run("demo", "--once")
    assert (ended.code, ended.err) == (OK, "")
    steps = [line.partition(" s  ")[2] for line in ended.out.splitlines() if " s  " in line]
    assert [step.split()[0].rstrip(":") for step in steps] == [
        "QR", "scanned", "bound", "activated", "on", "pushed", "on",
    ]  # fmt: skip
    assert "code 0, " in steps[-2]
    assert steps[-1].startswith("on the phone: BotTalk / 第一条推送")


@pytest.mark.parametrize("command", [["demo", "--once"], ["sandbox"]], ids=["demo", "sandbox"])
async def test_an_address_that_is_taken_is_named(command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await run(*command, "--port", port)
    assert (ended.code, ended.out) == (CANNOT_OPEN, "")
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in ended.err
    assert "Traceback" not in ended.err


async def test_a_host_that_is_none_of_ours_is_named() -> None:
    ended = await run("sandbox", "--host", "192.0.2.1")
    assert ended.code == CANNOT_OPEN
    assert "192.0.2.1" in ended.err
    assert "--host" in ended.err
