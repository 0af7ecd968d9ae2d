"""`bottalk bind`: a phone of the sandbox scans what the command shows; its key then pushes."""

import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from bottalk.cli.exits import FAILED, OK, UNAVAILABLE
from tests.cli.commands import ROOT, help_of, run
from tests.e2e.processes import Bound, Field, Process, field, process


class Binding:
    """A `bottalk bind` that runs: what it said to people, and a pipe to its standard input."""

    def __init__(self, stage: Field, running: Process, typed: int) -> None:
        self.stage = stage
        self.running = running
        self._typed = typed

    async def said(self, words: str) -> str:
        async def look() -> str:
            return self.running.errors.read_text()

        return str(await self.stage.until(look, lambda text: words in text))

    async def code(self, number: int) -> str:
        """The handle of the code that it showed as the `number`th, from 1."""

        async def look() -> list[str]:
            return [
                one["qrcode"] for one in (await self.stage.client.get(f"{self.stage.upstream}/control/codes")).json()
            ]

        return str((await self.stage.until(look, lambda codes: len(codes) >= number))[number - 1])

    def type(self, text: str) -> None:
        os.write(self._typed, text.encode())

    async def output(self) -> str:
        """All of its standard output, when it has ended."""
        assert self.running.popen.stdout is not None
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(self.running.popen.stdout.read)


@asynccontextmanager
async def binding(stage: Field, tmp_path: Path, *words: str) -> AsyncIterator[Binding]:
    read, write = os.pipe()
    try:
        with process(
            "bottalk", "bind", *words, errors=tmp_path / "said", stdin=read,
            env={"BOTTALK_URL": stage.url, "HOME": str(tmp_path)},
        ) as running:  # fmt: skip
            yield Binding(stage, running, write)
    finally:
        os.close(read)
        os.close(write)


async def test_scan_confirm_write_a_word_and_push(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon({"DELIVERY_GAP": "0"}):
        async with binding(stage, tmp_path) as bind:
            code = await bind.code(1)
            assert "Scan the code with WeChat, or open this on the phone: http" in await bind.said("open this")
            user = (await stage.control("/users"))["user"]
            await stage.control(f"/codes/{code}/scan", {"user": user})
            await bind.said("confirm it on the phone")
            await stage.control(f"/codes/{code}/confirm")
            await bind.said("write the bot any word")
            await stage.write(user)
            out = await bind.output()
            assert await bind.running.ended() == OK
        (key,) = (line.removeprefix("SendKey: ") for line in out.splitlines() if line.startswith("SendKey: "))
        assert f"channel 1 of {user} is active" in out
        assert out.endswith(f"  curl -d 'title=Hello' {stage.url}/{key}.send\n")
        said = (tmp_path / "said").read_text()
        assert key not in said
        await stage.push(Bound(user, 1, key), "from the key")
        assert "from the key" in "".join(await stage.texts(user))


async def test_a_new_code_digits_and_the_key_kept_for_send(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon({"BASE_URL": "https://push.example.org"}):
        await stage.control("/parameters", {"verify_code": True})
        async with binding(stage, tmp_path, "--json", "--save") as bind:
            await stage.control(f"/codes/{await bind.code(1)}/cancel")
            await bind.said("here is another")
            code = await bind.code(2)
            user = (await stage.control("/users"))["user"]
            digits = (await stage.control(f"/codes/{code}/scan", {"user": user}))["digits"]
            await bind.said("The digits on the phone")
            bind.type(f"what?\n{digits}\n")
            await bind.said("Digits only.")
            await stage.until(lambda: confirmed(stage, code), bool)
            await bind.said("write the bot any word")
            await stage.write(user)
            out = await bind.output()
            assert await bind.running.ended() == OK
        (key,) = (line.split('"')[3] for line in out.splitlines() if '"send_key"' in line)
        assert '"activated": true' in out
        kept = tmp_path / ".config/bottalk/key"
        assert kept.read_text() == f"{key}\n"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        sent = await run("send", "from the file", env={"HOME": str(tmp_path), "BOTTALK_URL": stage.url})
        assert sent.code == OK, sent.err


async def confirmed(stage: Field, code: str) -> bool:
    """The phone's button is there when its digits have come."""
    answer = await stage.client.post(f"{stage.upstream}/control/codes/{code}/confirm")
    return answer.status_code == 200


async def test_a_colleague_gets_no_key(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon():
        await stage.bind()
        colleague = (await stage.bind(own=True)).user
        async with binding(stage, tmp_path) as bind:
            await stage.scan(await bind.code(3), colleague)
            out = await bind.output()
            assert await bind.running.ended() == OK
        assert "no SendKey is given" in out


async def test_no_time_no_invitation_no_service(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon({"CODES_PER_ADDRESS": "1"}):
        done = await run("bind", "--url", stage.url, "--timeout", "1")
        assert (done.code, done.out) == (FAILED, "")
        assert "--timeout" in done.err
        done = await run("bind", "--url", stage.url)
        assert (done.code, "二维码请求过多" in done.err) == (FAILED, True)
        done = await run("bind", "--url", stage.upstream)
        assert (done.code, "no answer of BotTalk" in done.err) == (UNAVAILABLE, True)
    done = await run("bind", "--url", stage.url)
    assert (done.code, "does the service run" in done.err) == (UNAVAILABLE, True)
    done = await run("bind", "--url", "nonsense")
    assert done.code == UNAVAILABLE


async def test_on_a_terminal_the_code_is_drawn(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon():
        ours, theirs = os.openpty()
        try:
            command = [sys.executable, "-m", "bottalk", "bind", "--url", stage.url, "--timeout", "1"]
            await trio.run_process(command, cwd=ROOT, stdin=b"", stderr=theirs, capture_stdout=True, check=False)
            shown = os.read(ours, 65536).decode(errors="replace")
        finally:
            os.close(ours)
            os.close(theirs)
        assert shown.count("▄") + shown.count("▀") + shown.count("█") > 100


@pytest.mark.parametrize("code", [0, 1, 2, 69])
def test_help_names_every_exit_code(code: int) -> None:
    assert f"  {code} " in help_of("bind")
