"""The files of deploy/ that systemd reads."""

import configparser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SERVICES = (DEPLOY / "bottalk.service", DEPLOY / "bottalk-backup.service")
UNITS = (*SERVICES, DEPLOY / "bottalk-backup.timer")


def parsed(unit: Path) -> configparser.ConfigParser:
    """A unit's sections. Of a name that comes more than once, the last one."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of names
    parser.read_string(unit.read_text(encoding="utf-8"))
    return parser


def environment(service: Path) -> dict[str, str]:
    return dict(word.split("=", 1) for word in parsed(service)["Service"]["Environment"].split())
