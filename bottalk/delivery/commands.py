"""What a user's message asks for: a few words are commands, and nothing else is answered."""

from bottalk.values import Command
from bottalk.words import Words


def command_of(text: str, words: Words) -> Command | None:
    """The command that the whole of `text` is; None for any other message.

    Neither letter case nor white space around it matters, nor a full stop, with which a voice transcript ends.
    """
    said = _plain(text)
    if not said:
        return None
    for command, names in ((Command.STATUS, words.status_words), (Command.CLEAR, words.clear_words)):
        if said in map(_plain, names):
            return command
    return None


def _plain(text: str) -> str:
    return text.strip().removesuffix("。").removesuffix(".").strip().casefold()
