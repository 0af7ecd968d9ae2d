"""What the tables of routes need: two accounts, each with a channel, and something of every noun in the first one."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from bottalk.http import pushes
from tests.support.http import OWN_CODE, PUBLIC_CODE, Bound, Site

SHOWN = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"}
FUTURE = "2099-01-01T08:00"


@dataclass(frozen=True)
class Stage:
    """`owner` has account 1, `other` account 2; `names` are filled into paths and bodies."""

    site: Site
    owner: httpx.AsyncClient
    other: httpx.AsyncClient
    bound: Bound
    names: dict[str, str]

    def filled(self, text: str) -> str:
        """`{channel}` and friends replaced, nothing else."""
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text


async def set_stage(site: Site, *, admin: bool = False) -> Stage:
    owner, other = await site.browser(), await site.browser("192.0.2.2")
    bound, foreign = await site.bind(owner), await site.bind(other)
    if admin:
        await site.world.daemon.services.users.grant("1")
    key = bound.data["send_key"]
    sent = await owner.post(f"/{key}.send", json={"title": "sent", "wait": 20})
    assert sent.json()["message"] == "success"
    kept = await owner.post(f"/{key}.send", json={"title": "kept", "delay": 86_400})
    assert kept.json()["message"] == "queued"
    made = await owner.post("/api/reminders", json={"title": "喝水", "time": FUTURE})
    rows = (await owner.get("/api/push-logs")).json()["data"]
    names = {
        "key": key,
        "wechat": bound.user,
        "channel": str(bound.data["id"]),
        "reminder": str(made.json()["id"]),
        "settled": str(rows[-1]["id"]),
        "waiting": str(rows[0]["id"]),
        "pushid": sent.json()["data"]["pushid"],
        "readkey": sent.json()["data"]["readkey"],
        "other": "2",
        "other_key": str(foreign.data["send_key"]),
        "other_wechat": foreign.user,
        "code": await site.ask(owner, PUBLIC_CODE),
        "own_code": await site.ask(owner, OWN_CODE),
    }
    return Stage(site, owner, other, bound, names)


def is_open_to_other_origins(answer: httpx.Response) -> bool:
    """CORS, as the contract has it on every answer of the API."""
    headers = answer.headers
    shown = {name.strip() for name in headers.get("access-control-expose-headers", "").split(",")}
    return (
        headers.get_list("access-control-allow-origin") == ["*"]
        and shown >= SHOWN
        and "access-control-allow-credentials" not in headers
    )


def every_route(site: Site) -> set[str]:
    """`METHOD /path/{part}` of every route that the app answers."""
    found = set()
    for rule in site.app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found.add(rule.endpoint if " " in rule.endpoint else f"{method} {rule.rule}")
    return found | {f"{method} {route.rule}" for route in pushes.ROUTES for method in pushes.METHODS}


def data_dir(path: Path, name: str) -> Path:
    """A folder of its own for a second site in one test."""
    folder = path / name
    folder.mkdir()
    return folder
