"""What a server counts, in the words of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Dropping(Protocol):
    """A log that counts the answers which it lost."""

    dropped: int


class _Dropped(Collector):
    def __init__(self, log: Dropping) -> None:
        self._log = log

    def collect(self) -> Iterator[CounterMetricFamily]:
        text = "Answers that could not be logged"
        yield CounterMetricFamily("mineralsweep_log_dropped", text, self._log.dropped)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mineralsweep_requests", "Requests by route and status",
            ("route", "status"), registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "mineralsweep_request_seconds", "Time from a request to its answer",
            ("route",), buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._images = Counter(
            "mineralsweep_images", "Images by label and verdict",
            ("label", "verdict"), registry=self._registry,
        )  # fmt: skip
        self._waiting = Gauge(
            "mineralsweep_requests_under_way", "Requests under way", registry=self._registry
        )
        self._model = Gauge(
            "mineralsweep_model", "The model that answers: 1", ("uri",), registry=self._registry
        )

    def began(self) -> None:
        """Count a request that has begun."""
        self._waiting.inc()

    def ended(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._waiting.dec()
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, answers: Iterable[Any]) -> None:
        """Count images; each has a label and a verdict, either may be None."""
        for label, verdict in answers:
            self._images.labels(label or "", verdict or "").inc()

    def follow(self, log: Dropping) -> None:
        """Count what a log drops."""
        self._registry.register(_Dropped(log))

    def text(self, uri: str) -> bytes:
        """Return all of it, as Prometheus reads it; `uri`: of the model that answers now."""
        self._model.clear()
        self._model.labels(uri).set(1)
        return generate_latest(self._registry)
