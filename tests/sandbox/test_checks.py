"""The request checks: what a client that does not speak the protocol is told."""

from collections.abc import Callable
from typing import Any

import pytest

from bottalk.sandbox.rules.parameters import FIELD
from tests.sandbox.client import BASE_INFO, ILINK_HEADERS, USER, bind, connect, make_sandbox, send_body

Headers = dict[str, str]


def without(name: str) -> Callable[[Headers], object]:
    return lambda headers: headers.pop(name)


def put(name: str, value: str) -> Callable[[Headers], object]:
    return lambda headers: headers.update({name: value})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("AuthorizationType"), "AuthorizationType"),
        (put("AuthorizationType", "bearer"), "AuthorizationType"),
        (without("X-WECHAT-UIN"), "decimal uint32"),
        (put("X-WECHAT-UIN", "12345"), "Base64"),
        (put("X-WECHAT-UIN", "OTk5OTk5OTk5OTk="), "decimal uint32"),
        (without("iLink-App-Id"), "iLink-App-Id"),
        (put("iLink-App-ClientVersion", "2.4.9"), "iLink-App-ClientVersion"),
        (put("SKRouteTag", ""), "SKRouteTag"),
        (put("Content-Type", "text/plain"), "Content-Type"),
        (put("Authorization", "Token x"), "Bearer"),
    ],
)
async def test_headers(change: Callable[[Headers], object], reason: str) -> None:
    sandbox = make_sandbox()
    token = bind(sandbox)
    answer = await connect(sandbox).post("sendmessage", token, send_body(), change=change)
    assert answer.status_code == 400
    assert reason in answer.json()["errmsg"]
    assert sandbox.record.calls[-1].outcome == "bad_request"
    assert reason in sandbox.record.calls[-1].why


def in_msg(**changes: object) -> dict[str, Any]:
    body = send_body()
    body["msg"] |= changes
    return body


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("getupdates", {"get_updates_buf": ""}, "base_info"),
        ("getupdates", {"get_updates_buf": "", "base_info": {}}, "channel_version"),
        ("getupdates", {"base_info": BASE_INFO}, "get_updates_buf"),
        ("getupdates", {"get_updates_buf": None, "base_info": BASE_INFO}, "get_updates_buf"),
        ("getupdates", {"get_updates_buf": "", "base_info": {**BASE_INFO, "bot_agent": "x" * 257}}, "bot_agent"),
        ("getupdates", [], "not a JSON object"),
        ("sendmessage", {"base_info": BASE_INFO}, "msg"),
        ("sendmessage", in_msg(message_type=1), "message_type"),
        ("sendmessage", in_msg(message_state=1), "message_state"),
        ("sendmessage", in_msg(client_id=""), "client_id"),
        ("sendmessage", in_msg(from_user_id="me"), "from_user_id"),
        ("sendmessage", in_msg(to_user_id=None), "to_user_id"),
        ("sendmessage", in_msg(context_token=None), "context_token"),
        ("sendmessage", in_msg(item_list=[{"type": 1}, {"type": 1}]), "more than one item"),
        ("sendmessage", in_msg(item_list="text"), "item_list"),
        ("getconfig", {"base_info": BASE_INFO}, "ilink_user_id"),
        ("sendtyping", {"base_info": BASE_INFO, "ilink_user_id": USER, "typing_ticket": "t", "status": 3}, "status"),
        ("sendtyping", {"base_info": BASE_INFO, "ilink_user_id": USER}, "typing_ticket"),
        ("getuploadurl", {"base_info": BASE_INFO}, "missing"),
    ],
)
async def test_bodies(path: str, body: object, reason: str) -> None:
    sandbox = make_sandbox()
    answer = await connect(sandbox).post(path, bind(sandbox), body)
    assert answer.status_code == 400
    assert reason in answer.json()["errmsg"]


async def test_qr_calls() -> None:
    client = connect(make_sandbox())
    tokens: dict[str, list[str]] = {"local_token_list": []}

    async def reason(path: str, token: str | None, body: object) -> str:
        return str((await client.post(path, token, body)).json().get("errmsg", ""))

    assert "Authorization on" in await reason("get_bot_qrcode?bot_type=3", "t", tokens)
    assert "bot_type" in await reason("get_bot_qrcode", None, tokens)
    assert "local_token_list" in await reason("get_bot_qrcode?bot_type=3", None, {})
    assert "more than 10" in await reason("get_bot_qrcode?bot_type=3", None, {"local_token_list": ["t"] * 11})
    assert "instead of GET" in await reason("get_qrcode_status?qrcode=x", None, {})
    get = client.http.get
    status = "/ilink/bot/get_qrcode_status"
    assert "no qrcode" in (await get(status, headers=ILINK_HEADERS)).json()["errmsg"]
    full = client.headers("t")
    assert "authorization on" in (await get(f"{status}?qrcode=x", headers=full)).json()["errmsg"]
    assert "instead of POST" in (await get("/ilink/bot/getupdates", headers=ILINK_HEADERS)).json()["errmsg"]
    old_form = await get("/ilink/bot/get_bot_qrcode", headers=ILINK_HEADERS)
    assert "bot_type" in old_form.json()["errmsg"]


async def test_the_same_uin_three_times_running() -> None:
    sandbox = make_sandbox(FIELD.changed(burst=()))
    client, token = connect(sandbox), bind(sandbox)
    sandbox.write(USER)
    same = put("X-WECHAT-UIN", "MTIzNDU2Nzg5MA==")
    statuses = [(await client.post("sendmessage", token, send_body(), change=same)).status_code for _ in range(3)]
    assert statuses == [200, 200, 400]
    assert (await client.send(token))["ret"] == 0


async def test_without_checks_anything_goes() -> None:
    sandbox = make_sandbox(FIELD.changed(request_checks=False, burst=(), hold_s=0))
    client, token = connect(sandbox), bind(sandbox)
    bodies: list[object] = [[], {}, {"msg": 5}, {"msg": {"to_user_id": USER, "item_list": [{"type": 1}]}}]
    for path in ("sendmessage", "getupdates", "getconfig", "sendtyping", "getuploadurl", "msg/notifystart"):
        for body in bodies:
            assert (await client.post(path, token, body)).status_code == 200
    raw = await client.http.post(
        "/ilink/bot/sendmessage", content=b"\xff[", headers={"authorization": f"Bearer {token}"}
    )
    assert raw.json()["ret"] == -3
