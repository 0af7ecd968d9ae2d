"""The control API and the phone page."""

from typing import Any
from urllib.parse import quote

import pytest
from quart_trio import QuartTrio

from bottalk.sandbox.app import create_app
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import FIELD
from tests.sandbox.client import USER, Client, bind, connect, make_sandbox

PATH = quote(USER)


class Control:
    """The app's test client, JSON in and out."""

    def __init__(self, app: QuartTrio) -> None:
        self._client = app.test_client()

    async def __call__(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:  # noqa: ANN401
        answer = await self._client.open(f"/control{path}", method=method, json=body)
        assert answer.status_code == status, await answer.get_data()
        return await answer.get_json()

    async def page(self, path: str) -> tuple[int, str]:
        answer = await self._client.get(path)
        return answer.status_code, await answer.get_data(as_text=True)


def start(**changes: object) -> tuple[Sandbox, Client, Control]:
    sandbox = make_sandbox(FIELD.changed(burst=(), **changes))
    return sandbox, connect(sandbox), Control(create_app(sandbox))


async def test_a_binding_by_the_control_api() -> None:
    sandbox, client, control = start(verify_code=True)
    assert await control("GET", "/users") == []
    user = (await control("POST", "/users"))["user"]
    assert user.endswith("@im.wechat")
    code = await client.qrcode()
    (listed,) = await control("GET", "/codes")
    assert (listed["qrcode"], listed["state"], listed["digits"]) == (code["qrcode"], "wait", None)
    path = f"/codes/{listed['public_id']}"
    scanned = await control("POST", f"{path}/scan", {"user": user})
    assert (scanned["ok"], scanned["state"], len(scanned["digits"])) == (True, "need_code", 6)
    assert (await control("GET", path))["digits"] == scanned["digits"]
    await control("POST", f"{path}/confirm", status=409)
    assert (await control("POST", f"{path}/verify", {"digits": scanned["digits"]}))["ok"]
    bot = await control("POST", f"{path}/confirm")
    assert (bot["user"], bot["state"], bot["used"]) == (user, "alive", 0)
    token = (await client.status(code["qrcode"]))["bot_token"]
    assert token not in str(await control("GET", "/bots"))
    assert (await control("POST", f"/users/{user}/write", {"text": "你好"})) == {"delivered": True}
    assert (await client.send(token, "推送", to=user))["ret"] == 0
    (message,) = await control("GET", f"/users/{user}/messages")
    assert message["text"] == "推送"
    assert isinstance(message["message_id"], str)
    assert [bubble["from_bot"] for bubble in await control("GET", f"/users/{user}/chat")] == [False, True]
    assert (await control("GET", f"/users/{user}"))["bot"]["used"] == 1
    record = await control("GET", "/record?endpoint=sendmessage")
    assert [call["outcome"] for call in record["calls"]] == ["ok"]
    assert await control("GET", "/invariants") == {"ok": True}
    assert sandbox.window(user) == "open"


async def test_cancel_and_codes_that_are_not_there() -> None:
    _, client, control = start()
    code = (await client.qrcode())["qrcode"]
    assert await control("POST", f"/codes/{code}/cancel") == {"ok": True}
    assert (await client.status(code))["status"] == "expired"
    for path in ("scan", "confirm", "cancel"):
        assert "no such code" in (await control("POST", f"/codes/none/{path}", {"user": USER}, status=409))["error"]


async def test_switches() -> None:
    sandbox, client, control = start()
    token = bind(sandbox)
    sandbox.write(USER)

    async def switch(name: str, **order: object) -> Any:  # noqa: ANN401
        return await control("POST", f"/users/{PATH}/switch/{name}", order)

    assert (await switch("half_dead"))["bot"]["state"] == "half_dead"
    assert (await switch("half_dead", on=False))["bot"]["state"] == "alive"
    assert (await switch("silent_drop"))["silent_drop"]
    await switch("silent_drop", on=False)
    assert (await switch("backlog"))["bot"]["state"] == "backlogged"
    await client.send(token)
    assert (await control("GET", f"/users/{PATH}"))["bot"]["backlogged"] == 1
    assert (await switch("backlog", on=False))["received"] == 1
    assert (await switch("penalize", seconds=60))["bot"]["penalty_until"] == pytest.approx(sandbox.now + 60, abs=5)
    assert (await switch("forgive"))["bot"]["penalty_until"] is None
    assert (await switch("age_window", seconds=86_400))["window"] == "aged"
    assert (await switch("doze"))["bot"]["state"] == "dozing"
    assert (await switch("takeover"))["bot"]["state"] == "alive"
    assert (await switch("expire"))["bot"]["why_dead"] == "expire"
    assert (await switch("unbind"))["window"] == "none"
    await control("POST", f"/users/{PATH}/switch/explode", {}, status=400)
    await control("POST", f"/users/{PATH}/switch/doze", {}, status=409)


async def test_parameters_faults_and_reset() -> None:
    sandbox, client, control = start()
    token = bind(sandbox)
    assert (await control("GET", "/parameters"))["quota"] == 10
    assert (await control("POST", "/parameters", {"quota": 3, "burst": [[2, 1]]}))["burst"] == [[2, 1.0]]
    assert (await control("POST", "/parameters", {"profile": "harsh", "hold_s": 5}))["context_check"] == "strict"
    assert sandbox.parameters.hold_s == 5
    for bad in ({"quota": "x"}, {"nonsense": 1}, {"profile": "soft"}):
        assert (await control("POST", "/parameters", bad, status=400))["error"]
    armed = await control("POST", "/faults", {"kind": "wrong_code", "ret": 7, "times": 2})
    assert (armed[0]["kind"], armed[0]["ret"]) == ("wrong_code", 7)
    assert (await client.call("msg/notifystart", token))["ret"] == 7
    assert len(await control("GET", "/faults")) == 1
    assert await control("DELETE", "/faults") == []
    assert (await control("POST", "/faults", {"kind": "earthquake"}, status=400))["error"]
    await control("POST", "/reset")
    assert await control("GET", "/bots") == []
    assert sandbox.parameters.quota == 10


async def test_a_breach_is_told() -> None:
    sandbox, _, control = start()
    bind(sandbox)
    sandbox.sessions[0].dies_at = None
    bind(sandbox)
    sandbox.sessions[0].dies_at = None
    answer = await control("GET", "/invariants")
    assert not answer["ok"]
    assert "more than one live bot" in answer["error"]


async def test_the_page_without_users_and_with_a_code_from_the_picture() -> None:
    sandbox, client, control = start()
    assert (await control("GET", "/screen"))["users"] == []
    status, page = await control.page("/")
    assert status == 200
    assert 'data-code=""' in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    code = await client.qrcode()
    status, page = await control.page(code["qrcode_img_content"].removeprefix("http://ilink.test"))
    assert status == 200
    assert f'data-code="{code["qrcode"]}"' in page
    _, page = await control.page('/q/x?qrcode="><script>')
    assert "<script>" not in page
    for path in ("/static/phone.js", "/static/phone.css", "/static/icon.svg"):
        assert (await control.page(path))[0] == 200
    bind(sandbox)
    sandbox.write(USER, "<b>hi</b>")
    screen = await control("GET", f"/screen?user={PATH}")
    assert screen["chat"][0]["text"] == "<b>hi</b>"
    assert screen["users"][0]["bot"]["closes_at"] == screen["users"][0]["bot"]["opened_at"] + 86_400
