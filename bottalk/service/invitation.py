"""The word that newcomers may have to give."""

import hmac

from bottalk.config import Config
from bottalk.values import Secret

NO_WORD = Secret("")


def is_invited(config: Config, word: Secret) -> bool:
    """Whether it is the word of the setting `invite`; an empty setting invites nobody."""
    if not config.invite:
        return False
    given = word.reveal().strip().encode("utf-8", "surrogatepass")
    return hmac.compare_digest(given, config.invite.reveal().strip().encode("utf-8", "surrogatepass"))
