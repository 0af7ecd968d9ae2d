"""What a group of verbs is about to change: the database's open transaction, and the pictures' changes beside it."""

import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from bottalk.agenda import Agenda
from bottalk.config import Config
from bottalk.directory import Directory
from bottalk.messages import Binding, Listener
from bottalk.newcomers import Newcomers, place_of
from bottalk.outbox import Outboxes
from bottalk.store import channels as channel_rows
from bottalk.store import reminders as reminder_rows
from bottalk.store import users as user_rows
from bottalk.values import (
    Channel,
    ChannelId,
    ChannelStatus,
    InactiveReason,
    Outcome,
    Reminder,
    ReminderId,
    Row,
    RowId,
    Secret,
    Settlement,
    User,
    UserId,
)
from bottalk.words import DEFAULT, Words
from bottalk.writable import Writable


@dataclass(slots=True)
class Pictures:
    """What the journal keeps in memory of what is committed. `bindings` holds the QR codes that have not expired."""

    directory: Directory
    outboxes: Outboxes
    bindings: dict[str, Binding] = field(default_factory=dict)
    reminders: Agenda = field(default_factory=Agenda)
    newcomers: Newcomers = field(default_factory=Newcomers)
    writable: Writable = field(default_factory=Writable)


@dataclass(slots=True)
class Changes:
    """What pictures take over after the commit, in this order."""

    users: dict[UserId, User | None] = field(default_factory=dict)
    """None: deleted, with its channels."""
    channels: dict[ChannelId, Channel] = field(default_factory=dict)
    born: list[tuple[Row, Listener | None]] = field(default_factory=list)
    moved: list[tuple[RowId, ChannelId, ChannelId]] = field(default_factory=list)
    """A waiting row, whose it was, whose it is."""
    settled: list[tuple[ChannelId, Settlement]] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    """Of pushes' rows that were born settled; nobody waits for them, they are counted."""
    tried: list[Row] = field(default_factory=list)
    bindings: dict[str, Binding] = field(default_factory=dict)
    reminders: dict[ReminderId, Reminder | None] = field(default_factory=dict)
    """None: deleted."""
    forgotten: list[ReminderId] = field(default_factory=list)
    """Deleted reminders whose log is gone, too."""
    arrived: list[str] = field(default_factory=list)
    """Client addresses of new accounts."""
    forgotten_users: list[UserId] = field(default_factory=list)
    """Deleted accounts whose log is gone, too."""

    def add(self, other: "Changes") -> None:
        self.users.update(other.users)
        self.channels.update(other.channels)
        self.born += other.born
        self.moved += other.moved
        self.settled += other.settled
        self.ended += other.ended
        self.tried += other.tried
        self.bindings.update(other.bindings)
        self.reminders.update(other.reminders)
        self.forgotten += other.forgotten
        self.arrived += other.arrived
        self.forgotten_users += other.forgotten_users


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
        words: Words = DEFAULT,
        mint: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.connection = connection
        self.config = config
        self.words = words
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
        self._births.update(row.channel_id for row, _ in self.mine.born if not row.is_system)
        self._births.update(channel_id for _, _, channel_id in self.mine.moved)

    # --- reading ---

    def user(self, user_id: UserId) -> User | None:
        for changes in (self.mine, self.done):
            if user_id in changes.users:
                return changes.users[user_id]
        return self._pictures.directory.user(user_id)

    def user_of_wechat(self, wechat_openid: str) -> User | None:
        return self._changed_or(
            lambda user: user.wechat_openid == wechat_openid, self._pictures.directory.user_of_wechat(wechat_openid)
        )

    def user_of_key(self, send_key: Secret) -> User | None:
        found = self._pictures.directory.user_of_key(send_key.reveal())
        return self._changed_or(lambda user: user.send_key == send_key, found)

    def is_free_user(self, user_id: UserId) -> bool:
        """Whether nobody has this id, nor has left rows of a log under it."""
        return user_id > 0 and self.user(user_id) is None and user_id not in self._pictures.directory.gone

    def user_of_email(self, email: str) -> User | None:
        return self._changed_or(lambda user: user.email == email, self._pictures.directory.user_of_email(email))

    def _changed_or(self, fits: Callable[[User], bool], found: User | None) -> User | None:
        """The account that fits: as this group has changed it, else the directory's, unless this group deleted it."""
        changed = {**self.done.users, **self.mine.users}
        for user in changed.values():
            if user is not None and fits(user):
                return user
        return None if found is None or found.id in changed else found

    def newcomers(self, ip: str) -> int:
        """New accounts from that address within the hour, those of this group too."""
        arrived = (*self.done.arrived, *self.mine.arrived)
        place = place_of(ip)
        here = 0 if place is None else sum(place_of(other) == place for other in arrived)
        return self._pictures.newcomers.count(ip, self.now) + here

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

    def deleted_of_wechat(self, wechat_openid: str) -> list[Channel]:
        """Deleted channels of this WeChat, whoever owned them, oldest first."""
        found = {c.id: c for c in self._pictures.directory.channels() if c.wechat_openid == wechat_openid}
        for changes in (self.done, self.mine):
            found.update({c.id: c for c in changes.channels.values() if c.wechat_openid == wechat_openid})
        return [found[channel_id] for channel_id in sorted(found) if found[channel_id].is_deleted]

    def channels_of(self, user_id: UserId) -> list[Channel]:
        found = {c.id: c for c in self._pictures.directory.channels_of(user_id)}
        for changes in (self.done, self.mine):
            found.update({c.id: c for c in changes.channels.values() if c.user_id == user_id})
        return [found[channel_id] for channel_id in sorted(found)]

    def binding(self, code: str) -> Binding | None:
        return self.mine.bindings.get(code) or self.done.bindings.get(code) or self._pictures.bindings.get(code)

    def bindings_of(self, user_id: UserId) -> list[Binding]:
        """The codes that the account asked for, or that logged it in, as long as they are remembered."""
        found = {**self._pictures.bindings, **self.done.bindings, **self.mine.bindings}
        return [binding for binding in found.values() if binding.user_id == user_id]

    def reminder(self, reminder_id: ReminderId) -> Reminder | None:
        for changes in (self.mine, self.done):
            if reminder_id in changes.reminders:
                return changes.reminders[reminder_id]
        return self._pictures.reminders.get(reminder_id)

    def is_free_reminder(self, reminder_id: ReminderId) -> bool:
        """Whether no reminder has this id, nor has left rows of a log under it."""
        return self.reminder(reminder_id) is None and reminder_id not in self._pictures.reminders.gone

    def reminders_of(self, user_id: UserId) -> list[Reminder]:
        found: dict[ReminderId, Reminder | None] = {r.id: r for r in self._pictures.reminders.of(user_id)}
        for changes in (self.done, self.mine):
            found.update(changes.reminders)
        return [r for r in found.values() if r is not None and r.user_id == user_id]

    def waiting_row(self, channel_id: ChannelId, row_id: RowId) -> Row | None:
        return self._pictures.outboxes.row(channel_id, row_id)

    def waiting_rows(self, channel_id: ChannelId) -> list[Row]:
        """The channel's waiting rows in order, as they were before this group; some of them may be light."""
        return self._pictures.outboxes.rows_of(channel_id)

    def in_hand(self, channel_id: ChannelId) -> frozenset[RowId]:
        """The channel's rows that its actor is sending: past any other settlement. It may take more meanwhile, but for
        the verbs of `table.settles`."""
        return self._pictures.outboxes.in_hand(channel_id)

    def queue_length(self, channel_id: ChannelId) -> int:
        """Pushes waiting for the channel, those of the verbs before too. Rows settled in this group still count."""
        return self._pictures.outboxes.pushes(channel_id) + self._births[channel_id]

    # --- writing: the row and the picture together ---

    def take_row_id(self) -> RowId:
        """Ids of a verb that fails are not used again: a gap harms nobody."""
        row_id = self.next_row_id
        self.next_row_id += 1
        return RowId(row_id)

    def add_user(self, user: User, *, came_from: str) -> User:
        """A new account; `came_from` is the client's address, for the limit of newcomers."""
        user = replace(user, id=user_rows.insert(self.connection, user))
        self.mine.users[user.id] = user
        self.mine.arrived.append(came_from)
        return user

    def take_user(self, user: User) -> User:
        """An account that comes from elsewhere, with its id unless that is 0: it does not count as a newcomer."""
        user = replace(user, id=user_rows.insert(self.connection, user, keep_id=user.id != 0))
        self.mine.users[user.id] = user
        return user

    def put_user(self, user: User) -> None:
        user_rows.update(self.connection, user)
        self.mine.users[user.id] = user

    def remove_user(self, user_id: UserId) -> None:
        """Delete the account with its channels; nothing else may refer to them any more."""
        for channel in self.channels_of(user_id):
            channel_rows.delete(self.connection, channel.id)
            # for the verbs after this one; the directory forgets it with its owner
            self.mine.channels[channel.id] = replace(
                channel, status=ChannelStatus.INACTIVE, inactive_reason=InactiveReason.DELETED
            )
        user_rows.delete(self.connection, user_id)
        self.mine.users[user_id] = None

    def add_channel(self, channel: Channel) -> Channel:
        """A new channel, with its id unless that is 0."""
        channel = replace(channel, id=channel_rows.insert(self.connection, channel, keep_id=channel.id != 0))
        self.mine.channels[channel.id] = channel
        return channel

    def put_channel(self, channel: Channel) -> None:
        channel_rows.update(self.connection, channel)
        self.mine.channels[channel.id] = channel

    def put_window(self, channel: Channel) -> None:
        """As `put_channel` where only the window changed: the hot one."""
        channel_rows.update_window(self.connection, channel)
        self.mine.channels[channel.id] = channel

    def add_reminder(self, reminder: Reminder) -> Reminder:
        """A new reminder, with its id unless that is 0."""
        reminder = replace(reminder, id=reminder_rows.insert(self.connection, reminder, keep_id=reminder.id != 0))
        self.mine.reminders[reminder.id] = reminder
        return reminder

    def put_reminder(self, reminder: Reminder) -> None:
        reminder_rows.update(self.connection, reminder)
        self.mine.reminders[reminder.id] = reminder

    def put_fired(self, reminder: Reminder) -> None:
        """As `put_reminder` where only what a firing changes is new."""
        reminder_rows.update_fired(self.connection, reminder)
        self.mine.reminders[reminder.id] = reminder

    def remove_reminder(self, reminder_id: ReminderId) -> None:
        reminder_rows.delete(self.connection, reminder_id)
        self.mine.reminders[reminder_id] = None
