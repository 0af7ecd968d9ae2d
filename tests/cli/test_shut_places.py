"""Places that may not be looked into: one line that names the place, and 73. A name too long for any file system stands
in for another account's directory, which a test that runs as root could look into.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bottalk.cli.exits import CANNOT_OPEN
from tests.cli.commands import here

SHUT = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("backup",),
        ("restore", "whatever.db"),
        ("user", "list"),
        ("channel", "list"),
        ("status",),
        ("import", "old.db"),
        ("import", "old.db", "--dry-run"),
    ],
)
def test_a_shut_data_directory(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("old.db")) as connection:
        connection.execute("CREATE TABLE users (id INTEGER, send_key TEXT)")
    found = here(*words, data_dir=tmp_path / SHUT)
    assert found.exit_code == CANNOT_OPEN, found.exception
    assert SHUT in found.stderr
    assert found.stderr.startswith("bottalk: ")


@pytest.mark.parametrize("words", [("restore",), ("import",), ("import", "--dry-run")])
def test_a_shut_file(words: tuple[str, ...], tmp_path: Path) -> None:
    found = here(*words, str(tmp_path / SHUT / "old.db"), data_dir=tmp_path / "data")
    assert found.exit_code == CANNOT_OPEN, found.exception
    assert SHUT in found.stderr
    assert found.stderr.startswith("bottalk: ")
