"""Webhooks over a Book on PostgreSQL: told, refused, dead, told again, held, as over one on SQLite."""

from __future__ import annotations

import pytest

from einklang.app.activation_health import act, list_deliveries, list_destinations
from einklang.app.apply import apply
from einklang.app.destinations import stand_of
from einklang.app.run import settle_definitions
from einklang.channel import Answer
from einklang.store.book import PostgresBook
from einklang.testing.cluster import Cluster
from tests.app.worlds import SALT, documents, engine_of
from tests.deliver.post import DAY, NOW, Post
from tests.deliver.test_webhooks import DEFINITIONS, Hooks, tell, vip

pytestmark = pytest.mark.stores


def test_the_same_on_postgres(cluster: Cluster) -> None:
    """Each statement of webhooks does there what it does here."""
    schema = "webhooks"
    with PostgresBook.create(cluster.url(schema=schema), SALT) as book:
        apply(book, list(documents(DEFINITIONS)), now=NOW)
        settle_definitions(book, engine_of(book))
        it = Post(book)  # type: ignore[arg-type]  # it does the same
        bad = [True]
        hooks = Hooks(lambda item: Answer("failed", 400, "HTTP 400") if bad[0] else Answer("sent", 200))
        tell(it, hooks)
        vip(it)
        for _ in range(9):
            tell(it, hooks, DAY // 4)
        definitions = it.engine.state.definitions
        (dead,) = list_deliveries(book, definitions, "crm", "dead").items
        assert dead.reason == "HTTP 400"
        act(book, definitions, "crm", "pause", actor="ada", now=it.now)
        act(book, definitions, "crm", "replay", actor="ada", now=it.now, seq=dead.seq)
        act(book, definitions, "crm", "resume", actor="ada", now=it.now)
        it.tick()
        bad[0] = False
        vip(it, member=False)
        tell(it, hooks)
        shown = {one.id: (one.state, one.sent, one.dead) for one in list_destinations(book, definitions, it.now)}
        assert shown["crm"] == ("live", 2, 0)
        assert stand_of(book, "crm").error == ""
        assert hooks.told("crm")[-2:] == [("segment.entered", "vip", ""), ("segment.left", "vip", "")]
    cluster.drop(schema)
