"""To the rate limit: may this account push once more?"""

from msgspec import Struct

from bottalk.values import (
    UserId,
)
from supervisors import Ask


class Spent(Struct, frozen=True, gc=False):
    """`resets_in`: seconds until the oldest counted push leaves the hour, and with it a place is free again."""

    granted: bool
    limit: int
    remaining: int
    resets_in: int


class Spend(Ask[Spent], Struct, frozen=True):
    """May this account push once more? `limit` is its present one, pushes per sliding hour."""

    user_id: UserId
    limit: int
