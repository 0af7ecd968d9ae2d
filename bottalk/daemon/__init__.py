"""The daemon: opens what a running BotTalk needs (`opening`), makes its actors and use cases (`building`) and the tree
that starts and stops them in order (`tree`). The one place where the parts are handed each other.
"""

from bottalk.daemon.opening import open_daemon, style_of
from bottalk.daemon.running import Daemon, TreeStatus

__all__ = ["Daemon", "TreeStatus", "open_daemon", "style_of"]
