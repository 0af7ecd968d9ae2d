"""The settings: the table of all (`settings`), where their values come from (`loading`), what a value may be
(`parsing`, `checks`), and which count at once when they are read anew (`live`).
"""

from bottalk.config.live import LIVE, changed, take_over
from bottalk.config.loading import ConfigError, Loaded, load, read
from bottalk.config.settings import Config, DeliverySettings, IlinkSection, Setting, table, value_of

__all__ = [
    "LIVE",
    "Config",
    "ConfigError",
    "DeliverySettings",
    "IlinkSection",
    "Loaded",
    "Setting",
    "changed",
    "load",
    "read",
    "table",
    "take_over",
    "value_of",
]
