"""All use cases of an open daemon, for the edges."""

from dataclasses import dataclass

from bottalk.service.accounts import Accounts
from bottalk.service.channels import Channels
from bottalk.service.figures import Figures
from bottalk.service.imports import Imports
from bottalk.service.logs import Logs
from bottalk.service.operations import Operations
from bottalk.service.pushes import Pushes
from bottalk.service.reminders import Reminders
from bottalk.service.sessions import Sessions
from bottalk.service.stats import Stats
from bottalk.service.status import Status
from bottalk.service.texts import Texts
from bottalk.service.users import Users


@dataclass(frozen=True, slots=True)
class Services:
    pushes: Pushes
    channels: Channels
    accounts: Accounts
    sessions: Sessions
    reminders: Reminders
    logs: Logs
    texts: Texts
    stats: Stats
    status: Status
    users: Users
    operations: Operations
    imports: Imports
    figures: Figures
