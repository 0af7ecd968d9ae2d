"""Brings one alarm to the operator's address: a webhook, or a push address such as `https://…/SENDKEY.send`.

The address is a secret: it may hold a SendKey or a token. No error and no log line repeats it.
"""

import hashlib
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from bottalk.alarms import Alarm
from bottalk.clock import utc_text
from bottalk.errors import BotTalkError
from bottalk.loopback import is_loopback
from bottalk.values import Secret

TIMEOUT_S = 15.0
"""Longer than a push waits for its outcome."""


class NotTold(BotTalkError):
    """The address did not take the alarm. The text does not repeat the address."""


class Alert:
    """`transport` stands in for the network."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport

    async def tell(self, address: Secret, alarm: Alarm) -> None:
        """Raises NotTold. The same alarm again has the same Idempotency-Key, for those who know it."""
        url = address.reveal()
        headers = {"Idempotency-Key": _key(alarm), "User-Agent": "BotTalk"}
        is_push = is_push_address(url)
        body: dict[str, Any] = {"data": push_form(alarm)} if is_push else {"json": webhook(alarm)}
        own = is_loopback(urlsplit(url).hostname or "")  # no proxy between this machine and itself
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=TIMEOUT_S, trust_env=not own) as client:
                answer = await client.post(url, headers=headers, **body)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as e:
            raise NotTold(type(e).__name__) from None  # its text may repeat the address
        if not answer.is_success:
            raise NotTold(f"HTTP {answer.status_code}")
        if is_push and not _is_kept(answer.content):
            raise NotTold("the push was refused")


def is_push_address(url: str) -> bool:
    """Whether it takes `title` and `desp`, as BotTalk's and Server酱's do."""
    return urlsplit(url).path.rstrip("/").lower().endswith(".send")


def webhook(alarm: Alarm) -> dict[str, str | bool]:
    return {
        "title": alarm.title,
        "text": alarm.text,
        "cause": alarm.trouble.value,
        "level": alarm.level.value,
        "since": utc_text(alarm.since),
        "over": alarm.is_over,
    }


def push_form(alarm: Alarm) -> dict[str, str]:
    return {"title": alarm.title, "desp": alarm.text}


def _is_kept(content: bytes) -> bool:
    """Whether a push service took it: its `code` is 0, or the text is kept until its user acts."""
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True  # 2xx is all that an unknown service says
    if not isinstance(answer, dict) or answer.get("code", 0) == 0:
        return True
    data = answer.get("data")
    rows = data.get("results") if isinstance(data, dict) else None
    return isinstance(rows, list) and any(isinstance(row, dict) and row.get("queued") is True for row in rows)


def _key(alarm: Alarm) -> str:
    said = f"{alarm.trouble}\0{alarm.title}\0{alarm.since}\0{alarm.is_over}"
    return f"bottalk-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
