"""PyPI's and npm's `serverchan-sdk`, as released, talking to what they believe to be Server酱.

Their hosts are fixed in their code and they have no setting for them; the environment leads them here (`rerouted.py`).
"""

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bottalk.store.database import connect
from bottalk.store.users import key_hash
from tests.clients.install import NODE, PLACE, READY
from tests.clients.rerouted import Detour, rerouted
from tests.clients.stage import open_stage, run

Send = Callable[[Detour, Path, str, str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Push as a person's script does, with the key, title, text and options; what the SDK returned."""

PYTHON = """
import json, sys
from serverchan_sdk import sc_send
key, title, desp, options = sys.argv[1:]
print(json.dumps(sc_send(key, title, desp, json.loads(options))))
"""
NODE_SENDS = """
const [key, title, desp, options] = process.argv.slice(1);
scSend(key, title, desp, JSON.parse(options)).then((answer) => console.log(JSON.stringify(answer)));
"""


async def python(detour: Detour, home: Path, key: str, title: str, desp: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    return await _returned(detour, home, sys.executable, "-c", PYTHON, key, title, desp, json.dumps(options))


async def node_import(detour: Detour, home: Path, key: str, title: str, desp: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    script = 'import { scSend } from "serverchan-sdk";' + NODE_SENDS
    words = ("--input-type=module", "-e", script, key, title, desp, json.dumps(options))
    return await _returned(detour, PLACE, NODE, *words)


async def node_require(detour: Detour, home: Path, key: str, title: str, desp: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    script = 'const { scSend } = require("serverchan-sdk");' + NODE_SENDS
    words = ("--input-type=commonjs", "-e", script, key, title, desp, json.dumps(options))
    return await _returned(detour, PLACE, NODE, *words)


async def _returned(detour: Detour, cwd: Path, *argv: str | Path) -> Any:  # noqa: ANN401 - JSON
    ended = await run(*argv, cwd=cwd, env=detour.env)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


needs_npm = pytest.mark.skipif(not READY.exists(), reason="the npm registry was out of reach when `make test` asked")
each_sdk = pytest.mark.parametrize(
    "send",
    [
        pytest.param(python, id="PyPI"),
        pytest.param(node_import, id="npm, import", marks=needs_npm),
        pytest.param(node_require, id="npm, require", marks=needs_npm),
    ],
)


@each_sdk
async def test_the_text_arrives_and_the_sdk_says_so(send: Send, tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world, rerouted(world.daemon.url, tmp_path) as detour:
        person = await world.active()
        text = '第一行\n\n- 列表 & 50% + "引号" 😀'
        options = {"short": "短", "noip": 1, "tags": "备份|服务器", "channel": "", "openid": ""}
        answer = await send(detour, tmp_path, person.send_key, "备份完成", text, options)
        assert (answer["code"], answer["message"]) == (0, "success")
        assert (answer["data"]["errno"], answer["data"]["error"]) == (0, "SUCCESS")
        assert answer["data"]["pushid"].isdigit()
        assert answer["data"]["readkey"]
        assert world.texts(person) == [f"备份完成\n\n{text}"]
        assert detour.asked == ["sctapi.ftqq.com:443"]


@each_sdk
async def test_a_refusal_is_returned_and_raises_nothing(send: Send, tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world, rerouted(world.daemon.url, tmp_path) as detour:
        answer = await send(detour, tmp_path, "0" * 32, "Hello", "World", {})
        assert (answer["code"], answer["message"], answer["data"]["errno"]) == (40001, "SendKey 无效", 40001)
        person = await world.bind()
        answer = await send(detour, tmp_path, person.send_key, "Hello", "World", {})
        assert (answer["code"], answer["data"]["results"]) == (40002, [])


async def test_a_key_brought_along_from_server_chan_3_goes_on(tmp_path: Path) -> None:
    key = "sctp12345tAbCdEfGh_-0123456789"
    async with open_stage(tmp_path) as stage:
        async with stage.daemon() as world:
            person = await world.active()
        bring_along(stage.data_dir / "bottalk.db", person.send_key, key)
        async with stage.daemon() as world, rerouted(world.daemon.url, tmp_path) as detour:
            answer = await python(detour, tmp_path, key, "Hello", "World", {})
            assert (answer["code"], answer["message"]) == (0, "success")
            assert world.texts(person) == ["Hello\n\nWorld"]
            assert detour.asked == ["12345.push.ft07.com:443"]


@needs_npm
async def test_the_released_npm_sdk_cannot_bring_such_a_key(tmp_path: Path) -> None:
    """Unlike its source, 1.0.6 has the key in the host's name alone, where capitals are lost: no route serves that."""
    async with open_stage(tmp_path) as stage, stage.daemon() as world, rerouted(world.daemon.url, tmp_path) as detour:
        answer = await node_import(detour, tmp_path, "sctp12345tAbCd", "Hello", "World", {})
        assert (answer["code"], answer["message"]) == (40000, "接口不存在")
        assert detour.asked == ["sctp12345tabcd.push.ft07.com:443"]


def bring_along(database: Path, minted: str, key: str) -> None:
    """The account's key becomes one that another service made."""
    with closing(connect(database)) as connection:
        changed = connection.execute(
            "UPDATE users SET send_key = ?, send_key_hash = ? WHERE send_key = ?", (key, key_hash(key), minted)
        )
        assert changed.rowcount == 1
