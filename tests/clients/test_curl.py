"""`curl` as people's scripts have it, beyond the README's lines (which tests/test_docs.py runs as they stand)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients.stage import Ended, open_stage, run, until

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

LONG = "长" * 1500
"""4,500 bytes: enough for `Expect: 100-continue` and for a head of its own when it stands in the address."""


async def curl(directory: Path, *words: str) -> Ended:
    return await run("curl", "-sS", *words, cwd=directory)


async def data_of(directory: Path, *words: str) -> Any:  # noqa: ANN401 - JSON
    answer = json.loads((await curl(directory, *words)).out)
    assert answer["success"] is True, answer
    return answer["data"]


async def test_a_script_that_saves_its_cookie_only_when_it_asks_for_the_code(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world:
        api = f"{world.daemon.url}/api"
        asked = await data_of(tmp_path, "-c", "jar", "-X", "POST", f"{api}/channels/qrcode-public")
        saved = (tmp_path / "jar").read_bytes()
        user = stage.sandbox.new_user()
        stage.sandbox.scan(asked["qrcode"], user)
        stage.sandbox.confirm(asked["qrcode"])

        async def bound() -> str | None:
            told = await data_of(tmp_path, "-b", "jar", f"{api}/channels/bind-status-public/{asked['qrcode']}")
            return str(told["send_key"]) if "send_key" in told else None

        key = await until(bound)
        for route, found in (("auth/me", "send_key"), ("key", "send_key")):
            assert (await data_of(tmp_path, "-b", "jar", f"{api}/{route}"))[found] == key
        [channel] = await data_of(tmp_path, "-b", "jar", f"{api}/channels")
        activation = f"{api}/channels/{channel['id']}/activation"
        assert await data_of(tmp_path, "-b", "jar", activation) == {"activated": False}
        stage.sandbox.write(user, "hi")

        async def activated() -> bool:
            return (await data_of(tmp_path, "-b", "jar", activation))["activated"] is True

        await until(activated)
        pushed = await curl(tmp_path, "-d", "title=Hello", f"{world.daemon.url}/{key}.send")
        assert json.loads(pushed.out)["code"] == 0
        [row] = await data_of(tmp_path, "-b", "jar", f"{api}/push-logs")
        assert (row["title"], row["status"], row["channel_id"]) == ("Hello", "success", channel["id"])
        assert (tmp_path / "jar").read_bytes() == saved
        assert "Unauthorized" in (await curl(tmp_path, f"{api}/auth/me")).out


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(("-G", "--data-urlencode", "desp=a & b + 你好"), "a & b + 你好", id="-G"),
        pytest.param(("--data-urlencode", "desp@file"), "one\ntwo 二\n", id="--data-urlencode of a file"),
        pytest.param(("-F", "desp=<file"), "one\ntwo 二\n", id="-F of a file"),
        pytest.param(("--data-urlencode", f"desp={LONG}"), LONG, id="long"),
        pytest.param(("-G", "--data-urlencode", f"desp={LONG}"), LONG, id="long, in the address"),
        pytest.param(("-H", "Expect: 100-continue", "-d", f"desp={LONG}"), LONG, id="100-continue"),
        pytest.param(("-H", "Transfer-Encoding: chunked", "-d", "desp=x y"), "x y", id="chunked"),
        pytest.param(("-0", "-d", "desp=1.0"), "1.0", id="HTTP/1.0"),
        pytest.param(("--http2", "-d", "desp=2"), "2", id="asks for HTTP/2"),
        pytest.param(("--compressed", "-L", "-d", "desp=x"), "x", id="--compressed -L"),
    ],
)
async def test_what_arrives(words: tuple[str, ...], text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one\ntwo 二\n", encoding="utf-8")
    async with open_stage(tmp_path) as stage, stage.daemon() as world:
        person = await world.active()
        ended = await curl(tmp_path, *words, f"{world.daemon.url}/{person.send_key}.send")
        assert (ended.code, json.loads(ended.out)["message"]) == (0, "success")
        assert world.texts(person) == [text]


async def test_looking_sends_nothing_and_failing_can_be_seen(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world:
        person = await world.active()
        url = f"{world.daemon.url}/{person.send_key}.send"
        assert (await curl(tmp_path, "-I", f"{url}?title=x")).out.startswith("HTTP/1.1 405")
        assert (await curl(tmp_path, "-f", "-T", "/dev/null", f"{url}?title=x")).code == 22
        assert (await curl(tmp_path, "-f", "-X", "POST", url)).code == 0
        assert (await curl(tmp_path, "-f", "-X", "POST", f"{url}?strict=1")).code == 22
        assert world.texts(person) == []
