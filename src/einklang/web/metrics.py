"""Figures for Prometheus: what this process answered, and what the Book holds, read when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from einklang.app.queries import Figures

# A moment of creation would be read from the clock, and says nothing here.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library lacks this annotation
_COUNTED = {
    "accepted": "Events that were acknowledged",
    "in_log": "Entries of the log",
    "projected": "Entries that were folded into the state",
    "duplicates": "Events that were dropped as repeated",
    "dead_letters": "Events that were put aside",
    "unknown_outcomes": "Hand-overs of which nobody knows whether they arrived",
    "sent_again": "Hand-overs that were tried again after an unknown outcome",
}


class _BookFigures(Collector):
    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """One reading of the Book."""
        found = self._figures()
        for name, text in _COUNTED.items():
            yield CounterMetricFamily(f"einklang_{name}", text, value=found.counters.get(name, 0))
        yield GaugeMetricFamily("einklang_pending", "Events that are stored and not folded yet", value=found.pending)
        yield GaugeMetricFamily(
            "einklang_tail_age_seconds", "Age of the oldest body not yet expanded", value=found.tail_age_s
        )
        outbox = GaugeMetricFamily("einklang_outbox", "Messages by status", labels=["status"])
        for status, count in found.outbox:
            outbox.add_metric([status], count)
        yield outbox
        deliveries = GaugeMetricFamily(
            "einklang_deliveries", "Changes that a webhook has not got", labels=["destination", "status"]
        )
        for name, status, count in found.deliveries:
            deliveries.add_metric([name, status], count)
        yield deliveries
        faults = GaugeMetricFamily(
            "einklang_destination_failing", "1 where the last try failed or somebody stopped it", labels=["destination"]
        )
        for name, failing in found.destinations:
            faults.add_metric([name], int(failing))
        yield faults

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: registering must not read the Book."""
        return []


class Metrics:
    """The registry of one server."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_BookFigures(figures))
        self._requests = Counter(
            "einklang_collect_requests", "Answers of the tracking API", ["status"], registry=self.registry
        )
        self._items = Counter("einklang_collect_items", "Judged events", ["verdict"], registry=self.registry)

    def collected(self, status: int) -> None:
        """One answer of the tracking API."""
        self._requests.labels(str(status)).inc()

    def judged(self, admitted: int, rejected: int) -> None:
        """Items of one body."""
        self._items.labels("admitted").inc(admitted)
        self._items.labels("rejected").inc(rejected)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
