"""Frozen values that every layer may use: ids that cannot be mixed up, and secrets that do not print."""

from typing import NewType

UserId = NewType("UserId", int)
ChannelId = NewType("ChannelId", int)
RowId = NewType("RowId", int)
"""One `push_logs` row: one push for one channel. Ids grow in the order of acceptance."""
PushId = NewType("PushId", int)
"""One push, whatever the number of its channels. Clients see it as a string of digits."""


class Secret:
    """A text that must not reach a log, an error or a metric (SendKey, bot token, context token, cookie, readkey, qrcode).

    `str` and `repr` hide it; `reveal()` is the one way to the text, easy to search for. Two secrets are equal when
    their texts are; they hash like their texts.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def masked(self) -> str:
        """The first 6 characters and `…`: what the API shows of a token."""
        return self._text[:6] + "…"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"
