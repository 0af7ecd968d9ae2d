"""The small files of the data directory that something else has had its hands on."""

from pathlib import Path

import pytest

from bottalk.ops import data_dir
from bottalk.ops.data_dir import DataDirError


def test_the_secret_of_sessions_is_made_once(tmp_path: Path) -> None:
    made = data_dir.session_secret(tmp_path)
    assert len(made.reveal()) == 64
    assert data_dir.session_secret(tmp_path) == made
    (tmp_path / "session_secret").write_bytes(b"\n")
    assert data_dir.session_secret(tmp_path) != made, "an empty one is made anew: with it anybody could sign"


@pytest.mark.parametrize("contents", [b"\xff\xfe" * 32, b"\0" * 65, b"short"])
def test_a_secret_of_sessions_that_is_none_is_told(contents: bytes, tmp_path: Path) -> None:
    """As a damaged disk leaves it: zeros would be a secret that everybody knows."""
    path = tmp_path / "session_secret"
    path.write_bytes(contents)
    with pytest.raises(DataDirError, match="remove it"):
        data_dir.session_secret(tmp_path)
    assert path.read_bytes() == contents


def test_what_stands_in_the_way_of_the_door_is_told(tmp_path: Path) -> None:
    (tmp_path / "bottalk.sock").mkdir()
    with pytest.raises(DataDirError, match=r"bottalk\.sock"):
        data_dir.operator_socket(tmp_path)
