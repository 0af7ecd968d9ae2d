"""What BotTalk says of its own accord. Its words are rows like any push: born here, sent and settled like the others.

They are born in the transaction of what they tell of, so each is said once. A word that is empty is not said.
"""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from bottalk.delivery import telling
from bottalk.delivery import window as windows
from bottalk.delivery.literal import literal
from bottalk.directory import wanted_channels
from bottalk.messages import Accept, Notice, Nudge
from bottalk.store import pushes as push_rows
from bottalk.values import SYSTEM, Channel, Priority, Reminder
from bottalk.verbs.draft import Draft
from bottalk.verbs.pushes import accept

STATUS_KEY, NUDGE_KEY, NOTICE_KEY = " status", " nudge", " notice:{id}"
"""Of several such rows that wait, the newest is right. No client's replace_key begins with a space."""


def welcome(draft: Draft, channel: Channel) -> None:
    """To who has written for the first time: how to push."""
    text = draft.words.welcome.format(url=draft.config.public_url, quota=draft.config.delivery.quota)
    _say(draft, channel, text)


def answer_status(draft: Draft, channel: Channel) -> None:
    """How the window stands when this answer is out, and what waits beside it."""
    closes_at = windows.closes_at(channel.window) or draft.now
    text = draft.words.status.format(
        left=windows.left(channel.window, draft.now, draft.config.delivery) - 1,
        time=_clock(draft, closes_at),
        count=len(push_rows.waiting_pushes(draft.connection, channel.id)),
    )
    _answer(draft, channel, text, STATUS_KEY)


def answer_cleared(draft: Draft, channel: Channel, count: int) -> None:
    """How many waiting pushes were settled."""
    _answer(draft, channel, draft.words.cleared.format(count=count))


def nudge(draft: Draft, m: Nudge) -> int:
    """How many users are reminded that their window is about to close; each at most once in a window."""
    if not draft.words.nudge:
        return 0
    waking = telling.waking_of(draft.config.delivery, ZoneInfo(draft.config.tz))
    count = 0
    for channel_id in m.channel_ids:
        channel = draft.channel(channel_id)
        if channel is None or not _may_be_told(draft, channel):
            continue
        if not telling.is_nudge_due(channel, draft.now, waking, draft.config.delivery):
            continue
        reminders = reminders_for(channel, draft.channels_of(channel.user_id), draft.reminders_of(channel.user_id))
        if telling.has_use(channel, reminders, is_welcomed=bool(draft.words.welcome)):
            _nudge(draft, channel, telling.nudge_ttl(channel.window, draft.now, waking))
            count += 1
    return count


def reminders_for(channel: Channel, own: list[Channel], reminders: Iterable[Reminder]) -> list[Reminder]:
    """Those of the account's reminders that go to this one of its channels."""
    return [one for one in reminders if channel.id in {to.id for to in wanted_channels(one.channel, own)}]


def notice(draft: Draft, m: Notice) -> int:
    """How many of the account's other channels are told that pushes wait for this one; once for each closing."""
    channel = draft.channel(m.channel_id)
    if channel is None or not _may_be_told(draft, channel):
        return 0
    settings = draft.config.delivery
    closing = telling.closing(channel, draft.now, settings)
    if not closing or closing == channel.noticed:
        return 0
    words = draft.words.dead_elsewhere if channel.is_dead else draft.words.closed_elsewhere
    count = push_rows.count_pushes(draft.connection, channel.id, draft.now)
    others = [
        other
        for other in draft.channels_of(channel.user_id)
        if other.id != channel.id and telling.can_carry_notice(other, draft.now, settings)
    ]
    if not count or not others or not words:
        return 0
    text = words.format(channel=literal(channel.name), count=count)
    for other in others:
        _say(draft, other, text, ttl=_open_for(draft, other), replace_key=NOTICE_KEY.format(id=channel.id))
    draft.put_channel(replace(channel, noticed=closing))
    return len(others)


def _nudge(draft: Draft, channel: Channel, ttl: float) -> None:
    window = channel.window
    text = draft.words.nudge.format(
        left=windows.left(window, draft.now, draft.config.delivery) - 1,
        time=_clock(draft, windows.closes_at(window) or draft.now),
    )
    _say(draft, channel, text, ttl=ttl, replace_key=NUDGE_KEY)
    draft.put_channel(replace(channel, nudged_epoch=window.epoch))


def _may_be_told(draft: Draft, channel: Channel) -> bool:
    user = draft.user(channel.user_id)
    return user is not None and not user.is_disabled and not channel.is_deleted


def _answer(draft: Draft, channel: Channel, text: str, replace_key: str | None = None) -> None:
    """An answer goes before what waits, and is stale when the window is over."""
    ttl = _open_for(draft, channel)
    _say(draft, channel, text, priority=Priority.URGENT, ttl=ttl, replace_key=replace_key)


def _say(
    draft: Draft,
    channel: Channel,
    text: str,
    *,
    priority: Priority = Priority.NORMAL,
    ttl: float | None = None,
    replace_key: str | None = None,
) -> None:
    """A row of ours, on the path of every push. `ttl`: seconds that it is worth delivering, None: as any push."""
    if not text:
        return
    accept(
        draft,
        Accept(
            user_id=channel.user_id,
            title="",
            text=text,
            channels=(channel.id,),
            source=SYSTEM,
            ip=SYSTEM,
            priority=priority,
            ttl=ttl,
            replace_key=replace_key,
        ),
    )


def _open_for(draft: Draft, channel: Channel) -> float:
    """Seconds until the channel's window closes."""
    return max(telling.SHORTEST_S, (windows.closes_at(channel.window) or draft.now) - draft.now)


def _clock(draft: Draft, when: float) -> str:
    return datetime.fromtimestamp(when, ZoneInfo(draft.config.tz)).strftime("%m-%d %H:%M")
