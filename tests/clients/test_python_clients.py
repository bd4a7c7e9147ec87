"""The unmodified clients for Python: segment-analytics-python and rudder-sdk-python."""

from __future__ import annotations

from typing import Any

import pytest
from rudderstack.analytics.client import Client as RudderClient
from segment.analytics.client import Client as SegmentClient

from tests.clients.shop import Losing, assert_all_is_known, serving
from tests.web.homes import WRITE_KEY, Home


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("client_of", [SegmentClient, RudderClient], ids=["segment", "rudder"])
def test_a_client_is_understood(home: Home, client_of: Any, lost: int) -> None:
    """All calls arrive once, of one person, also when an answer is lost and the client sends them again."""
    errors: list[Any] = []
    app = Losing(home.app, lost)
    with serving(app) as address:
        client = client_of(
            WRITE_KEY, host=address, gzip=True, on_error=lambda error, batch: errors.append(error), upload_interval=0.05
        )
        client.track(None, "Product Viewed", {"product_id": "p-1"}, anonymous_id="a-1")
        client.identify("u-1", {"email": "ada@shop.example", "name": "Ada"}, anonymous_id="a-1")
        client.page("u-1", "Docs", "Home", {"url": "https://shop.example/"})
        client.track("u-1", "Order Completed", {"order_id": "o-1", "total": 19.99})
        client.group("u-1", "g-1", {"name": "Shop"})
        client.alias("old-1", "u-1")
        client.flush()
        client.join()
    assert errors == []
    assert_all_is_known(home, repeated=lost > 0)
    assert app.answers.count(500) == lost
