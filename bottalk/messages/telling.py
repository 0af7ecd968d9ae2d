"""To the journal: what BotTalk says of its own accord."""

from msgspec import Struct

from bottalk.values import ChannelId
from supervisors import Ask


class Nudge(Ask[int], Struct, frozen=True):
    """Remind the users of those of these channels whose window is about to close, where it has a use; answers how many.

    Each is judged anew: none is reminded twice in a window, nor at night.
    """

    channel_ids: tuple[ChannelId, ...]


class Notice(Ask[int], Struct, frozen=True):
    """Tell the account's other open channels that pushes wait for this one, which is closed or dead.

    Answers how many were told; 0 when there is nothing to tell (any more), or it was told before.
    """

    channel_id: ChannelId
