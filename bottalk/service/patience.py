"""How long a request waits for an actor."""

TAKEN_WITHIN_S = 10.0
"""Seconds until its message is taken by the journal or the channels' actor; after that nothing was changed, nor will
be, and the caller is told so (50301)."""
