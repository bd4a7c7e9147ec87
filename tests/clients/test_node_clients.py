"""The unmodified clients for Node: @segment/analytics-node and @rudderstack/rudder-sdk-node."""

from __future__ import annotations

import pytest

from tests.clients import node
from tests.clients.shop import Losing, assert_all_is_known, serving
from tests.web.homes import WRITE_KEY, Home

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(
    "arguments", [("segment.cjs",), ("rudder.cjs", "gzip"), ("rudder.cjs", "plain")], ids=lambda found: " ".join(found)
)
@pytest.mark.parametrize("lost", [0, 2])
def test_a_client_is_understood(home: Home, arguments: tuple[str, ...], lost: int) -> None:
    """All calls arrive once, of one person, also when the first answers are lost and the client sends them again."""
    app = Losing(home.app, lost)
    with serving(app) as address:
        node.run(arguments[0], address, WRITE_KEY, *arguments[1:])
    assert_all_is_known(home, repeated=lost > 0)
    assert app.answers.count(200) >= 1
    assert app.answers.count(500) == lost
