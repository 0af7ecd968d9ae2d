"""Logs as a process writes them: JSON lines, levels and formats that can be set anew, secrets hidden."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.leaks import leaks

ROOT = Path(__file__).parents[2]

HEAD = """
import logging
from dataclasses import replace
import structlog
from bottalk.config import Config
from bottalk.ops.logging import configure
from bottalk.tracing import request_id
from bottalk.values import Secret
log = structlog.get_logger()
def to(**changes): configure(replace(Config(), log_format="json", **changes))
"""


def written(script: str) -> list[str]:
    """What a process writes to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + script], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return done.stderr.splitlines()


def test_a_line_is_json_with_time_level_and_event_first() -> None:
    lines = written('to()\nrequest_id.set("r-1")\nlog.info("a.b", n=1, word="词", none=None, key=Secret("hush"))')
    (line,) = map(json.loads, lines)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    said = {"event": "a.b", "level": "info", "n": 1, "word": "词", "none": None, "request": "r-1", "key": "Secret(…)"}
    assert line == said
    assert "词" in lines[0]


def test_an_error_has_its_traceback() -> None:
    script = 'to()\ntry: 1/0\nexcept ZeroDivisionError as e: log.error("x", exc_info=e)\n'
    (line,) = map(json.loads, written(script))
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]


def test_what_json_does_not_know_is_said_all_the_same() -> None:
    lines = written('to()\nlog.info("x", odd="\\ud800")\nlog.info("y", odd={object: 1})')
    assert [json.loads(line)["event"] for line in lines] == ["x", "y"]


def test_level_and_format_can_be_set_anew() -> None:
    lines = written(
        'to(log_level="warning")\nlog.info("no")\nlog.warning("yes")\n'
        'to(log_level="debug")\nlog.debug("now")\n'
        'configure(replace(Config(), log_format="console"))\nlog.info("plain")\nlog.debug("not any more")'
    )
    assert [json.loads(line)["event"] for line in lines[:2]] == ["yes", "now"]
    assert len(lines) == 3
    assert "plain" in lines[2]
    assert not lines[2].startswith("{")


def test_what_libraries_warn_of_is_a_line_too() -> None:
    lines = written('to()\nlogging.getLogger("x").warning("w %d", 1)\nlogging.getLogger("httpx").info("no")')
    (line,) = map(json.loads, lines)
    assert (line["event"], line["level"]) == ("w 1", "warning")


@pytest.mark.parametrize("line", ["x SECRET-0123456789", "GET /SECRET-0123456789.send", "SECRET-0123456789"])
def test_the_search_finds_a_secret_within_a_line(line: str) -> None:
    assert leaks([line], {"SECRET-0123456789", "other-secret-123"}) != []
    assert leaks([line], {"other-secret-123", "short"}) == []


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_values(form: str) -> None:
    lines = written(
        f'configure(replace(Config(), log_format="{form}"))\n'
        'def crash(token): raise RuntimeError("a bug")\n'
        'try: crash("-".join(("planted", "token")))\n'
        'except RuntimeError: log.exception("actor.crashed")'
    )
    told = "\n".join(lines)
    assert "RuntimeError: a bug" in told
    assert "planted-token" not in told
