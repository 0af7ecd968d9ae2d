"""What one WeChat message says: a single push in its own words, several as a numbered digest."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from bottalk.config import DeliverySettings
from bottalk.delivery.characters import clean
from bottalk.delivery.literal import literal
from bottalk.delivery.markup import markdown
from bottalk.delivery.split import Room, closed, part
from bottalk.values import Row, RowId
from bottalk.words import DEFAULT, Words

DIVIDER = "\n\n———\n\n"
PARTS = 5
"""Messages that one text may take where no page can show it."""
ENTRY = 28
"""Characters that an entry of a digest takes beside its text: divider, number, time."""


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

    number: int
    body: str
    first_at: float
    last_at: float
    times: int = 1


class _Body(Struct, frozen=True):
    """What a row says, made fit for WeChat. `beyond`: characters behind its end that were not even looked at."""

    text: str
    beyond: int = 0


def compose(rows: Sequence[Row], style: Style, tail: str = "") -> Batch:
    """The next message for these rows (at least one), in order: as many from the head as fit the safe text size.

    `tail` is one more line that ends it. A row whose text is too long for one message goes alone, as does one of which
    parts are out. The time is linear in what the message holds.
    """
    first = rows[0]
    body = _body(first, style)
    tail = tail if len(tail) <= style.settings.safe_characters // 3 else ""
    room = _room(style).less(_ending(tail))
    alone = _ended(body.text, tail)
    if first.parts_sent or body.beyond or not _room(style).holds(alone):
        return _long(first, body, style, tail)
    if len(rows) == 1 or not _may_join(rows[1], style):
        return freeze(rows[:1], alone)
    page = _Digest(style, room)
    page.take(first, body.text)
    taken = 1
    while taken < len(rows) and _may_join(rows[taken], style):
        more = _body(rows[taken], style)
        if more.beyond or not page.take(rows[taken], more.text):
            break
        taken += 1
    return freeze(rows[:taken], alone if taken == 1 else page.text() + _ending(tail))


def fills_message(rows: Iterable[Row], style: Style) -> bool:
    """Whether what waits fills one message already, so that waiting for more would gain nothing.

    A cheap estimate of at least what it takes: texts, dividers and times, not what Markdown's rules add or take away.
    """
    room = _room(style)
    characters, size = room.characters, room.size
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if not row.is_light:
            if (row.title, row.text) in seen:
                continue
            seen.add((row.title, row.text))
        characters -= row.characters + ENTRY
        if characters <= 0:
            return True
        size -= len(f"{row.title}{row.text}".encode("utf-8", "replace")) or row.characters
        if size <= 0:
            return True
    return False


def freeze(rows: Sequence[Row], text: str, *, parts_sent: int = 0, linked: bool = False) -> Batch:
    digest = hashlib.sha256(text.encode())
    digest.update(",".join(str(row.id) for row in rows).encode())
    client_id = f"bottalk:{rows[0].id}-{digest.hexdigest()[:24]}"
    return Batch(tuple(rows), text, client_id, parts_sent, linked)


def _body(row: Row, style: Style) -> _Body:
    """Title, a blank line, text; only the one that exists otherwise. What no message could show is not looked at."""
    settings = style.settings
    bound = settings.safe_characters * (2 if _link(row, style) else PARTS + 1)
    title, text = row.title[:bound], row.text
    if len(text) > bound:
        text = text[: max(text.rfind("\n", bound // 2, bound), 0) or bound]
    beyond = len(row.title) - len(title) + len(row.text) - len(text)
    shown = [part for part in (literal(title), markdown(text)) if part.strip()]
    return _Body(clean("\n\n".join(shown)) if shown else style.words.blank, beyond)


class _Digest:
    """A numbered digest that grows entry by entry, as long as it fits. Every step costs its own entry only."""

    def __init__(self, style: Style, room: Room) -> None:
        self._style = style
        self._room = room
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._characters = 0
        self._size = 0
        self._count = 0

    def take(self, row: Row, body: str) -> bool:
        """Whether the row had room; then it is in."""
        key = (row.title, row.text)
        entry = self._entries.get(key)
        if entry is None:
            new = _Entry(len(self._entries) + 1, closed(body), row.accepted_at, row.accepted_at)
            before = ""
        else:
            new = replace(entry, times=entry.times + 1, last_at=row.accepted_at)
            before = self._told(entry)
        told = self._told(new)
        characters = self._characters + len(told) - len(before)
        size = self._size + len(told.encode()) - len(before.encode())
        heading = self._heading(self._count + 1)
        if self._count and (
            len(heading) + characters > self._room.characters or len(heading.encode()) + size > self._room.size
        ):
            return False
        self._entries[key] = new
        self._characters, self._size, self._count = characters, size, self._count + 1
        return True

    def text(self) -> str:
        return self._heading(self._count) + "".join(map(self._told, self._entries.values()))

    def _heading(self, count: int) -> str:
        return self._style.words.digest.format(count=count)

    def _told(self, entry: _Entry) -> str:
        """The entry under its number, in a form that Markdown takes for no list: some would count such lists anew."""
        zone = self._style.zone
        when = _clock(entry.first_at, zone)
        if entry.times > 1:
            when += f"–{_clock(entry.last_at, zone)} ×{entry.times}"
        before = "\n\n" if entry.number == 1 else DIVIDER
        return f"{before}【{entry.number}】{when}\n\n{entry.body}"


def _may_join(row: Row, style: Style) -> bool:
    """Whether the row can be an entry among others: a text that is too long by its mere length need not be read."""
    return not row.parts_sent and not row.is_light and row.characters <= 2 * style.settings.safe_characters


def _long(row: Row, body: _Body, style: Style, tail: str) -> Batch:
    """The next message of a text that is too long for one: its head and a link, or else its next part."""
    link = _link(row, style)
    if not link:
        return _part(row, body, style, tail)
    found = part(body.text, 0, _room(style).less("\n", link, _ending(tail)))
    return freeze([row], _continued(found.shown, link) + _ending(tail), linked=True)


def _link(row: Row, style: Style) -> str:
    """What leads to the page of the row's text; "" where there is none, or its address would fill the message."""
    if not style.pages or row.readkey is None or row.parts_sent:
        return ""
    link = style.words.more_link.format(url=f"{style.pages}/m/{row.push_id}?readkey={row.readkey.reveal()}")
    room = _room(style)
    return link if Room(room.characters // 2, room.size // 2).holds(link) else ""


def _part(row: Row, body: _Body, style: Style, tail: str) -> Batch:
    """One of at most `PARTS` messages. Where each begins is the same whatever the tail: room is left for any."""
    words, whole = style.words, body.text
    tails = (words.last, words.few_left.format(left=99), tail)
    room = _room(style).less(_ending(max(tails, key=lambda one: len(one.encode()))))
    start, fence = 0, ""
    for number in range(1, PARTS + 1):
        found = part(whole, start, room, fence)
        if found.end == len(whole) and not body.beyond:
            return freeze([row], found.shown + _ending(tail))
        if found.end == len(whole) or number == PARTS:
            ending = words.more_missing.format(count=len(whole) + body.beyond)
            found = part(whole, start, room.less("\n", ending), fence)
            missing = words.more_missing.format(count=len(whole) - found.end + body.beyond)
            return freeze([row], _continued(found.shown, missing) + _ending(tail))
        if number > row.parts_sent:
            break
        start, fence = found.end, found.fence
    return freeze([row], found.shown + _ending(tail), parts_sent=number)


def _continued(shown: str, ending: str) -> str:
    """A part and what ends it, on a line of its own where the part ends with a fence."""
    last = shown[shown.rfind("\n") + 1 :].lstrip(" \t>")
    return f"{shown}\n{ending}" if last.startswith(("```", "~~~")) else shown + ending


def _ended(text: str, tail: str) -> str:
    return closed(text) + _ending(tail) if tail else text


def _ending(tail: str) -> str:
    return f"\n\n{tail}" if tail else ""


def _room(style: Style) -> Room:
    return Room(style.settings.safe_characters, style.settings.safe_bytes)


def _clock(when: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(when, zone).strftime("%m-%d %H:%M:%S")
