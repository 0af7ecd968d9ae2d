"""What holds for every test."""

from collections.abc import Iterator

import pytest

from tests.support.leaks import watched


@pytest.fixture(autouse=True)
def no_secret_is_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does: no secret that it minted is in a line that it logged. One marked `leaks` plants one."""
    with watched() as minted:
        yield
    found = minted.leaks()
    if request.node.get_closest_marker("leaks"):
        assert found != [], "a planted leak was not found"
    else:
        assert found == []
