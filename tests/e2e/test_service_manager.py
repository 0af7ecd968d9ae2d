"""A daemon as a process under a service manager: what it hears, by the real clock."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import trio

from tests.e2e.processes import PATIENCE_S, Field, Process, field, process
from tests.support.manager import Ears, ears

WATCHDOG = {"WATCHDOG_USEC": "600000"}


async def hears(systemd: Ears, wanted: Callable[[str], bool]) -> str:
    """The next line of which that is true."""
    with trio.fail_after(PATIENCE_S):
        while True:
            for line in systemd.lines():
                if wanted(line):
                    return line
            await trio.sleep(0.01)


async def test_what_a_service_manager_hears_from_start_to_stop(tmp_path: Path) -> None:
    with ears(str(tmp_path / "notify")) as systemd:
        async with field(tmp_path) as the, the.daemon(environ={"NOTIFY_SOCKET": systemd.address} | WATCHDOG) as daemon:
            first = systemd.listen()[0]
            assert first.startswith("READY=1\nSTATUS=0 channels: ")
            assert (await the.client.get(f"{the.url}/readyz")).status_code == 200
            await hears(systemd, lambda line: line == "WATCHDOG=1")

            daemon.signal(signal.SIGHUP)
            await hears(systemd, lambda line: line.startswith("MONOTONIC_USEC="))
            await until_logged(the, daemon, "settings.unchanged")

            daemon.popen.send_signal(signal.SIGSTOP)  # hung, as systemd sees it
            systemd.listen()
            await trio.sleep(1)
            assert systemd.listen() == []
            daemon.popen.send_signal(signal.SIGCONT)
            await hears(systemd, lambda line: line == "WATCHDOG=1")

            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
            systemd.listen()
            assert systemd.heard[-1] == "STOPPING=1\nWATCHDOG=1\nSTATUS=stopping"
            said = "\n".join(systemd.heard).split("\n")
            assert said.count("READY=1") == 2, "at the start, and after the reload"
            assert said.index("RELOADING=1") < len(said) - 1 - said[::-1].index("READY=1")


async def test_a_reload_counts_at_once_where_it_can_and_says_where_not(tmp_path: Path) -> None:
    file = tmp_path / "bottalk.toml"
    file.write_text("max_channels = 3\n")
    async with field(tmp_path) as the, the.daemon(arguments=("--config", str(file))) as daemon:
        monitor = {"Authorization": "Bearer hush-hush-token"}
        assert (await the.client.get(f"{the.url}/metrics", headers=monitor)).status_code == 401
        file.write_text(
            'max_channels = 4\nmonitor_token = "hush-hush-token"\ntz = "Europe/Berlin"\nlog_level = "debug"\n'
        )
        daemon.signal(signal.SIGHUP)
        await until_logged(the, daemon, '"names":["log_level","max_channels","monitor_token"]')
        await until_logged(the, daemon, '"names":["tz"]')
        assert (await the.client.get(f"{the.url}/metrics", headers=monitor)).status_code == 200
        await until_logged(the, daemon, '"route":"/metrics"')
        file.write_text("max_chanels = 4\nrate_limit = -1\n")
        daemon.signal(signal.SIGHUP)
        await until_logged(the, daemon, "did you mean 'max_channels'")
        await until_logged(the, daemon, "rate_limit: must be at least 0")
        assert (await the.client.get(f"{the.url}/metrics", headers=monitor)).status_code == 200
        assert (await the.client.get(f"{the.url}/readyz")).status_code == 200
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        assert "hush-hush" not in daemon.errors.read_text()


async def until_logged(the: Field, daemon: Process, text: str) -> None:
    async def log() -> str:
        return await trio.Path(daemon.errors).read_text()

    await the.until(log, lambda found: text in found)


async def test_the_end_of_its_terminal_is_a_stop(tmp_path: Path) -> None:
    """A daemon that somebody runs by hand does not live on unseen, with the data directory in its hold."""
    terminal, inside = os.openpty()
    env = {"BOTTALK_PORT": "0", "BOTTALK_DATA_DIR": str(tmp_path / "data"), "BOTTALK_DEMO": "1"}
    try:
        with process("bottalk", "serve", env=env, errors=tmp_path / "log", stdin=inside) as daemon:
            await daemon.line("BotTalk listens on ")
            daemon.signal(signal.SIGHUP)
            assert await daemon.ended() == 0
    finally:
        os.close(inside)
        os.close(terminal)
