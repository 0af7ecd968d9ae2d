"""Settings that are read anew while a whole daemon runs, in virtual time: they count when they are needed next."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.cli.rereading import reread
from bottalk.config import Config
from bottalk.errors import Refusal
from tests.actors.test_alarms import HOOK, Ears
from tests.support.http import logged
from tests.support.world import World, open_world


@pytest.fixture(autouse=True)
def _log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loggers of later tests are not bound to this one's streams."""
    monkeypatch.setattr("bottalk.cli.rereading.configure", lambda config: None)


def settings_file(tmp_path: Path, world: World, **changes: Any) -> Path:  # noqa: ANN401
    """A file with the running daemon's settings, some changed."""
    path = tmp_path / "bottalk.toml"
    config = world.daemon.config
    kept = {"data_dir": config.data_dir, "demo": True, "alert_disk_free": 0, "backup_every": 0} | {
        "codes_per_address": config.codes_per_address
    }
    lines = [f"{name} = {_toml(value)}" for name, value in {**kept, **changes}.items() if "." not in name]
    lines += ["[ilink]", f'base_url = "{config.ilink.base_url}"', "[delivery]"]
    lines += [f"{n.removeprefix('delivery.')} = {_toml(v)}" for n, v in changes.items() if n.startswith("delivery.")]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


async def test_the_next_push_goes_by_the_new_settings(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path / "data") as world:
        person = await world.active()
        assert (await world.push(person, "a")).refusal is None
        with logged() as lines:
            path = settings_file(tmp_path, world, rate_limit=1, **{"delivery.gap": 60.0})
            await reread(world.daemon.config, path, {})
        names = [line["names"] for line in lines if line["event"] == "settings.taken_over"]
        assert names == [["rate_limit", "delivery.gap"]]
        assert (await world.push(person, "b")).refusal is Refusal.RATE_LIMIT
        await reread(world.daemon.config, settings_file(tmp_path, world, **{"delivery.gap": 60.0}), {})
        await trio.sleep(120)
        began = trio.current_time()
        await world.push(person, "c", wait=0.0)
        await trio.sleep(1)
        await world.push(person, "d", wait=0.0)
        await world.until(lambda: world.waiting(person) == 0)
        assert 55 < trio.current_time() - began < 65


async def test_an_address_for_alarms_counts_at_once(tmp_path: Path, autojump_clock: object) -> None:
    ears = Ears()
    async with open_world(tmp_path / "data", alert_transport=ears) as world:
        person = await world.active()
        await reread(world.daemon.config, settings_file(tmp_path, world, alert_url=HOOK), {})
        world.sandbox.expire(person.user)
        await trio.sleep(120)
        assert ears.told() == [("channel_dead", False)]


async def test_where_one_is_wrong_none_is_taken_over(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path / "data") as world:
        before = replace(world.daemon.config)
        with logged() as lines:
            await reread(world.daemon.config, settings_file(tmp_path, world, rate_limit=1, log_days=0), {})
        assert world.daemon.config == before
        (wrong,) = [line for line in lines if line["event"].startswith("settings.")]
        assert wrong["event"] == "settings.wrong"
        assert "log_days" in wrong["error"]


async def test_a_free_port_that_was_taken_is_no_change(tmp_path: Path) -> None:
    config = Config(port=40_000)
    path = tmp_path / "bottalk.toml"
    path.write_text("port = 0\n")
    with logged() as lines:
        await reread(config, path, {})
    assert "settings.changed" not in [line["event"] for line in lines]
