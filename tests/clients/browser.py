"""A real browser, headless, driven over Chromium's own pipe (`--remote-debugging-pipe`): JSON between NUL bytes."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.clients.install import BROWSER, FONTS, READY, has_browser_build
from tests.clients.stage import PATH, PATIENCE_S, until

FLAGS = (
    "--headless",
    "--no-sandbox",  # CI is root; the pages are our own
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-pipe",
)
CLOSING_S = 5.0
ON_PIPE = 'exec "$0" "$@" 3<&{commands} 4>&{answers} {commands}<&- {answers}>&-'
"""The browser wants its pipe at the numbers 3 and 4."""


def program() -> str | None:
    """The browser to run: the one that `make test` installed, else the machine's."""
    if READY.exists() and has_browser_build():
        return str(BROWSER / "chromium")
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class ScriptFailed(Exception):
    """The page's JavaScript threw; the text says what."""


class Browser:
    """One browser process. Pages of one browser share their cookies."""

    def __init__(self, commands: trio.lowlevel.FdStream, answers: trio.lowlevel.FdStream, log: Path) -> None:
        self._commands = commands
        self._answers = answers
        self._log = log
        self._writing = trio.Lock()
        self._number = 0
        self._waiting: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []
        """What the browser told of itself and its pages, in order."""

    async def page(self) -> "Page":
        """A new empty tab."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        page = Page(self, (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        return page

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        """Raises ScriptFailed if the browser refuses."""
        self._number += 1
        number = self._number
        told, answer = trio.open_memory_channel[dict[str, Any]](1)
        self._waiting[number] = told
        command: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        with trio.fail_after(PATIENCE_S):
            async with self._writing:
                await self._commands.send_all(json.dumps(command).encode() + b"\0")
            message = await answer.receive()
        if "error" in message:
            raise ScriptFailed(f"{method}: {message['error']}")
        found: dict[str, Any] = message["result"]
        return found

    async def listen(self) -> None:
        """Hand answers to their callers. Raises AssertionError when the browser ends of itself."""
        buffer = b""
        while piece := await self._answers.receive_some():
            *messages, buffer = (buffer + piece).split(b"\0")
            for raw in messages:
                message = json.loads(raw)
                if (told := self._waiting.pop(message.get("id", 0), None)) is not None:
                    told.send_nowait(message)
                else:
                    self.events.append(message)
        raise AssertionError(f"the browser has ended; its log is {self._log}:\n{self._log.read_text()[-2000:]}")


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        return await self._browser.call(method, self._session, **parameters)

    async def go(self, url: str) -> None:
        """Open `url` and wait until it has loaded, with its scripts."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    async def value(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """What the expression, or the promise that it makes, comes to. Raises ScriptFailed."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ScriptFailed(str(details.get("exception", {}).get("description", details["text"])))
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait for what becomes true of itself. Fails after PATIENCE_S."""
        try:
            await until(lambda: self.value(script))
        except trio.TooSlowError:
            shown = await self.value("document.body.innerText")
            raise AssertionError(f"it did not come to {script}; the page says: {shown}") from None

    async def click(self, selector: str) -> None:
        """Press the mouse on the middle of it, as a person does: it must be there, visible, and covered by nothing."""
        element = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{element}?.checkVisibility()")
        box = await self.value(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const r = e.getBoundingClientRect(); const at = {x: r.x + r.width / 2, y: r.y + r.height / 2};"
            " return {...at, free: e.contains(document.elementFromPoint(at.x, at.y))}; })()"
        )
        assert box["free"], f"{selector} is covered"
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=box["x"], y=box["y"], button="left", clickCount=1)

    async def heard(self, method: str, count: int) -> list[dict[str, Any]]:
        """The events of that name about this page, once there are `count`: they may come after what they tell of."""

        async def enough() -> list[dict[str, Any]] | None:
            found = self.told(method)
            return found if len(found) >= count else None

        return await until(enough)

    def told(self, method: str) -> list[dict[str, Any]]:
        """The events of that name about this page, in order."""
        mine = [event for event in self._browser.events if event.get("sessionId") == self._session]
        return [event["params"] for event in mine if event["method"] == method]


@asynccontextmanager
async def open_browser(directory: Path) -> AsyncIterator[Browser]:
    """A fresh browser with its log in `directory`; it is gone, with all its processes, when the context is left."""
    log = directory / "browser.log"
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-") as home:  # holds a socket, whose path must be short
        process = await _start(home, log, to_browser, from_browser)
        try:
            async with trio.lowlevel.FdStream(commands) as writing, trio.lowlevel.FdStream(answers) as reading:
                browser = Browser(writing, reading, log)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(browser.listen)
                    yield browser
                    nursery.cancel_scope.cancel()
        finally:
            await _end(process)


async def _end(process: trio.Process) -> None:
    """It ends of itself now that its pipe is closed; what has not by then is killed."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSING_S):
        await process.wait()
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSING_S):
            await process.wait()


async def _start(home: str, log: Path, to_browser: int, from_browser: int) -> trio.Process:
    """The browser, in a process group of its own; these ends of its pipe are its own from here on."""
    chromium = program()
    assert chromium is not None
    environ = {"PATH": PATH, "HOME": home, "TMPDIR": home, "LC_ALL": "C.UTF-8"}
    if chromium.startswith(str(BROWSER)):
        environ |= {"LD_LIBRARY_PATH": str(BROWSER / "lib"), "FONTCONFIG_FILE": str(FONTS)}
    script = ON_PIPE.format(commands=to_browser, answers=from_browser)
    with log.open("wb") as errors:
        process = await trio.lowlevel.open_process(
            ["bash", "-c", script, chromium, *FLAGS, f"--user-data-dir={home}/profile"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(to_browser, from_browser),
            start_new_session=True,
        )
    os.close(to_browser)
    os.close(from_browser)
    return process
