"""What iLink's answers say, as frozen values. The readers that make them are in `answers.py`.

Ids are text: they are uint64 on the wire, as numbers or strings. Source of all facts: the protocol notes, §2 to §5.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bottalk.values import Secret

USER_MESSAGE = 1
"""`message_type` of what a person wrote; 2 is the echo of a bot's own message."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """A code to scan. `qrcode` is the handle for the status call: whoever polls it gets the bot token.

    `url` is the text to draw as a QR picture. `raw` is the whole answer, to be passed through; it holds the handle.
    """

    qrcode: Secret
    url: str
    raw: dict[str, Any] = field(repr=False)


class QrState(StrEnum):
    """What became of a QR code; the values are iLink's words."""

    WAIT = "wait"
    SCANNED = "scaned"
    NEED_VERIFYCODE = "need_verifycode"
    VERIFY_BLOCKED = "verify_code_blocked"
    REDIRECT = "scaned_but_redirect"
    BOUND = "binded_redirect"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """A status this client does not know: poll on. `QrStatus.status` has iLink's word."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A finished binding. `user_id` is case-sensitive and the channel's identity; bot id and token are replaceable.

    `base_url` is the address of all calls of this bot, host rule applied (an address outside it becomes the fixed one).
    """

    bot_token: Secret
    bot_id: str
    user_id: str
    base_url: str


@dataclass(frozen=True, slots=True)
class QrStatus:
    """One answer of the status poll. `confirmed` is there exactly with CONFIRMED.

    `redirect_host` (REDIRECT only): poll on there; None when iLink named none or one outside the host rule: stay.
    """

    state: QrState
    redirect_host: str | None = None
    confirmed: Confirmed | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that iLink handed out.

    `text`: its first text, else WeChat's transcript of a voice message, else empty. `label`: what its first item is
    (`text`, `image`, `voice`, `file`, `video`, `tool`, `other`; `empty` without items). `kind` is `message_type`.
    `quotes`: it answers to another message.
    Fields with values of a wrong type count as absent: a message is not lost for one of them.
    """

    from_user_id: str
    to_user_id: str = ""
    group_id: str = ""
    message_id: str | None = None
    client_id: str | None = None
    seq: str | None = None
    created_ms: int | None = None
    kind: int | None = None
    context_token: Secret | None = None
    text: str = field(default="", repr=False)
    label: str = "empty"
    quotes: bool = False

    def is_from_user(self, bot_id: str) -> bool:
        """Whether a person wrote it in the single chat: not an echo of `bot_id`, not in a group."""
        if self.group_id or not self.from_user_id or self.from_user_id == bot_id:
            return False
        return self.kind in (USER_MESSAGE, 0, None)

    @property
    def dedup_key(self) -> str:
        """The same for the same message handed out again: by message id, else client id, else seq, else fingerprint."""
        for name, value in (("m", self.message_id), ("c", self.client_id), ("s", self.seq)):
            if value is not None:
                return f"{name}:{value}"
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """Sender, creation time and content, for a message that comes again under a fresh id (within 60 s).

        Without a creation time two equal words would look like one, so a message that has an id then stands for itself.
        """
        alone = "" if self.created_ms is not None else (self.message_id or self.client_id or self.seq or "")
        parts = (self.from_user_id, str(self.created_ms), alone, self.label, self.text)
        content = "\0".join(parts).encode("utf-8", "replace")
        return "f:" + hashlib.blake2b(content, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Updates:
    """The outcome of one poll.

    `cursor`: what to send next time, None when the answer had none (keep the old one). `next_timeout_s`: iLink's hint
    how long it will hold the next poll. `answered` is False when our time-out ended the poll: nothing is known then,
    and it is no finished poll. `unreadable` counts entries of the list that were no messages at all.
    """

    messages: tuple[Inbound, ...] = ()
    cursor: str | None = None
    next_timeout_s: float | None = None
    answered: bool = True
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that iLink accepted. Without a `message_id` it is unconfirmed: it may never reach the phone (§5).

    `duration_ms`: from the start of the call to the whole answer.
    """

    message_id: str | None
    http_status: int
    duration_ms: int
