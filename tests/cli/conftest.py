"""Commands run in the tests' own process."""

from collections.abc import Iterator

import pytest
import structlog

from bottalk.config import Config


@pytest.fixture(autouse=True)
def _quiet_commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command may set the log's level, but not bind the loggers of all later tests to its streams."""

    def level_only(config: Config) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(config.log_level))

    monkeypatch.setattr("bottalk.cli.settings.configure", level_only)
    yield
    structlog.reset_defaults()
