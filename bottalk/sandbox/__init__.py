"""A faithful iLink inside the package: for tests, for `bottalk demo`, and to try BotTalk without a WeChat account.

It shares no code with `bottalk.ilink`: one misreading of the protocol must not be made twice and so pass its own test.
"""
