"""A bot's inbox: what its user wrote, in which order, and how far the client has fetched it."""

import base64
import binascii
import struct
from dataclasses import dataclass, field
from typing import Any

from bottalk.sandbox.rules.parameters import Parameters

MESSAGES_PER_ANSWER = 20
KEPT = 1_000
"""Messages already handed out that are kept for the replay mode and for duplicates."""
_CURSOR = struct.Struct(">2sQQQ")
_MARK = b"\n\x09"

Message = dict[str, Any]


@dataclass(slots=True)
class Inbox:
    """Positions count from the binding; `first` is the position of the oldest message kept, `handed` of the first
    one not handed out yet."""

    nonce: int
    messages: list[Message] = field(default_factory=list)
    first: int = 0
    handed: int = 0
    serial: int = 0
    pending: list[tuple[float, Message]] = field(default_factory=list)
    """Duplicates on their way, with the time at which they come."""
    used_cursors: list[str] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.messages)


def put(inbox: Inbox, message: Message) -> None:
    inbox.messages.append(message)
    surplus = min(len(inbox.messages) - KEPT, inbox.handed - inbox.first)
    if surplus > 0:
        del inbox.messages[:surplus]
        inbox.first += surplus


def put_later(inbox: Inbox, message: Message, due: float) -> None:
    inbox.pending.append((due, message))
    inbox.pending.sort(key=lambda entry: entry[0])


def release(inbox: Inbox, now: float) -> list[Message]:
    """Move what is due from `pending` into the inbox, and say what that was."""
    released = []
    while inbox.pending and inbox.pending[0][0] <= now:
        message = inbox.pending.pop(0)[1]
        put(inbox, message)
        released.append(message)
    return released


def waiting(inbox: Inbox, parameters: Parameters, cursor: str) -> list[Message]:
    """What an answer to this cursor would carry. Nothing changes."""
    start = _start(inbox, parameters, cursor) - inbox.first
    return inbox.messages[start : start + MESSAGES_PER_ANSWER]


def hand_out(inbox: Inbox, parameters: Parameters, cursor: str) -> tuple[list[Message], str]:
    """The messages for this cursor and the new cursor; from here on they count as handed out."""
    start = _start(inbox, parameters, cursor)
    messages = waiting(inbox, parameters, cursor)
    position = start + len(messages)
    inbox.handed = max(inbox.handed, position)
    return messages, _new_cursor(inbox, position)


def same_place(inbox: Inbox, parameters: Parameters, cursor: str) -> str:
    """A new cursor that stands where this one stands, for an answer without messages."""
    return _new_cursor(inbox, _start(inbox, parameters, cursor))


def older_cursor(inbox: Inbox) -> str:
    """A cursor that was given out before the last one, or the one of the beginning."""
    return inbox.used_cursors[-2] if len(inbox.used_cursors) >= 2 else _encode(inbox, 0)


def _start(inbox: Inbox, parameters: Parameters, cursor: str) -> int:
    if parameters.cursor_mode == "consume":
        return max(inbox.handed, inbox.first)
    position = _decode(inbox, cursor)
    return min(max(position if position is not None else 0, inbox.first), inbox.end)


def _new_cursor(inbox: Inbox, position: int) -> str:
    inbox.serial += 1
    cursor = _encode(inbox, position)
    inbox.used_cursors = [*inbox.used_cursors[-2:], cursor]
    return cursor


def _encode(inbox: Inbox, position: int) -> str:
    return base64.b64encode(_CURSOR.pack(_MARK, inbox.serial, position, inbox.nonce)).decode()


def _decode(inbox: Inbox, cursor: str) -> int | None:
    """The position in a cursor of this inbox; None for any other text."""
    try:
        mark, _, position, nonce = _CURSOR.unpack(base64.b64decode(cursor, validate=True))
    except (binascii.Error, struct.error, ValueError):
        return None
    return int(position) if mark == _MARK and nonce == inbox.nonce else None
