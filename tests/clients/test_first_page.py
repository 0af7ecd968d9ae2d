"""The first page in a real browser: press the button, scan, confirm, write a word, and the SendKey is there."""

import json
import shutil
from pathlib import Path

import pytest

from tests.clients.browser import Page, open_browser, program
from tests.clients.stage import open_stage, run

pytestmark = pytest.mark.skipif(program() is None, reason="no browser: npm out of reach and no chromium installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def state(page: Page, wanted: str) -> None:
    await page.until(f'document.getElementById("card").dataset.state === "{wanted}"')


@needs_curl
async def test_from_the_button_to_the_first_push(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world:
        sandbox = stage.sandbox
        user = sandbox.new_user()
        async with open_browser(tmp_path) as browser:
            page = await browser.page()
            await page.go(f"{world.daemon.url}/")
            await page.click("#start")
            await state(page, "waiting")
            await page.until('document.getElementById("qr").naturalWidth > 100')
            [code] = [code.qrcode for code in sandbox.codes]
            sandbox.scan(code, user)
            await state(page, "scanned")
            sandbox.confirm(code)
            await state(page, "write")
            sandbox.write(user, "你好")
            await state(page, "done")
            key = await page.value('document.getElementById("key").textContent')
            command = await page.value('document.getElementById("curl").textContent')
            await page.click("#try")
            await page.until('document.getElementById("tried").textContent === "已送到微信，看看手机。"')
            cookie_in_sight = await page.value("document.cookie")
            await page.go(f"{world.daemon.url}/")
            await state(page, "signed_in")
            broken = [told["entry"]["text"] for told in page.told("Log.entryAdded")]
            broken += [str(told["exceptionDetails"]) for told in page.told("Runtime.exceptionThrown")]
        [channel] = world.daemon.pictures.directory.channels()
        owner = world.daemon.pictures.directory.user(channel.user_id)
        assert owner is not None
        assert key == owner.send_key.reveal()
        assert json.loads((await run("bash", "-c", command, cwd=tmp_path)).out)["message"] == "success"
        assert [message.text.splitlines()[0] for message in sandbox.read(user)] == ["BotTalk", "Hello from BotTalk"]
        assert cookie_in_sight == ""
        assert broken == []
