"""BotTalk: self-hosted WeChat push over Tencent's iLink Bot API."""

__version__ = "0.1.0"
