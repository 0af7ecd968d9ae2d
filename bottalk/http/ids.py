"""Ids in paths."""


def number(text: str) -> int:
    """The id; 0, which nothing has, for what is no number of up to 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
