"""What BotTalk itself says on the phone: every word of it, so that an operator can put other words there."""

from msgspec import Struct


class Words(Struct, frozen=True):
    """The channel's own words. Names in braces stand for values; each text may use those its default uses."""

    digest: str = "共 {count} 条消息"
    """Heads a message that carries several pushes."""
    more_link: str = "…\n\n全文：{url}"
    """Ends a text that is too long for one message and has a page."""
    more_missing: str = "…\n\n（后面还有 {count} 个字未显示）"
    """Ends the last part of a text that no page can show."""
    blank: str = "（这条消息没有可以显示的内容）"
    """Stands for a text of which nothing is left that WeChat shows."""
    few_left: str = "（还可以收 {left} 条，回复任意内容即可续期）"
    """Ends the message after which only two more may go."""
    last: str = "（这是最后一条：请回复任意内容，才能继续接收）"
    """Ends the last message of a window."""
    welcome: str = (
        "已激活，可以接收推送了。\n\n用网页上的 SendKey 推送：\n{url}/你的SendKey.send?title=标题&desp=正文\n\n"
        "微信限制：每次回复后约可接收 {quota} 条，一天内有效；回复任意内容即可续期。"
        "回复“状态”查看，回复“清空”丢弃等待的消息。"
    )
    """Once, when the user has first written."""
    nudge: str = "（{left} 条额度将于 {time} 到期，回复任意内容，继续接收推送）"
    """Once before a window closes by its age."""
    closed_elsewhere: str = "通道“{channel}”暂时收不到推送，有 {count} 条在等待：请在那个微信里给机器人回复任意内容。"
    """To the account's other channels, when one closes while something waits for it."""
    dead_elsewhere: str = "通道“{channel}”的登录已失效，有 {count} 条在等待：请重新扫码绑定。"
    """To the account's other channels, when one dies while something waits for it."""
    status: str = "还可以收 {left} 条，{time} 到期，{count} 条在等待。"
    """Answers the command of `status_words`."""
    cleared: str = "已清空 {count} 条等待的消息。"
    """Answers the command of `clear_words`."""
    status_words: tuple[str, ...] = ("状态", "status")
    clear_words: tuple[str, ...] = ("清空",)


DEFAULT = Words()
