"""All use cases of an open daemon, for the edges."""

from dataclasses import dataclass

from bottalk.service.accounts import Accounts
from bottalk.service.channels import Channels
from bottalk.service.pushes import Pushes
from bottalk.service.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Services:
    pushes: Pushes
    channels: Channels
    accounts: Accounts
    sessions: Sessions
