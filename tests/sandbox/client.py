"""A small iLink client of the tests' own, written from the protocol page and sharing nothing with `bottalk.ilink`."""

import base64
import random
from collections.abc import Callable
from typing import Any

import httpx
import trio

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from bottalk.sandbox.transport import transport

EPOCH = 1_790_000_000.0
USER = "o9cq80MiXedCaSe@im.wechat"
ILINK_HEADERS = {"iLink-App-Id": "bot", "iLink-App-ClientVersion": "132105"}
BASE_INFO = {"channel_version": "2.4.9", "bot_agent": "Test/1.0"}


def make_sandbox(parameters: Parameters = FIELD, *, seed: int = 1, **changes: object) -> Sandbox:
    """A sandbox whose clock is trio's, 0 at its making."""
    zero = trio.current_time()
    return Sandbox(
        now=lambda: EPOCH + trio.current_time() - zero,
        rng=random.Random(seed),
        parameters=parameters.changed(**changes),
    )


class Client:
    """Calls as a careful client makes them; `post` and `get` take what a careless one would send."""

    def __init__(self, http: httpx.AsyncClient, seed: int = 7) -> None:
        self.http = http
        self._rng = random.Random(seed)

    def headers(self, token: str | None) -> dict[str, str]:
        uin = base64.b64encode(str(self._rng.getrandbits(32)).encode()).decode()
        headers = {**ILINK_HEADERS, "AuthorizationType": "ilink_bot_token", "X-WECHAT-UIN": uin}
        return headers if token is None else {**headers, "Authorization": f"Bearer {token}"}

    async def post(
        self, path: str, token: str | None, body: object, *, change: Callable[[dict[str, str]], object] | None = None
    ) -> httpx.Response:
        headers = self.headers(token)
        if change is not None:
            change(headers)
        return await self.http.post(f"/ilink/bot/{path}", json=body, headers=headers)

    async def qrcode(self, tokens: list[str] | None = None, version: str = "132105") -> dict[str, Any]:
        answer = await self.post(
            "get_bot_qrcode?bot_type=3",
            None,
            {"local_token_list": tokens or []},
            change=lambda headers: headers.update({"iLink-App-ClientVersion": version}),
        )
        return _object(answer)

    async def status(self, qrcode: str, verify_code: str | None = None, base: str = "") -> dict[str, Any]:
        query = {"qrcode": qrcode} | ({} if verify_code is None else {"verify_code": verify_code})
        answer = await self.http.get(f"{base}/ilink/bot/get_qrcode_status", params=query, headers=ILINK_HEADERS)
        return _object(answer)

    async def poll(self, token: str, cursor: str = "") -> dict[str, Any]:
        return _object(await self.post("getupdates", token, {"get_updates_buf": cursor, "base_info": BASE_INFO}))

    async def send(
        self, token: str, text: str = "hello", *, context: str | None = None, client_id: str = "", to: str = USER
    ) -> dict[str, Any]:
        message = send_body(text, context=context, client_id=client_id or f"c:{self._rng.getrandbits(32):x}", to=to)
        answer = await self.post("sendmessage", token, message)
        return _object(answer) if answer.content else {}

    async def call(self, path: str, token: str, **fields: object) -> dict[str, Any]:
        return _object(await self.post(path, token, {**fields, "base_info": BASE_INFO}))


def send_body(
    text: str = "hello", *, context: str | None = None, client_id: str = "c:1", to: str = USER
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "from_user_id": "",
        "to_user_id": to,
        "client_id": client_id,
        "message_type": 2,
        "message_state": 2,
        "item_list": [{"type": 1, "text_item": {"text": text}}],
    }
    if context is not None:
        message["context_token"] = context
    return {"msg": message, "base_info": BASE_INFO}


def connect(sandbox: Sandbox) -> Client:
    return Client(httpx.AsyncClient(transport=transport(sandbox), base_url="http://ilink.test", timeout=None))


def bind(sandbox: Sandbox, user: str = USER) -> str:
    """A bot for this user without the QR ceremony: its token."""
    return sandbox.takeover(user).token


def _object(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    body = answer.json()
    assert isinstance(body, dict)
    return body
