"""The directory: keys → users → channels, in memory, as committed. Only the journal changes it, after a commit."""

import re
from collections.abc import Iterable, Sequence

from bottalk.outbox import Wakeup
from bottalk.store.users import key_hash
from bottalk.values import Channel, ChannelId, User, UserId

_OWN_KEY = re.compile(r"[0-9a-fA-F]{32}")


class Directory:
    """Look-ups of the hot path, without the database. Records are frozen: a reader holds what was true then."""

    def __init__(
        self, users: Iterable[User] = (), channels: Iterable[Channel] = (), gone: Iterable[UserId] = ()
    ) -> None:
        self.gone: set[UserId] = set(gone)
        """Deleted accounts that may still have rows in the log."""
        self.someone_left = Wakeup()
        """Set for each account that is deleted; the housekeeper waits for it."""
        self._users: dict[UserId, User] = {}
        self._by_key: dict[str, UserId] = {}
        self._by_email: dict[str, UserId] = {}
        self._by_founder: dict[str, tuple[UserId, ...]] = {}
        self._channels: dict[ChannelId, Channel] = {}
        self._of_user: dict[UserId, tuple[ChannelId, ...]] = {}
        self._by_wechat: dict[str, ChannelId] = {}
        for user in users:
            self.put_user(user)
        for channel in channels:
            self.put_channel(channel)

    def user(self, user_id: UserId) -> User | None:
        return self._users.get(user_id)

    def user_of_key(self, send_key: str) -> User | None:
        """The account of a SendKey, disabled or not. Keys of our own making are read in any letter case, imported
        ones as they are."""
        user_id = self._by_key.get(key_hash(send_key))
        if user_id is None and _OWN_KEY.fullmatch(send_key):
            user_id = self._by_key.get(key_hash(send_key.lower()))
        return None if user_id is None else self._users[user_id]

    def user_of_email(self, email: str) -> User | None:
        """The account of an e-mail address, as stored: trimmed, in lower case."""
        user_id = self._by_email.get(email)
        return None if user_id is None else self._users[user_id]

    def user_of_wechat(self, wechat_openid: str) -> User | None:
        """The account that this WeChat founded by a scan, the newest if it founded several."""
        founded = self._by_founder.get(wechat_openid)
        return None if founded is None else self._users[founded[-1]]

    def channel(self, channel_id: ChannelId) -> Channel | None:
        return self._channels.get(channel_id)

    def channel_of_wechat(self, wechat_openid: str) -> Channel | None:
        """The channel of this WeChat, unless it was deleted."""
        channel_id = self._by_wechat.get(wechat_openid)
        return None if channel_id is None else self._channels[channel_id]

    def channels_of(self, user_id: UserId) -> list[Channel]:
        """The account's channels, deleted ones too, oldest first."""
        return [self._channels[channel_id] for channel_id in self._of_user.get(user_id, ())]

    def channels(self) -> Iterable[Channel]:
        return self._channels.values()

    # --- for the journal ---

    def channel_count(self) -> int:
        """Deleted ones too."""
        return len(self._channels)

    def user_count(self) -> int:
        return len(self._users)

    def users(self) -> Iterable[User]:
        return self._users.values()

    def put_user(self, user: User) -> None:
        old = self._users.get(user.id)
        if old is not None:
            del self._by_key[key_hash(old.send_key.reveal())]
        self._users[user.id] = user
        self._by_key[key_hash(user.send_key.reveal())] = user.id
        if user.email is not None:
            self._by_email[user.email] = user.id
        if user.wechat_openid is not None:
            founded = self._by_founder.get(user.wechat_openid, ())
            self._by_founder[user.wechat_openid] = tuple(sorted({*founded, user.id}))

    def remove_user(self, user_id: UserId) -> None:
        """Forget a deleted account, its key and its channels; its log may still have to go."""
        user = self._users.pop(user_id, None)
        if user is not None:  # None: made and deleted in one group
            self._forget_names(user)
        for channel_id in self._of_user.pop(user_id, ()):
            channel = self._channels.pop(channel_id)
            if self._by_wechat.get(channel.wechat_openid) == channel_id:
                del self._by_wechat[channel.wechat_openid]
        self.gone.add(user_id)
        self.someone_left.set()

    def _forget_names(self, user: User) -> None:
        del self._by_key[key_hash(user.send_key.reveal())]
        # who joins again in the commit that deletes the old account has the address already
        if user.email is not None and self._by_email.get(user.email) == user.id:
            del self._by_email[user.email]
        if user.wechat_openid is not None:
            rest = tuple(one for one in self._by_founder.pop(user.wechat_openid) if one != user.id)
            if rest:
                self._by_founder[user.wechat_openid] = rest

    def put_channel(self, channel: Channel) -> None:
        if channel.id not in self._channels:
            self._of_user[channel.user_id] = (*self._of_user.get(channel.user_id, ()), channel.id)
        self._channels[channel.id] = channel
        if not channel.is_deleted:
            self._by_wechat[channel.wechat_openid] = channel.id
        elif self._by_wechat.get(channel.wechat_openid) == channel.id:
            del self._by_wechat[channel.wechat_openid]


def wanted_channels(spec: str, own: Sequence[Channel]) -> list[Channel]:
    """The account's channels that `spec` asks for: `` or `default`, `all`, or ids such as `1,3,5` or `1|3|5`.

    Unknown, foreign and deleted ids are ignored, duplicates collapse; the order is the caller's.
    """
    spec = spec.strip()
    own = [channel for channel in own if not channel.is_deleted]
    if spec.lower() in ("", "default"):
        return [channel for channel in own if channel.is_default]
    if spec.lower() == "all":
        usable = [channel for channel in own if channel.is_usable]
        return [channel for channel in usable if not channel.is_dead] or usable
    by_id = {str(channel.id): channel for channel in own}
    ids = dict.fromkeys(part.strip() for part in spec.replace("|", ",").split(","))
    return [by_id[one] for one in ids if one in by_id]
