"""What one WeChat message says: a single push in its own words, several as a numbered digest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from bottalk.config import DeliverySettings
from bottalk.values import Row, RowId
from bottalk.words import DEFAULT, Words

DIVIDER = "\n\n———\n\n"


class Style(Struct, frozen=True):
    """How messages are made up: what fits, in which zone times are told, our own words, and where pages are."""

    settings: DeliverySettings
    zone: ZoneInfo
    words: Words = DEFAULT
    pages: str | None = None
    """The public address, to which `/m/{pushid}?readkey=` is added; None where a link would lead nowhere."""


class Batch(Struct, frozen=True):
    """The rows that go out in one message, its exact text, and its client_id.

    A tried batch is frozen: the same bytes under the same client_id until iLink accepts or refuses it. The client_id
    is a hash of row ids and text, so that a batch regrouped after a crash has another one: a server that removes
    duplicates by client_id can never swallow new text.
    """

    rows: tuple[Row, ...]
    text: str
    client_id: str
    parts_sent: int = 0
    """More than 0: a part of its only row's text, after which so many parts are out and more follow."""
    linked: bool = False
    """Whether it names the page of its row: that page must outlive the message."""

    @property
    def row_ids(self) -> tuple[RowId, ...]:
        return tuple(row.id for row in self.rows)


@dataclass(slots=True)
class _Entry:
    """One numbered entry: identical pushes share it."""

    body: str
    first_at: float
    last_at: float
    times: int = 1


def compose(rows: Sequence[Row], style: Style, tail: str = "") -> Batch:
    """The next message for these rows (at least one), in order: as many from the head as fit the safe text size.

    `tail` is one more line that ends it.
    """
    settings, zone = style.settings, style.zone
    taken = 1
    text = _single(rows[0], settings)
    while taken < len(rows):
        longer = _digest(rows[: taken + 1], zone)
        if not _fits(longer, settings):
            break
        taken, text = taken + 1, longer
    return freeze(rows[:taken], f"{text}\n\n{tail}" if tail else text)


def fills_message(rows: Sequence[Row], style: Style) -> bool:
    """Whether what waits fills one message already, so that waiting for more would gain nothing."""
    room = style.settings.safe_characters
    for row in rows:
        room -= row.characters
        if room <= 0:
            return True
    return False


def freeze(rows: Sequence[Row], text: str) -> Batch:
    digest = hashlib.sha256(text.encode())
    digest.update(",".join(str(row.id) for row in rows).encode())
    return Batch(tuple(rows), text, f"bottalk:{rows[0].id}-{digest.hexdigest()[:24]}")


def body(row: Row) -> str:
    """Title, a blank line, text; only the one that exists otherwise."""
    if not row.title.strip():
        return row.text
    return f"{row.title}\n\n{row.text}" if row.text.strip() else row.title


def _single(row: Row, settings: DeliverySettings) -> str:
    whole = body(row)
    return whole if _fits(whole, settings) else _cut(whole, settings)


def _cut(whole: str, settings: DeliverySettings) -> str:
    """The head that fits, and how much is missing (the journal keeps the whole text)."""
    room = settings.safe_characters - 40
    head = whole[:room].encode()[: settings.safe_bytes - 120].decode(errors="ignore")
    return f"{head}…\n\n（后面还有 {len(whole) - len(head)} 个字未显示）"


def _digest(rows: Sequence[Row], zone: ZoneInfo) -> str:
    entries: dict[tuple[str, str], _Entry] = {}
    for row in rows:
        entry = entries.get((row.title, row.text))
        if entry is None:
            entries[row.title, row.text] = _Entry(body(row), row.accepted_at, row.accepted_at)
        else:
            entry.times, entry.last_at = entry.times + 1, row.accepted_at
    heading = f"共 {len(rows)} 条消息\n\n"
    return heading + DIVIDER.join(f"{_heading(n, e, zone)}\n{e.body}" for n, e in enumerate(entries.values(), 1))


def _heading(number: int, entry: _Entry, zone: ZoneInfo) -> str:
    first = _clock(entry.first_at, zone)
    if entry.times == 1:
        return f"{number}. {first}"
    return f"{number}. {first}–{_clock(entry.last_at, zone)} ×{entry.times}"


def _clock(when: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(when, zone).strftime("%m-%d %H:%M:%S")


def _fits(text: str, settings: DeliverySettings) -> bool:
    return len(text) <= settings.safe_characters and len(text.encode()) <= settings.safe_bytes
