"""QR codes: asked for, ended, or confirmed. A confirmed one makes account, channel and login in one commit.

Which account and channel a scan belongs to is the contract's §5: the WeChat's id is the stable identity, bot id and
token are replaceable.
"""

from msgspec.structs import replace

from bottalk.delivery import window as windows
from bottalk.errors import NoAccount, Refused
from bottalk.messages import Bind, Binding, BindingState, EndBinding, OpenBinding
from bottalk.store import bindings as binding_rows
from bottalk.store import sessions as session_rows
from bottalk.values import Channel, ChannelId, ChannelStatus, Secret, User, UserId
from bottalk.verbs.draft import Draft
from bottalk.verbs.users import KEY_BYTES, check_may_join

FIRST_NAME = "默认通道"

Result = dict[str, str | int | bool | None]


def no_more_than(max_channels: int) -> str:
    """The contract's words."""
    return f"Maximum {max_channels} channels allowed"


def open_binding(draft: Draft, m: OpenBinding) -> None:
    """With the session that asked, where that is new: who gets no code leaves nothing behind.

    Raises NoAccount when the account that asked is gone by now: its deletion ends the codes it knows of.
    """
    if m.binding.user_id is not None and draft.user(m.binding.user_id) is None:
        raise NoAccount("the account that asked for a code is gone")
    if m.opens is not None:
        session_rows.insert(draft.connection, m.opens)
    binding_rows.insert(draft.connection, m.binding)
    draft.mine.bindings[m.binding.code.reveal()] = m.binding


def end(draft: Draft, m: EndBinding) -> None:
    binding = draft.binding(m.code.reveal())
    if binding is not None and not binding.state.is_end:
        _finish(draft, replace(binding, state=m.state))


def bind(draft: Draft, m: Bind) -> Binding:
    """The phone confirmed; a second time changes nothing. Raises LookupError for a code nobody asked for."""
    binding = draft.binding(m.code.reveal())
    if binding is None:
        raise LookupError("a confirmed code that is not in the journal")
    if binding.state.is_end:
        return binding
    known = draft.channel_of_wechat(m.wechat_openid)
    if binding.user_id is not None:
        return _bind_signed_in(draft, m, binding, binding.user_id, known)
    return _bind_public(draft, m, binding, known)


def _bind_public(draft: Draft, m: Bind, binding: Binding, known: Channel | None) -> Binding:
    """A scan from a page without a session. New WeChat: account and channel. Known one: the same with the new token."""
    if known is not None:
        channel = _rebind(draft, known, m)
        if not channel.can_login:
            return _finish(draft, replace(binding, state=BindingState.DONE, result=_bound(m)))
        user = draft.user(channel.user_id)
        if user is None:
            raise LookupError("a channel without an account")
        return _log_in(draft, binding, user, channel, is_new=False)
    founder = _known_by_deleted(draft, m.wechat_openid)
    if founder is None:
        try:
            check_may_join(draft, binding.ip, invited=binding.invited)
        except Refused as e:
            return _finish(draft, replace(binding, state=BindingState.REFUSED, result={"error": e.text}))
        founder = draft.add_user(
            User(UserId(0), Secret(draft.mint(KEY_BYTES)), created_at=draft.now, wechat_openid=m.wechat_openid),
            came_from=binding.ip,
        )
        return _log_in(draft, binding, founder, _first_or_next(draft, founder.id, m), is_new=True)
    if _live_count(draft, founder.id) >= draft.config.max_channels:
        if not founder.is_disabled:
            session_rows.log_in(draft.connection, binding.session, founder.id)
        return _finish(draft, replace(binding, state=BindingState.DONE, result=_bound(m)))
    return _log_in(draft, binding, founder, _first_or_next(draft, founder.id, m), is_new=False)


def _bind_signed_in(draft: Draft, m: Bind, binding: Binding, user_id: UserId, known: Channel | None) -> Binding:
    """A scan from an account's own page: one more channel, the same one again, or one of another account."""
    if known is not None and known.user_id != user_id:
        _rebind(draft, known, m)  # iLink has ended its old token already: its channel goes on with the new one
        error = {"error": "wechat_already_bound", "message": "该微信已被其他账户绑定"}
        return _finish(draft, replace(binding, state=BindingState.REFUSED, result=error))
    if known is not None:
        channel = _rebind(draft, known, m)
        return _finish(draft, replace(binding, state=BindingState.DONE, result=_signed_in(channel) | {"rebind": True}))
    if _live_count(draft, user_id) >= draft.config.max_channels:
        error = {"error": no_more_than(draft.config.max_channels)}
        return _finish(draft, replace(binding, state=BindingState.REFUSED, result=error))
    channel = _first_or_next(draft, user_id, m)
    return _finish(draft, replace(binding, state=BindingState.DONE, result=_signed_in(channel)))


def _known_by_deleted(draft: Draft, wechat_openid: str) -> User | None:
    """The account that a WeChat without a channel belongs to: the one it founded, or one where it may log in.

    A channel that was deleted where it may not log in counts for nothing: then it is new.
    """
    founder = draft.user_of_wechat(wechat_openid)
    deleted = draft.deleted_of_wechat(wechat_openid)
    if founder is not None and not any(channel.user_id == founder.id for channel in deleted):
        return founder
    welcome = [channel for channel in reversed(deleted) if channel.can_login]
    own = [channel for channel in welcome if founder is not None and channel.user_id == founder.id]
    for channel in (*own, *welcome):
        user = draft.user(channel.user_id)
        if user is not None:
            return user
    return None


def _first_or_next(draft: Draft, user_id: UserId, m: Bind) -> Channel:
    """A new channel, or the account's deleted one of this WeChat back to life: its id and name, not its old rows.

    The account's first live one is its default, whichever route made it.
    """
    channels = draft.channels_of(user_id)
    live = sum(channel.is_live for channel in channels)
    user = draft.user(user_id)
    old = next((c for c in reversed(channels) if c.is_deleted and c.wechat_openid == m.wechat_openid), None)
    if old is not None:
        can_login = old.can_login or _may_log_in(user, channels, m)
        revived = replace(old, can_login=can_login, activated_at=None, last_inbound_at=None)
        return _rebind(draft, revived, m)
    if live == 0:
        _no_default(draft, channels)
    return draft.add_channel(
        Channel(
            id=ChannelId(0),
            user_id=user_id,
            name=FIRST_NAME if live == 0 else f"Channel {live + 1}",
            wechat_openid=m.wechat_openid,
            bot_id=m.bot_id,
            bot_token=Secret(m.bot_token.reveal()),
            base_url=m.base_url,
            status=ChannelStatus.PENDING,
            window=windows.fresh(draft.config.delivery),
            created_at=draft.now,
            bound_at=draft.now,
            is_default=live == 0,
            can_login=_may_log_in(user, channels, m),
        )
    )


def _may_log_in(user: User | None, channels: list[Channel], m: Bind) -> bool:
    """The WeChat that founded the account, or an e-mail account's first channel."""
    if user is None:
        return False
    return user.wechat_openid == m.wechat_openid or (user.wechat_openid is None and not channels)


def _no_default(draft: Draft, channels: list[Channel]) -> None:
    for channel in channels:
        if channel.is_default:
            draft.put_channel(replace(channel, is_default=False))


def _rebind(draft: Draft, channel: Channel, m: Bind) -> Channel:
    """New token, empty cursor, a window never opened; id, name, logs, what was learned and waiting rows stay.

    Where the account has no live channel, it becomes the default.
    """
    channels = draft.channels_of(channel.user_id)
    if not channel.is_default and not any(c.is_live for c in channels):
        _no_default(draft, channels)
        channel = replace(channel, is_default=True)
    channel = replace(
        channel,
        bot_id=m.bot_id,
        bot_token=m.bot_token,
        base_url=m.base_url,
        cursor="",
        context_token=None,
        status=ChannelStatus.PENDING,
        inactive_reason=None,
        inactive_at=None,
        bound_at=draft.now,
        window=windows.fresh(draft.config.delivery, channel.window),
        nudged_epoch=0,
        noticed="",
    )
    draft.put_channel(channel)
    return channel


def _log_in(draft: Draft, binding: Binding, user: User, channel: Channel, *, is_new: bool) -> Binding:
    result: Result
    if user.is_disabled:
        result = {"status": "bound", "wechat_openid": channel.wechat_openid}
        return _finish(draft, replace(binding, state=BindingState.DONE, result=result))
    session_rows.log_in(draft.connection, binding.session, user.id)
    result = {
        "id": channel.id,
        "send_key": user.send_key.reveal(),
        "status": channel.status,
        "wechat_openid": channel.wechat_openid,
        "is_new": is_new,
    }
    return _finish(draft, replace(binding, state=BindingState.DONE, user_id=user.id, result=result))


def _bound(m: Bind) -> Result:
    return {"status": "bound", "wechat_openid": m.wechat_openid}


def _signed_in(channel: Channel) -> Result:
    return {
        "id": channel.id,
        "name": channel.name,
        "status": channel.status,
        "wechat_openid": channel.wechat_openid,
        "is_default": int(channel.is_default),
    }


def _live_count(draft: Draft, user_id: UserId) -> int:
    return sum(channel.is_live for channel in draft.channels_of(user_id))


def _finish(draft: Draft, binding: Binding) -> Binding:
    binding_rows.end(draft.connection, binding)
    draft.mine.bindings[binding.code.reveal()] = binding
    return binding
