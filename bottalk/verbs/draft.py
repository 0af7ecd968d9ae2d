"""What a group of verbs is about to change: the database's open transaction, and the pictures' changes beside it."""

import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from bottalk.config import Config
from bottalk.directory import Directory
from bottalk.messages import Binding, Listener
from bottalk.outbox import Outboxes
from bottalk.store import channels as channel_rows
from bottalk.store import users as user_rows
from bottalk.values import Channel, ChannelId, Row, RowId, Settlement, User, UserId


@dataclass(slots=True)
class Pictures:
    """What the journal keeps in memory of what is committed. `bindings` holds the QR codes that have not expired."""

    directory: Directory
    outboxes: Outboxes
    bindings: dict[str, Binding] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What pictures take over after the commit, in this order."""

    users: dict[UserId, User] = field(default_factory=dict)
    channels: dict[ChannelId, Channel] = field(default_factory=dict)
    born: list[tuple[Row, Listener | None]] = field(default_factory=list)
    settled: list[tuple[ChannelId, Settlement]] = field(default_factory=list)
    tried: list[Row] = field(default_factory=list)
    bindings: dict[str, Binding] = field(default_factory=dict)

    def add(self, other: "Changes") -> None:
        self.users.update(other.users)
        self.channels.update(other.channels)
        self.born += other.born
        self.settled += other.settled
        self.tried += other.tried
        self.bindings.update(other.bindings)


class Draft:
    """What a verb sees: the pictures as they will be after the verbs before it, and the open transaction.

    `now` is the group's wall time.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        pictures: Pictures,
        config: Config,
        now: float,
        next_row_id: int,
        mint: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.connection = connection
        self.config = config
        self.now = now
        self.next_row_id = next_row_id
        self.mint = mint
        self.done = Changes()
        """Of the verbs that succeeded."""
        self.mine = Changes()
        """Of the verb that runs now."""
        self._pictures = pictures
        self._births: Counter[ChannelId] = Counter()

    # --- one verb's frame ---

    def begin(self) -> None:
        self.mine = Changes()

    def keep(self) -> None:
        """The verb succeeded."""
        self.done.add(self.mine)
        self._births.update(row.channel_id for row, _ in self.mine.born)

    # --- reading ---

    def user(self, user_id: UserId) -> User | None:
        return self.mine.users.get(user_id) or self.done.users.get(user_id) or self._pictures.directory.user(user_id)

    def user_of_wechat(self, wechat_openid: str) -> User | None:
        for user in (*self.mine.users.values(), *self.done.users.values()):
            if user.wechat_openid == wechat_openid:
                return user
        return self._pictures.directory.user_of_wechat(wechat_openid)

    def channel(self, channel_id: ChannelId) -> Channel | None:
        return (
            self.mine.channels.get(channel_id)
            or self.done.channels.get(channel_id)
            or self._pictures.directory.channel(channel_id)
        )

    def channel_of_wechat(self, wechat_openid: str) -> Channel | None:
        changed = {**self.done.channels, **self.mine.channels}
        for channel in changed.values():
            if channel.wechat_openid == wechat_openid and not channel.is_deleted:
                return channel
        found = self._pictures.directory.channel_of_wechat(wechat_openid)
        return None if found is None or found.id in changed else found

    def channels_of(self, user_id: UserId) -> list[Channel]:
        found = {c.id: c for c in self._pictures.directory.channels_of(user_id)}
        for changes in (self.done, self.mine):
            found.update({c.id: c for c in changes.channels.values() if c.user_id == user_id})
        return [found[channel_id] for channel_id in sorted(found)]

    def binding(self, code: str) -> Binding | None:
        return self.mine.bindings.get(code) or self.done.bindings.get(code) or self._pictures.bindings.get(code)

    def waiting_row(self, channel_id: ChannelId, row_id: RowId) -> Row | None:
        return self._pictures.outboxes.of(channel_id).get(row_id)

    def queue_length(self, channel_id: ChannelId) -> int:
        """Rows waiting for the channel, those of the verbs before too. Rows settled in this group still count."""
        return self._pictures.outboxes.depth(channel_id) + self._births[channel_id]

    # --- writing: the row and the picture together ---

    def take_row_id(self) -> RowId:
        """Ids of a verb that fails are not used again: a gap harms nobody."""
        row_id = self.next_row_id
        self.next_row_id += 1
        return RowId(row_id)

    def add_user(self, user: User) -> User:
        user = replace(user, id=user_rows.insert(self.connection, user))
        self.mine.users[user.id] = user
        return user

    def add_channel(self, channel: Channel) -> Channel:
        channel = replace(channel, id=channel_rows.insert(self.connection, channel))
        self.mine.channels[channel.id] = channel
        return channel

    def put_channel(self, channel: Channel) -> None:
        channel_rows.update(self.connection, channel)
        self.mine.channels[channel.id] = channel

    def put_window(self, channel: Channel) -> None:
        """As `put_channel` where only the window changed: the hot one."""
        channel_rows.update_window(self.connection, channel)
        self.mine.channels[channel.id] = channel
