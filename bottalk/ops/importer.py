"""What the database of BotTalk on Node.js says, in our words. It only reads; the journal's verbs take it over.

Its schema grew over time: tables and columns that a file does not have are taken as empty. Facts relied on: the SendKey
is the account's only password; one WeChat may have several channel rows, of which the newest was polled; `inactive`
means deleted or dead, which it did not tell apart, and a new scan revived the row either way; `reminders.user_id` is
an account's id or a WeChat's.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from bottalk.messages import ComingAccount, ComingChannel, ComingReminder
from bottalk.ops.old_file import OldFile, OldRow, moment, number, text
from bottalk.values import ChannelStatus, Secret

_KEY = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TOKEN = re.compile(r"[!-~]+")
_ID = re.compile(r"\d{1,18}", re.ASCII)
_WECHAT = "wechat_ilink"

DEFAULT_RATE = 100
"""What every account of the old database had, since it counted the same for all: no limit of an account's own."""
HIGHEST_RATE = 100_000

UNKNOWN_AT = 0.0
"""Stands in for a time that the file does not have: the same at each import, which knows by it what is here."""

LEFT_OUT: Mapping[str, str] = {
    "sessions": "everybody logs in again, with the SendKey or a scan",
    "push_retry_queue": "texts that the other BotTalk still meant to send are not sent; they are in the log as failed",
    "neg2_recovery_probe": "",
    "activity_logs": "",
    "page_views": "",
    "inbound_events": "",
    "logs": "firings of reminders, which are in the log of pushes too",
    "schema_version": "",
}
"""Tables that are not taken, and what that means for people."""


class Note(Struct, frozen=True):
    """Something of the file that was not taken as it is. `old_id` is its id there."""

    kind: str
    old_id: int
    why: str
    skipped: bool = False
    """Nothing of it was taken."""


class OldLog(Struct, frozen=True):
    """A row of the old log; its account and channel by their old ids (channel 0: none)."""

    old_id: int
    user_id: int
    channel_id: int
    title: str
    text: str
    status: str
    ip: str
    accepted_at: float
    response: str


@dataclass(slots=True)
class OldData:
    """All accounts of a file, each with its channels and reminders, and what could not be taken."""

    accounts: list[ComingAccount] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    """How many accounts, channels and reminders the file has."""


def read(file: OldFile) -> OldData:
    """Everything but the log. Raises OldFileError."""
    data = OldData()
    users = list(file.rows("users"))
    ids = {number(user, "id") for user in users}
    channels = _channels(file, data, users, ids)
    reminders = _reminders(file, data, users, ids)
    keys: set[str] = set()
    emails: set[str] = set()
    for user in users:
        user_id = number(user, "id")
        account = _account(user, data.notes, keys, emails)
        owned = {"channels": tuple(channels.get(user_id, ())), "reminders": tuple(reminders.get(user_id, ()))}
        data.accounts.append(replace(account, **owned))
    data.found.update(account=len(users))
    return data


def logs(file: OldFile) -> Iterator[OldLog]:
    """The log, oldest first. Raises OldFileError."""
    for row in file.rows("push_logs"):
        status = text(row, "status").lower()
        yield OldLog(
            old_id=number(row, "id"),
            user_id=number(row, "user_id"),
            channel_id=number(row, "channel_id"),
            title=text(row, "title"),
            text=text(row, "content"),
            # what was pending there is sent by nobody any more
            status=status if status in ("success", "skipped") else "failed",
            ip=text(row, "ip"),
            accepted_at=moment(row, "created_at") or UNKNOWN_AT,
            response=_json(text(row, "response")),
        )


def left_out(file: OldFile) -> list[tuple[str, int, str]]:
    """Tables that are not taken: name, rows, what that means."""
    rest = sorted(file.tables - {"users", "channels", "reminders", "push_logs"})
    found = [(table, file.count(table), LEFT_OUT.get(table, "not known here")) for table in rest]
    return [entry for entry in found if entry[1] and (entry[2] or entry[0] not in LEFT_OUT)]


# --- accounts ---


def _account(user: OldRow, notes: list[Note], keys: set[str], emails: set[str]) -> ComingAccount:
    old_id, key = number(user, "id"), text(user, "send_key")
    is_usable = _KEY.fullmatch(key) is not None and key not in keys
    keys.add(key)
    email: str | None = text(user, "email").strip().lower() or None
    if email in emails:
        notes.append(Note("account", old_id, "another account of the file has its e-mail address: taken without it"))
        email = None
    emails.add(email or "")
    rate = number(user, "rate_limit", DEFAULT_RATE)
    return ComingAccount(
        old_id=old_id,
        created_at=moment(user, "created_at") or UNKNOWN_AT,
        send_key=Secret(key) if is_usable else None,
        email=email,
        wechat_openid=text(user, "wechat_openid") or None,
        nickname=text(user, "nickname").strip() or None,
        role="admin" if text(user, "role") == "admin" else "user",
        is_disabled=bool(number(user, "is_disabled")),
        rate_limit=None if rate == DEFAULT_RATE else min(max(rate, 0), HIGHEST_RATE),
    )


# --- channels ---


def _channels(file: OldFile, data: OldData, users: list[OldRow], ids: set[int]) -> dict[int, list[ComingChannel]]:
    rows = list(file.rows("channels"))
    data.found.update(channel=len(rows))
    # before there was a table of channels, an account had its one token itself
    owners = {number(row, "user_id") for row in rows}
    old = [{**user, "id": 0, "user_id": user["id"], "name": "", "is_default": 1, "status": "active"}
           for user in users if text(user, "bot_token") and number(user, "id") not in owners]  # fmt: skip
    data.found.update(channel=len(old))
    rows += old
    newest = _newest(rows, ids)
    # an older row of the same WeChat hands the mark of the default on to the one that counts
    marked = {(number(row, "user_id"), text(row, "wechat_openid")) for row in rows if number(row, "is_default")}
    found: dict[int, list[ComingChannel]] = {}
    for row in rows:
        user_id, old_id = number(row, "user_id"), number(row, "id")
        if user_id not in ids:
            data.notes.append(Note("channel", old_id, "its account is not in the file", skipped=True))
            continue
        why = _why_archived(row, newest)
        if why:
            data.notes.append(Note("channel", old_id, f"{why}; only its log was taken"))
        found.setdefault(user_id, []).append(
            _channel(row, is_archive=bool(why), is_default=(user_id, text(row, "wechat_openid")) in marked)
        )
    return found


def _newest(rows: list[OldRow], ids: set[int]) -> dict[str, OldRow]:
    """Of each WeChat the row that counts: the newest live one, else the newest."""
    found: dict[str, OldRow] = {}
    for row in sorted(rows, key=lambda row: (_is_live(row), number(row, "id"))):
        if _is_wechat(row) and number(row, "user_id") in ids:
            found[text(row, "wechat_openid")] = row
    return found


def _why_archived(row: OldRow, newest: Mapping[str, OldRow]) -> str:
    if not _is_wechat(row):
        return "it names no WeChat" if not text(row, "wechat_openid") else "it is no WeChat"
    return "" if newest[text(row, "wechat_openid")] is row else "another row of its WeChat is newer"


def _channel(row: OldRow, *, is_archive: bool, is_default: bool) -> ComingChannel:
    created_at = moment(row, "created_at") or UNKNOWN_AT
    written_at, token = moment(row, "last_inbound_at"), text(row, "context_token")
    status = _status(row)
    has_written = bool(token) or written_at is not None or status is ChannelStatus.ACTIVE
    half_dead_at = moment(row, "send_disabled_at") or UNKNOWN_AT if number(row, "send_disabled") else None
    return ComingChannel(
        old_id=number(row, "id"),
        name=text(row, "name").strip(),
        wechat_openid=text(row, "wechat_openid"),
        bot_token=Secret("" if is_archive else _token(row)),
        status=status,
        created_at=created_at,
        bound_at=moment(row, "bot_token_updated_at") or created_at,
        base_url=text(row, "base_url").strip(),
        context_token=Secret(token) if token and not is_archive else None,
        is_default=is_default,
        is_archive=is_archive,
        activated_at=(written_at or created_at) if has_written else None,
        last_inbound_at=written_at,
        half_dead_at=half_dead_at,
    )


def _is_wechat(row: OldRow) -> bool:
    return bool(text(row, "wechat_openid")) and text(row, "channel_type") in ("", _WECHAT)


def _is_live(row: OldRow) -> bool:
    return _status(row) is not ChannelStatus.INACTIVE and bool(_token(row))


def _status(row: OldRow) -> ChannelStatus:
    status = text(row, "status").lower()
    if status == "inactive":
        return ChannelStatus.INACTIVE
    return ChannelStatus.ACTIVE if status == "active" or text(row, "context_token") else ChannelStatus.PENDING


def _token(row: OldRow) -> str:
    """The bot token, if it can be sent in a header."""
    token = text(row, "bot_token").strip()
    return token if _TOKEN.fullmatch(token) else ""


# --- reminders ---


def _reminders(file: OldFile, data: OldData, users: list[OldRow], ids: set[int]) -> dict[int, list[ComingReminder]]:
    owner_of = {text(user, "wechat_openid"): number(user, "id") for user in users if text(user, "wechat_openid")}
    found: dict[int, list[ComingReminder]] = {}
    for row in file.rows("reminders"):
        data.found.update(reminder=1)
        owner = text(row, "user_id").strip()
        user_id = owner_of.get(owner) or (int(owner) if _ID.fullmatch(owner) else 0)
        if user_id not in ids:
            data.notes.append(Note("reminder", number(row, "id"), "its account is not in the file", skipped=True))
            continue
        found.setdefault(user_id, []).append(
            ComingReminder(
                old_id=number(row, "id"),
                title=text(row, "title"),
                message=text(row, "message"),
                time=text(row, "time"),
                type=text(row, "type") or "once",
                enabled=bool(number(row, "enabled", 1)),
                send_count=max(0, number(row, "send_count")),
                max_count=max(0, number(row, "max_count")),
                created_at=moment(row, "created_at") or UNKNOWN_AT,
            )
        )
    return found


def _json(response: str) -> str:
    """What the log shows is always JSON text."""
    if not response:
        return "{}"
    try:
        json.loads(response)
    except (ValueError, RecursionError):
        return json.dumps({"text": response}, ensure_ascii=False)
    return response
