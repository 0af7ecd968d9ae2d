"""What an operator is told unasked: from what is seen to be wrong, to one message when it begins and one when it is
over. Pure: time comes in as an argument.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from bottalk.health import Level

CALM_S = 60.0
"""Seconds for which a trouble must not be seen before it counts as over: what comes and goes is one trouble."""

NAMED = 10
"""Channels that one message names; of more it says how many."""


class Trouble(StrEnum):
    ILINK_DOWN = "ilink_down"
    CHANNEL_DEAD = "channel_dead"
    CHANNEL_PARKED = "channel_parked"
    DISK_FULL = "disk_full"
    CANNOT_WRITE = "cannot_write"
    BACKUP_FAILED = "backup_failed"


class Rule(Struct, frozen=True):
    """`after`: seconds that a trouble must have lasted. `what` and `over` are titles, `advice` says what to do."""

    level: Level
    after: float
    what: str
    over: str
    advice: str


TABLE: dict[Trouble, Rule] = {
    Trouble.ILINK_DOWN: Rule(
        Level.RED, 600.0, "微信接口没有响应", "微信接口恢复响应", "推送已保存，恢复后自动补发。请检查网络和域名解析。"
    ),
    Trouble.CHANNEL_DEAD: Rule(
        Level.RED, 0.0, "通道登录失效", "通道登录失效已解除", "请重新扫码绑定。推送已保存，绑定后自动补发。"
    ),
    Trouble.CHANNEL_PARKED: Rule(
        Level.RED, 0.0, "通道反复出错已停下", "通道不再停着", "请查看日志，处理后重启该通道。"
    ),
    Trouble.DISK_FULL: Rule(Level.YELLOW, 0.0, "磁盘空间不足", "磁盘空间已恢复", "写满之后不再接受推送。请腾出空间。"),
    Trouble.CANNOT_WRITE: Rule(
        Level.RED,
        30.0,
        "数据库无法写入",
        "数据库恢复写入",
        "推送正被拒绝（50301）。请腾出空间，检查数据目录；不必重启。",
    ),
    Trouble.BACKUP_FAILED: Rule(
        Level.YELLOW, 0.0, "自动备份失败", "自动备份已恢复", "请腾出空间，检查 backup_dir；一小时后再试。"
    ),
}


class Sign(Struct, frozen=True):
    """One thing that is wrong now. `subject`: which one, where there are several; `since` is wall time."""

    trouble: Trouble
    since: float
    subject: str = ""
    detail: str = ""


class Alarm(Struct, frozen=True):
    """What is told: that a trouble has begun, or that it is over. `since`: when it began, wall time."""

    trouble: Trouble
    level: Level
    title: str
    text: str
    since: float
    is_over: bool


class _Known(Struct):
    sign: Sign
    seen_at: float
    is_told: bool = False


class Watch:
    """Remembers what was told. All of one trouble that begins or ends between two looks is one alarm.

    A dead channel that died before `started_at` (wall time) is not told: the run before this one has. Its recovery is.
    """

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._known: dict[tuple[Trouble, str], _Known] = {}

    def look(self, signs: Iterable[Sign], now: float) -> list[Alarm]:
        """`signs`: all that is wrong now. What begins is named before what is over."""
        for sign in signs:
            self._see(sign, now)
        return [*self._begun(now), *self._over(now)]

    def _see(self, sign: Sign, now: float) -> None:
        key = sign.trouble, sign.subject
        known = self._known.get(key)
        if known is None:
            is_old = sign.trouble is Trouble.CHANNEL_DEAD and sign.since < self._started_at
            self._known[key] = _Known(sign, now, is_told=is_old)
        else:
            known.seen_at = now

    def _begun(self, now: float) -> Iterable[Alarm]:
        for trouble, rule in TABLE.items():
            fresh = [
                known
                for (kind, _), known in self._known.items()
                if kind is trouble and not known.is_told and known.seen_at == now
                if now - known.sign.since >= rule.after
            ]
            if fresh:
                for known in fresh:
                    known.is_told = True
                yield _alarm(trouble, [known.sign for known in fresh], is_over=False)

    def _over(self, now: float) -> Iterable[Alarm]:
        # a clock that was set back starts the wait anew
        gone = {key: known for key, known in self._known.items() if not 0 <= now - known.seen_at < CALM_S}
        for key, known in gone.items():
            if known.seen_at > now:
                known.seen_at = now
            else:
                del self._known[key]
        for trouble in TABLE:
            ends = [
                known.sign
                for key, known in gone.items()
                if key[0] is trouble and known.is_told and key not in self._known
            ]
            if ends:
                yield _alarm(trouble, ends, is_over=True)


def _alarm(trouble: Trouble, signs: list[Sign], *, is_over: bool) -> Alarm:
    rule = TABLE[trouble]
    subjects = [sign.subject for sign in signs if sign.subject]
    named = "、".join(subjects[:NAMED]) + (f" 等 {len(subjects)} 个" if len(subjects) > NAMED else "")
    details = list(dict.fromkeys(sign.detail for sign in signs if sign.detail))[:NAMED]
    title = f"BotTalk：{rule.over if is_over else rule.what}"
    text = [] if not named else [named]
    if not is_over:
        text += [*details, rule.advice]
    return Alarm(
        trouble,
        Level.GREEN if is_over else rule.level,
        f"{title}（{named}）" if named else title,
        "\n\n".join(text) or title,
        min(sign.since for sign in signs),
        is_over,
    )
