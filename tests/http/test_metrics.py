"""`/metrics`: Prometheus' conventions, bounded labels, the tables of `docs/metrics.md`; and what happens counts."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from bottalk.http.pushes import ROUTES
from bottalk.measures import CALL_OUTCOMES, ENDPOINTS
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.figures import WINDOWS
from bottalk.values import Reason, RowStatus
from tests.http.thousand import MONITOR
from tests.support.http import Site, open_site

ROOT = Path(__file__).parent.parent.parent
BEARER = {"authorization": f"Bearer {MONITOR}"}
WORD = r"[a-z0-9_.]+"
LABELS = {
    "health": "green|yellow|red",
    "state": WORD,
    "reason": f"{WORD}|",
    "outcome": "|".join({*CALL_OUTCOMES, *RowStatus, "queued", "refused"}),
    "host": r"[a-z0-9.:]+",
    "file": "database|wal",
    "actor": WORD,
    "supervisor": "channels|bindings",
    "version": r"[0-9.]+",
    "endpoint": "|".join(ENDPOINTS),
    "route": r"-|(/[a-z0-9_.:{}-]*)+",
    "method": "[A-Z]+|other",
    "status": r"[1-5]\d\d",
    "le": r"[0-9.e+]+|\+Inf",
}
SUFFIXES = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_count", "_sum"}}
UNITS = ("seconds", "bytes")


@asynccontextmanager
async def open_watched(data_dir: Path, **settings: object) -> AsyncIterator[tuple[Site, httpx.AsyncClient]]:
    async with open_site(data_dir, settings={"monitor_token": MONITOR, **settings}) as site:
        yield site, await site.browser()


async def families(browser: httpx.AsyncClient) -> list[Metric]:
    answer = await browser.get("/metrics", headers=BEARER)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return list(text_string_to_metric_families(answer.text))


async def value(browser: httpx.AsyncClient, name: str, **labels: str) -> float:
    """The one sample of that name with these labels among its own."""
    found = [
        sample.value
        for family in await families(browser)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def problems(family: Metric) -> Iterator[str]:
    """What promtool and these rules would say of a family."""
    if not re.fullmatch(r"(bottalk|process)(_[a-z]+)+", family.name):
        yield f"{family.name}: its name"
    if not family.documentation.endswith("."):
        yield f"{family.name}: its help"
    if family.type not in SUFFIXES:
        yield f"{family.name}: its type {family.type}"
    if family.name.endswith(("_total", "_count", "_sum", "_bucket")):
        yield f"{family.name}: ends as a sample does"
    if re.search(r"milli|micro|minutes|hours|kilo|mega|ratio_percent", family.name):
        yield f"{family.name}: not a base unit"
    if any(f"_{unit}_" in family.name and not family.name.endswith(unit) for unit in UNITS):
        yield f"{family.name}: its unit is not its end"
    for sample in family.samples:
        if sample.name.removeprefix(family.name) not in SUFFIXES.get(family.type, set()):
            yield f"{sample.name}: its suffix"
        for label, text in sample.labels.items():
            if not re.fullmatch(LABELS.get(label, "(?!)"), text):
                yield f"{sample.name}: {label}={text!r}"


async def a_busy_day(site: Site, browser: httpx.AsyncClient) -> None:
    """Pushes of every fate, faults, and requests for what is not there."""
    bound = await site.bind(browser)
    url = f"/{bound.data['send_key']}.send"
    await browser.post(url, json={"title": "x"})
    await browser.post(url, json={"title": "later", "delay": 60})
    await browser.post(url, json={"title": " "})
    await browser.post("/nobody.send", json={"title": "x"})
    await browser.post(url, json={"title": ["x"]})
    await browser.put(url)
    await browser.request("BREW", url)
    for path in ("/", "/docs", "/healthz", "/api/auth/me", f"/x/{bound.data['send_key']}", "/api/channels/7"):
        await browser.get(path)
    for fault in (Fault(kind="garbage"), Fault(kind="reset"), Fault(kind="status", status=503)):
        site.sandbox.arm(fault)
        await browser.post(url, json={"title": fault.kind, "wait": 5})
        await trio.sleep(60)


async def test_every_metric_keeps_the_conventions(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        await a_busy_day(site, browser)
        await families(browser)  # a route of its own
        found = await families(browser)
        assert len({family.name for family in found}) == len(found) > 25
        assert [problem for family in found for problem in problems(family)] == []
        series = {family.name: len(family.samples) for family in found}
        for _ in range(3):
            await site.bind(await site.browser())
        assert {family.name: len(family.samples) for family in await families(browser)} == series


@pytest.mark.parametrize(
    ("name", "kind", "text", "labels"),
    [
        ("bottalk_wait_milliseconds", "gauge", "Help.", {}),
        ("bottalk_seconds_waited", "gauge", "Help.", {}),
        ("bottalk_x", "gauge", "", {}),
        ("bottalk_x_total", "gauge", "Help.", {}),
        ("other_x", "gauge", "Help.", {}),
        ("bottalk_x", "gauge", "Help.", {"user": "1"}),
        ("bottalk_x", "gauge", "Help.", {"route": "/0123456789ABCDEF.send"}),
    ],
)
def test_a_bad_metric_is_found(name: str, kind: str, text: str, labels: dict[str, str]) -> None:
    family = Metric(name, text, kind)
    family.add_sample(name, labels, 1)
    assert list(problems(family)) != []


@pytest.mark.parametrize("page", ["docs/metrics.md", "docs/metrics.en.md"])
async def test_the_table_is_what_is_served(page: str, tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        await a_busy_day(site, browser)
        served = [
            (
                family.name + ("_total" if family.type == "counter" else ""),
                family.type,
                sorted({label for sample in family.samples for label in sample.labels} - {"le"}),
            )
            for family in await families(browser)
        ]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", (ROOT / page).read_text(encoding="utf-8"), re.M)
    assert [(name, kind, sorted(re.findall(r"\w+", labels))) for name, kind, labels in rows] == served


# --- what happens counts ---


async def test_pushes_count_by_what_was_told(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        await a_busy_day(site, browser)

        async def told(outcome: str, reason: str = "") -> float:
            return await value(browser, "bottalk_pushes_total", outcome=outcome, reason=reason)

        assert await told("queued") >= 1
        assert (await told("refused", "empty_message"), await told("refused", "bad_sendkey")) == (1, 1)
        rows = await value(browser, "bottalk_rows_total", outcome="success", reason="")
        assert rows == await value(browser, "bottalk_delivery_seconds_count") == 5


async def test_a_delay_is_no_wait(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        bound = await site.bind(browser)
        await browser.post(f"/{bound.data['send_key']}.send", json={"title": "later", "delay": 3600})
        await trio.sleep(1800)
        assert await value(browser, "bottalk_queue_rows") == 1
        assert await value(browser, "bottalk_queue_oldest_seconds") == 0
        await trio.sleep(1900)
        assert await value(browser, "bottalk_delivery_seconds_bucket", le="5") == 1


async def test_rows_count_by_how_they_ended(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        bound = await site.bind(browser, words=False)
        await site.write(bound.user)
        url = f"/{bound.data['send_key']}.send"
        site.sandbox.expire(bound.user)
        await trio.sleep(120)
        assert (await browser.post(url, json={"title": "a", "ttl": 60, "replace_key": "k"})).json()["code"] == 50001
        assert await value(browser, "bottalk_pushes_total", outcome="failed", reason="channel_dead") == 1
        await trio.sleep(30)
        assert 30 <= await value(browser, "bottalk_queue_oldest_seconds") < 60
        await trio.sleep(200)
        assert await value(browser, "bottalk_rows_total", outcome="failed", reason="expired") == 1
        assert await value(browser, "bottalk_queue_oldest_seconds") == 0
        assert await value(browser, "bottalk_rows_total", outcome="failed", reason="replaced") == 0, "0 is said, too"


async def test_calls_of_ilink_count_by_what_came_of_them(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"

        async def sends(outcome: str) -> float:
            return await value(browser, "bottalk_ilink_calls_total", endpoint="sendmessage", outcome=outcome)

        before = await sends("ok")
        await browser.post(url, json={"title": "x"})
        assert await sends("ok") == before + 1 == await value(browser, "bottalk_ilink_send_seconds_count")
        for fault, outcome in (
            (Fault(kind="garbage", endpoint="sendmessage"), "malformed"),
            (Fault(kind="reset", endpoint="sendmessage"), "network"),
        ):
            site.sandbox.arm(fault)
            await browser.post(url, json={"title": fault.kind, "wait": 5})
            assert await sends(outcome) == 1
            await trio.sleep(120)
        assert await sends("ok") == before + 3
        for endpoint in ("getupdates", "notifystart", "get_bot_qrcode", "get_qrcode_status"):
            assert await value(browser, "bottalk_ilink_calls_total", endpoint=endpoint, outcome="ok") >= 1


async def test_windows_and_polls_are_seen(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        bound = await site.bind(browser)
        await site.bind(await site.browser(), words=False)
        states = {state: await value(browser, "bottalk_windows", state=state) for state in WINDOWS}
        assert states == dict.fromkeys(WINDOWS, 0) | {"open": 1, "never_opened": 1}
        site.sandbox.arm(Fault(kind="hang", endpoint="getupdates", user=bound.user, seconds=3600.0))
        await trio.sleep(90)
        assert 50 <= await value(browser, "bottalk_poll_age_seconds") <= 90
        await trio.sleep(86400)
        assert await value(browser, "bottalk_windows", state="age") == 1


async def test_requests_count_by_their_declared_route(tmp_path: Path, autojump_clock: object) -> None:
    async with open_watched(tmp_path) as (site, browser):
        await a_busy_day(site, browser)

        async def asked(route: str, method: str, status: int) -> float:
            labels = {"route": route, "method": method, "status": str(status)}
            return await value(browser, "bottalk_http_requests_total", **labels)

        push = ROUTES[0].rule
        assert (await asked(push, "PUT", 405), await asked(push, "other", 405), await asked(push, "POST", 400)) == (
            1,
            1,
            1,
        )
        assert (await asked("/", "GET", 200), await asked("/healthz", "GET", 200), await asked("-", "GET", 404)) == (
            1,
            1,
            1,
        )
        assert await asked("/api/auth/me", "GET", 200) == 1
        assert await value(browser, "bottalk_http_request_seconds_count", route="/docs") == 1


async def test_backups_are_seen(tmp_path: Path, autojump_clock: object) -> None:
    shelf = tmp_path / "shelf"
    shelf.write_text("no directory")
    async with open_watched(tmp_path / "data", backup_every=24, backup_dir=str(shelf)) as (site, browser):

        async def seen() -> tuple[float, float]:
            newest = await value(browser, "bottalk_backup_newest_timestamp_seconds")
            return newest, await value(browser, "bottalk_backup_failing")

        assert await seen() == (0, 0), "the first is made some minutes after the start"
        await trio.sleep(1200)
        assert await seen() == (0, 1)
        shelf.unlink()
        await trio.sleep(4000)
        newest, is_failing = await seen()
        assert is_failing == 0
        assert 0 <= site.world.clock.now() - newest < 4000


async def test_a_crashed_channel_counts(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_watched(tmp_path) as (site, browser):
        bound = await site.bind(browser)

        async def crash(*args: object, **more: object) -> None:
            raise RuntimeError("planted")

        monkeypatch.setattr("bottalk.actors.outcomes.Outcomes.accepted", crash)
        await browser.post(f"/{bound.data['send_key']}.send", json={"title": "x", "wait": 0})
        await trio.sleep(1)
        monkeypatch.undo()
        assert await value(browser, "bottalk_child_restarts_total", supervisor="channels") >= 1
        assert await value(browser, "bottalk_child_restarts_total", supervisor="bindings") == 0


def test_every_reason_of_an_end_is_known() -> None:
    from bottalk.measures import ENDS

    never_ends = {Reason.CONTEXT_EXPIRED, Reason.CHANNEL_DEAD, Reason.ACCOUNT_RESTRICTED}
    assert set(ENDS) | never_ends | {Reason.RESTORED} == set(Reason)
