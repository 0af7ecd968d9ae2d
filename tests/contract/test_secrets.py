"""No secret reaches a log line, whatever is asked and whatever breaks."""

import traceback
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.sandbox.rules.faults import Fault
from tests.support.http import COOKIE, OWN_CODE, Site, logged, open_site


def written(lines: list[Any]) -> str:
    """The lines as they could ever be written: every value, every traceback."""
    parts = []
    for line in lines:
        parts.append(repr(line))
        if isinstance(line.get("exc_info"), BaseException):
            parts += traceback.format_exception(line["exc_info"])
    return "\n".join(parts)


def leaks(text: str, secrets: set[str]) -> list[str]:
    return sorted(secret for secret in secrets if secret in text)


class Broken:
    """A service that fails with the very secret in hand."""

    async def push(self, form: Any) -> None:  # noqa: ANN401
        raise RuntimeError(f"a bug with {form.key} ")

    async def log_in(self, send_key: object, before: object) -> None:
        raise LookupError(send_key)


async def everything(site: Site, secrets: set[str]) -> None:
    """Scans, sessions, pushes, bad input, faults and bugs; adds to `secrets` what was minted on the way."""
    browser, other = (
        await site.browser(),
        await site.browser(services=site.with_services(pushes=Broken(), accounts=Broken())),
    )
    site.sandbox.set(verify_code=True)
    code = await site.ask(browser)
    user = site.sandbox.new_user()
    digits = site.sandbox.scan(code, user).digits
    await site.state(browser, code, "need_verifycode")
    await site.status(browser, code, digits=digits)
    await site.state(browser, code, "scanned")
    site.sandbox.confirm(code)
    data = (await site.end_of(browser, code)).json()["data"]
    key = data["send_key"]
    site.sandbox.set(verify_code=False)
    await site.write(user)
    url = f"/{key}.send"
    answer = (await browser.post(url, json={"title": "x"})).json()
    secrets |= {key, code, digits, browser.cookies[COOKIE], browser.cookies[COOKIE].rpartition(".")[0]}
    secrets |= {answer["data"]["readkey"]}
    await browser.get("/push", params={"id": answer["data"]["pushid"], "readkey": answer["data"]["readkey"]})
    second = await site.bind(browser, route=OWN_CODE)
    secrets |= {second.code}
    bad_ones: tuple[dict[str, Any], ...] = (
        {"json": {"title": ["x"]}},
        {"json": {key: {"a": 1}, "title": []}},
        {"content": f'{{"{key}": '.encode()},
        {"content": f'{{"{key}": \\ud800'.encode(), "headers": {"content-type": "application/json"}},
        {"content": f"key={key}%FF".encode()},
        {"params": {"wait": key}, "json": {"title": "x"}},
        {"json": {"channel": f"a\0{key}"}, "headers": {"authorization": f"Bearer {key}"}},
    )
    for bad in bad_ones:
        await browser.post(url, **bad)
        await browser.post("/notify", **bad)
        await browser.post("/api/auth/login", **bad)
    await browser.put(url)
    await browser.get(f"/x/{key}/y")
    await browser.get("/api/auth/me", headers={"cookie": f"{COOKIE}={browser.cookies[COOKIE]}x"})
    await other.post(url, json={"title": "x"})
    await other.post("/api/auth/login", json={"send_key": key})
    site.sandbox.arm(Fault(kind="garbage", times=2))
    await browser.post(url, json={"title": "x", "wait": 5})
    site.sandbox.arm(Fault(kind="reset", times=2))
    await browser.post(url, json={"title": "x", "wait": 5})
    await trio.sleep(60)
    await site.world.daemon.channels.restart(data["id"])
    site.sandbox.half_dead(user)
    await browser.post(url, json={"title": "x", "wait": 5})
    secrets |= {session.token for session in site.sandbox.sessions}
    site.sandbox.expire(user)
    await trio.sleep(120)
    for channel in site.world.daemon.pictures.directory.channels():
        secrets |= {channel.bot_token.reveal()}
        if channel.context_token is not None:
            secrets |= {channel.context_token.reveal()}


async def test_no_secret_is_logged(tmp_path: Path, autojump_clock: object) -> None:
    secrets: set[str] = set()
    with logged(level="debug") as lines:
        async with open_site(tmp_path) as site:
            await everything(site, secrets)
        async with open_site(tmp_path, before=site) as again:
            await again.bind(await again.browser())
    text = written(lines)
    assert len(secrets) >= 10
    assert all(len(secret) >= 6 for secret in secrets), secrets
    assert {line["event"] for line in lines} >= {"http.request", "http.bug", "channel.send_failed", "binding.done"}
    assert leaks(text, secrets) == []


@pytest.mark.leaks
async def test_the_search_finds_a_leak(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        bound = await site.bind(await site.browser())

        class Leaky:
            async def push(self, form: Any) -> None:  # noqa: ANN401
                raise RuntimeError(f"no channel for {form.key.reveal()}")

        leaky = await site.browser(services=site.with_services(pushes=Leaky()))
        with logged() as lines:
            await leaky.post(f"/{bound.data['send_key']}.send", json={"title": "x"})
        assert leaks(written(lines), {bound.data["send_key"]}) == [bound.data["send_key"]]
