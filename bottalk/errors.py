"""Error roots, and the table of what the push API answers (code, HTTP status, text)."""

from enum import Enum


class BotTalkError(Exception):
    """Root of the errors that a layer hands to the one above it. Their texts are safe to log."""


class CannotWrite(BotTalkError):
    """The journal could not commit (disk full, read-only, locked, I/O error): nothing of the message was kept."""


class Invalid(BotTalkError):
    """Input from outside is malformed. The text says which field and why; `status` is the HTTP status."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Refused(BotTalkError):
    """A use case says no. `text` is the contract's, in Chinese, to show; `status` is the HTTP status."""

    def __init__(self, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class NoAccount(BotTalkError):
    """The account is gone or disabled: its keys and sessions count for nothing."""


class Refusal(Enum):
    """Answers of the push API that keep nothing: code, text, HTTP status with `strict=1`, and the English constant."""

    BAD_INPUT = (40000, "", 400, "BAD_INPUT")
    BAD_KEY = (40001, "SendKey 无效", 401, "BAD_SENDKEY")
    NO_KEY = (40001, "缺少 key 参数", 401, "BAD_SENDKEY")
    NO_CHANNEL = (40002, "没有可用的推送通道，请先绑定并激活通道", 409, "NO_CHANNEL")
    CONFLICT = (40005, "Idempotency-Key 已用于另一条消息", 409, "IDEMPOTENCY_CONFLICT")
    RATE_LIMIT = (42901, "发送频率超限（每小时最多{limit}条）", 429, "RATE_LIMITED")
    EMPTY = (40003, "title 和消息内容不能同时为空", 400, "EMPTY_MESSAGE")
    NO_PUSH = (40004, "推送记录不存在", 404, "PUSH_NOT_FOUND")
    BUSY = (50301, "服务繁忙或暂时无法保存消息，请稍后重试", 503, "BUSY")
    BUG = (50000, "服务器内部错误", 500, "INTERNAL_ERROR")

    @property
    def code(self) -> int:
        return self.value[0]

    @property
    def text(self) -> str:
        return self.value[1]

    @property
    def strict_status(self) -> int:
        return self.value[2]

    @property
    def constant(self) -> str:
        return self.value[3]


ALL_FAILED = (50001, "全部推送失败", "ALL_FAILED")
CANNOT_SAVE = "服务繁忙或暂时无法保存，请稍后重试"
"""What management routes answer, with 503, where the journal cannot write."""
RETRY_AFTER_S = 5
"""Seconds named in `Retry-After` where nothing was kept for now."""


class OtherContent(BotTalkError):
    """The idempotency key was used for another message."""


class TooManyCodes(BotTalkError):
    """As many QR codes are open as may be, from this address or in all."""
