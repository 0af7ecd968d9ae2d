"""Which settings count at once when they are read anew, and how a running daemon takes them over."""

import dataclasses

from bottalk.config.settings import Config, DeliverySettings, table, value_of

LIVE = frozenset(
    (
        "log_level",
        "log_format",
        "rate_limit",
        "max_channels",
        "registration",
        "invite",
        "admin_sees_text",
        "log_days",
        "log_texts",
        "rewrite_up_to",
        "monitor_token",
        "codes_per_address",
        "codes_in_all",
        "alert_url",
        "alert_disk_free",
        *(f"delivery.{f.name}" for f in dataclasses.fields(DeliverySettings)),
    )
)
"""Settings that count at once when they are read anew: whoever needs one looks at the daemon's `Config` each time. All
others are built into what is open, and wait for a restart."""


def changed(before: Config, after: Config) -> list[str]:
    """The dotted names of the settings that are not the same in both, in the table's order."""
    return [s.name for s in table() if value_of(before, s.name) != value_of(after, s.name)]


def take_over(config: Config, found: Config) -> list[str]:
    """Give a running daemon's `config` the live settings of `found`; the names of those that have changed.

    The one place where a Config changes: in place, because all parts of the daemon hold this one, and its `delivery`.
    They are frozen to everybody else. No await: on trio's thread nobody sees half of it.
    """
    names = [name for name in changed(config, found) if name in LIVE]
    for name in names:
        section, _, last = name.rpartition(".")
        owner = value_of(config, section) if section else config
        object.__setattr__(owner, last, value_of(found, name))
    return names
