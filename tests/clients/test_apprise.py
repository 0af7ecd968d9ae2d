"""Apprise's command line: its ServerChan plugin, brought here by the environment, and its plugins for any address."""

import sysconfig
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.rerouted import rerouted
from tests.clients.stage import Ended, open_stage, run
from tests.support.world import Person, World

APPRISE = Path(sysconfig.get_path("scripts")) / "apprise"


async def apprise(directory: Path, target: str, env: dict[str, str] | None = None) -> Ended:
    words = ("-t", "磁盘告警", "-b", "已用 95% & 还在涨", target)
    return await run(APPRISE, *words, cwd=directory, env=env)


async def set_strict(world: World, person: Person) -> None:
    async with httpx.AsyncClient(base_url=world.daemon.url, trust_env=False) as client:
        await client.post("/api/auth/login", json={"send_key": person.send_key})
        answer: Any = (await client.patch("/api/auth/me", json={"strict": 1})).json()
        assert answer["data"]["strict"] == 1


async def test_its_server_chan_plugin_delivers(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world, rerouted(world.daemon.url, tmp_path) as detour:
        person = await world.active()
        ended = await apprise(tmp_path, f"schan://{person.send_key}/", detour.env)
        assert ended.code == 0, ended.err
        assert world.texts(person) == ["磁盘告警\n\n已用 95% & 还在涨"]
        assert detour.asked == ["sctapi.ftqq.com:443"]


async def test_its_server_chan_plugin_hears_of_failures_only_from_a_strict_account(tmp_path: Path) -> None:
    """It looks at nothing but the HTTP status: 200 is what it calls sent."""
    async with open_stage(tmp_path) as stage, stage.daemon() as world, rerouted(world.daemon.url, tmp_path) as detour:
        person = await world.bind()
        target = f"schan://{person.send_key}/"
        assert (await apprise(tmp_path, target, detour.env)).code == 0
        await set_strict(world, person)
        assert (await apprise(tmp_path, target, detour.env)).code == 1
        await world.write(person)
        assert (await apprise(tmp_path, target, detour.env)).code == 0
        assert world.texts(person) == ["磁盘告警\n\n已用 95% & 还在涨"]


@pytest.mark.parametrize("plugin", ["json", "form"])
async def test_its_plugins_for_any_address_deliver(plugin: str, tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world:
        person = await world.active()
        address = world.daemon.url.removeprefix("http://")
        ended = await apprise(tmp_path, f"{plugin}://{address}/{person.send_key}.send")
        assert ended.code == 0, ended.err
        assert world.texts(person) == ["磁盘告警\n\n已用 95% & 还在涨"]
