"""What is told where nothing is kept: the journal cannot write, or is too busy, or there is a bug."""

from pathlib import Path

import httpx
import trio
import trio.testing

from bottalk.messages import BindingState, EndBinding
from bottalk.values import Secret
from tests.contract.faults import Broken, Disk
from tests.support.http import Site, both, logged, open_site, said

BUSY = "服务繁忙或暂时无法保存消息，请稍后重试"


def busy(answer: httpx.Response) -> None:
    assert said(answer) == (503, 50301, BUSY)
    assert answer.headers["retry-after"].isdigit()
    assert answer.json()["data"]["results"] == []


async def test_a_journal_that_cannot_write_and_its_recovery(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_site(tmp_path, runner=disk) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        disk.full = True
        for answer in await both(browser, url, title="lost and told so"):
            busy(answer)
        stranger = await site.browser()
        for answer in (
            await stranger.post("/api/channels/qrcode-public"),
            await browser.post("/api/channels/qrcode-public"),
            await browser.post("/api/channels/qrcode"),
            await stranger.post("/api/auth/login", json={"send_key": bound.data["send_key"]}),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json() == {"success": False, "error": "服务繁忙或暂时无法保存，请稍后重试"}
            assert answer.headers["retry-after"].isdigit()
        # what only reads goes on, even where a session would be rolled
        site.world.clock.offset += 2 * 86400
        assert (await browser.get("/api/auth/me")).json()["data"]["channel_count"] == 1
        disk.full = False
        await site.write(bound.user)
        await trio.sleep(10)
        answer = await browser.post(url, json={"title": "kept"})
        assert said(answer) == (200, 0, "success")
        assert site.texts(bound.user)[-1] == "kept"
        assert "lost" not in "".join(site.texts(bound.user))


async def stall(site: Site, disk: Disk, nursery: trio.Nursery, asks: int) -> None:
    """The journal writes until further notice, and `asks` more wait for it."""
    disk.go = trio.Event()
    nothing = EndBinding(Secret("nobody asked for it"), BindingState.EXPIRED)
    nursery.start_soon(site.world.daemon.journal.mailbox.ask, nothing)
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(asks):
        nursery.start_soon(site.world.daemon.journal.mailbox.ask, nothing)
    await trio.testing.wait_all_tasks_blocked()


async def test_a_full_mailbox_is_told_at_once(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_site(tmp_path, runner=disk) as site, trio.open_nursery() as nursery:
        browser = await site.browser()
        bound = await site.bind(browser)
        await stall(site, disk, nursery, site.world.daemon.journal.mailbox.capacity)
        before = trio.current_time()
        for answer in await both(browser, f"/{bound.data['send_key']}.send", title="x"):
            busy(answer)
        assert trio.current_time() == before
        disk.go.set()


async def test_a_push_that_the_journal_does_not_take_in_time_never_happens(
    tmp_path: Path, autojump_clock: object
) -> None:
    disk = Disk()
    async with open_site(tmp_path, runner=disk) as site, trio.open_nursery() as nursery:
        browser = await site.browser()
        bound = await site.bind(browser)
        await stall(site, disk, nursery, 0)
        busy(await browser.post(f"/{bound.data['send_key']}.send", json={"title": "x"}))
        disk.go.set()
        await trio.sleep(60)
        assert site.texts(bound.user) == []


async def test_a_bug_says_nothing_of_itself(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser(services=site.with_services(pushes=Broken(), accounts=Broken()))
        with logged() as lines:
            answers = [
                await browser.post("/x.send", json={"title": "x"}),
                await browser.get("/push?id=1&readkey=x"),
                await browser.post("/api/auth/login", json={"send_key": "x"}),
            ]
        assert said(answers[0]) == said(answers[1]) == (500, 50000, "服务器内部错误")
        assert answers[2].status_code == 500
        assert answers[2].json() == {"success": False, "error": "服务器内部错误"}
        assert all("planted" not in answer.text for answer in answers)
        bugs = [line for line in lines if line["event"] == "http.bug"]
        assert [line["route"] for line in bugs] == ["/{sendkey}.send", "/push", "/api/auth/login"]
