"""Accounts of BotTalk on Node.js, taken over: keys, bindings and reminders go on, and a second time changes nothing.

What is here already is newer and stays. The one thing that is renewed is a channel whose login has ended here, when
the other database has a newer token for it.
"""

from msgspec.structs import replace

from bottalk.delivery import window as windows
from bottalk.messages import (
    Arrived,
    ComingAccount,
    ComingChannel,
    End,
    Fate,
    ImportAccounts,
    ImportLogs,
    Kind,
)
from bottalk.store import imports as import_rows
from bottalk.values import (
    Channel,
    ChannelId,
    ChannelStatus,
    Closed,
    InactiveReason,
    RowStatus,
    Secret,
    User,
    UserId,
    Window,
)
from bottalk.verbs.bindings import FIRST_NAME
from bottalk.verbs.draft import Draft
from bottalk.verbs.imported_reminders import take_reminders
from bottalk.verbs.users import KEY_BYTES

ELSEWHERE = "its WeChat belongs to another account here; only its log was taken"
KEY_OF_OTHER = "the account is here with another SendKey, which stays; the old one is not valid"
NEW_KEY = "it had no SendKey that can be used: it got a new one"
EMAIL_TAKEN = "its e-mail address is another account's here: taken without it"

RIPE = 0.0
"""`probed_at` of a closed window that may be probed at once, with the first real row."""


def accounts(draft: Draft, m: ImportAccounts) -> tuple[Arrived, ...]:
    """What became of each, in order."""
    return tuple(_account(draft, coming) for coming in m.accounts)


def logs(draft: Draft, m: ImportLogs) -> int:
    """How many rows were written; those of an earlier import are left as they are."""
    count = 0
    for log in m.rows:
        if log.is_first or log.nth >= import_rows.present(draft.connection, log):
            log = log if log.status != RowStatus.QUEUED else replace(log, status=RowStatus.FAILED.value)
            import_rows.insert(draft.connection, draft.take_row_id(), draft.mint(16), log, draft.config.log_texts)
            count += 1
    return count


def _account(draft: Draft, coming: ComingAccount) -> Arrived:
    known = _known(draft, coming)
    if known is None:
        user, why = _new_user(draft, coming)
        fate = Fate(Kind.ACCOUNT, coming.old_id, End.TAKEN, user.id, why)
    else:
        user = known
        has_other_key = coming.send_key is not None and coming.send_key != user.send_key
        fate = Fate(Kind.ACCOUNT, coming.old_id, End.PRESENT, user.id, KEY_OF_OTHER if has_other_key else "")
    fates = [fate, *_take_channels(draft, user, coming), *take_reminders(draft, user, coming.reminders)]
    return Arrived(coming.old_id, user.id, tuple(fates))


def _known(draft: Draft, coming: ComingAccount) -> User | None:
    """The account here that this one is. An e-mail address alone proves nothing: anybody may have given it."""
    if coming.send_key is not None:
        user = draft.user_of_key(coming.send_key)
        if user is not None:
            return user
    if coming.wechat_openid is not None:
        user = draft.user_of_wechat(coming.wechat_openid)
        if user is not None:
            return user
    candidates = [draft.user_of_email(coming.email)] if coming.email is not None else []
    for channel in coming.channels:
        here = draft.channel_of_wechat(channel.wechat_openid) if channel.wechat_openid else None
        candidates.append(None if here is None else draft.user(here.user_id))
    return next((user for user in candidates if user is not None and user.created_at == coming.created_at), None)


def _new_user(draft: Draft, coming: ComingAccount) -> tuple[User, str]:
    email = coming.email
    why = NEW_KEY if coming.send_key is None else ""
    if email is not None and draft.user_of_email(email) is not None:
        email, why = None, EMAIL_TAKEN
    user = User(
        id=UserId(coming.old_id) if draft.is_free_user(UserId(coming.old_id)) else UserId(0),
        send_key=coming.send_key or Secret(draft.mint(KEY_BYTES)),
        created_at=coming.created_at,
        email=email,
        wechat_openid=coming.wechat_openid,
        nickname=coming.nickname,
        role=coming.role,
        is_disabled=coming.is_disabled,
        rate_limit=coming.rate_limit,
    )
    return draft.take_user(user), why


# --- channels ---


def _take_channels(draft: Draft, user: User, coming: ComingAccount) -> list[Fate]:
    before = draft.channels_of(user.id)
    fates = [_channel(draft, user, channel, before) for channel in coming.channels]
    _one_default(draft, user, {fate.id for fate, one in zip(fates, coming.channels, strict=True) if one.is_default})
    return fates


def _channel(draft: Draft, user: User, coming: ComingChannel, before: list[Channel]) -> Fate:
    def fate(end: End, channel: Channel, why: str = "") -> Fate:
        return Fate(Kind.CHANNEL, coming.old_id, end, channel.id, why)

    same = [c for c in before if _is_same(c, coming)]
    here = next((c for c in same if c.id == coming.old_id), same[0] if same else None)
    bound = None if coming.is_archive else draft.channel_of_wechat(coming.wechat_openid)
    if bound is not None and bound.user_id == user.id:
        here = bound
    if here is not None:
        if here in before:
            before.remove(here)  # two that are alike are two
        if here.is_dead and _is_live(coming) and coming.bot_token != here.bot_token:
            renewed = _renewed(draft, user, here, coming)
            draft.put_channel(renewed)
            return fate(End.RENEWED, renewed)
        return fate(End.PRESENT, here)
    if coming.is_archive or bound is not None:
        return fate(End.TAKEN, _add(draft, coming, _archived(draft, user, coming)), ELSEWHERE if bound else "")
    return fate(End.TAKEN, _add(draft, coming, _bound(draft, user, coming)))


def _is_same(channel: Channel, coming: ComingChannel) -> bool:
    """Taken by an earlier import, whatever has become of it since."""
    return channel.wechat_openid == coming.wechat_openid and channel.created_at == coming.created_at


def _is_live(coming: ComingChannel) -> bool:
    return coming.status is not ChannelStatus.INACTIVE and bool(coming.bot_token)


def _add(draft: Draft, coming: ComingChannel, channel: Channel) -> Channel:
    keeps_id = coming.old_id > 0 and draft.channel(ChannelId(coming.old_id)) is None
    return draft.add_channel(replace(channel, id=ChannelId(coming.old_id if keeps_id else 0)))


def _bound(draft: Draft, user: User, coming: ComingChannel) -> Channel:
    """With its tokens; one without is dead until its WeChat scans."""
    is_live = _is_live(coming)
    channels = [c for c in draft.channels_of(user.id) if not c.is_deleted]
    founded = user.wechat_openid == coming.wechat_openid or (user.wechat_openid is None and not channels)
    return Channel(
        id=ChannelId(0),
        user_id=user.id,
        name=coming.name or (f"Channel {len(channels) + 1}" if channels else FIRST_NAME),
        wechat_openid=coming.wechat_openid,
        bot_id=coming.bot_token.reveal().partition("@")[0] + "@im.bot",
        bot_token=coming.bot_token,
        base_url=coming.base_url or draft.config.ilink.base_url,
        status=coming.status if is_live else ChannelStatus.INACTIVE,
        inactive_reason=None if is_live else InactiveReason.SESSION_EXPIRED,
        context_token=coming.context_token,
        window=_window(draft, coming),
        created_at=coming.created_at,
        bound_at=coming.bound_at,
        can_login=founded,
        activated_at=coming.activated_at,
        last_inbound_at=coming.last_inbound_at,
    )


def _renewed(draft: Draft, user: User, here: Channel, coming: ComingChannel) -> Channel:
    """As after a new scan: the other database's token; id, name, waiting rows and what was learned stay."""
    fresh = _bound(draft, user, coming)
    return replace(
        fresh,
        id=here.id,
        name=here.name,
        is_default=here.is_default,
        can_login=here.can_login,
        created_at=here.created_at,
        bound_at=draft.now,
        activated_at=here.activated_at or fresh.activated_at,
        window=replace(
            fresh.window,
            life=here.window.life,
            worked_age=here.window.worked_age,
            gives_ids=here.window.gives_ids,
        ),
    )


def _window(draft: Draft, coming: ComingChannel) -> Window:
    """Never guessed open: how much of it the other BotTalk has used, its database does not say.

    Closed as `age` where its user has written since the binding; the first push is the probe that finds out, and the
    user's next word opens it in any case. Half-dead ones wait for that word, and so do those never opened.
    """
    window = windows.fresh(draft.config.delivery)
    if coming.status is ChannelStatus.PENDING:
        return window
    why = Closed.AGE if coming.half_dead_at is None else Closed.SESSION
    return replace(
        window,
        epoch=1,
        opened_at=coming.last_inbound_at,
        closed=why,
        closed_at=coming.half_dead_at or draft.now,
        probed_at=RIPE,
    )


def _archived(draft: Draft, user: User, coming: ComingChannel) -> Channel:
    """A deleted channel: its log has a name, and a later scan of its WeChat finds it."""
    return Channel(
        id=ChannelId(0),
        user_id=user.id,
        name=coming.name or "-",
        wechat_openid=coming.wechat_openid,
        bot_id="",
        bot_token=Secret(""),
        base_url="",
        status=ChannelStatus.INACTIVE,
        inactive_reason=InactiveReason.DELETED,
        inactive_at=draft.now,
        window=windows.fresh(draft.config.delivery),
        created_at=coming.created_at,
        bound_at=coming.bound_at,
    )


def _one_default(draft: Draft, user: User, wanted: set[int | None]) -> None:
    """The account keeps the default it has; else the newest live one that was it, the oldest live one, a dead one."""
    found = [channel for channel in draft.channels_of(user.id) if not channel.is_deleted]
    if not found or any(channel.is_default for channel in found):
        return
    live = [channel for channel in found if channel.is_live]
    was = [channel for channel in found if channel.id in wanted]
    newest = [channel for channel in reversed(was) if channel.is_live]
    draft.put_channel(replace((newest or live or was or found)[0], is_default=True))
