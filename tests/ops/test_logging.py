"""What a crash writes to the log."""

from collections.abc import Iterator

import pytest
import structlog

from bottalk.config import Config
from bottalk.ops.logging import configure

TOKEN = "-".join(("planted", "token"))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_values(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Config(log_format=form))
    try:
        crash(TOKEN)
    except RuntimeError:
        structlog.get_logger().exception("actor.crashed")
    told = capsys.readouterr().err
    assert "RuntimeError: a bug" in told
    assert TOKEN not in told


def crash(token: str) -> None:
    raise RuntimeError("a bug")
