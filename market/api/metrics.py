"""Prometheus metrics of one server: requests by path template, streams, and how far each market is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from market.api.answers import TEMPLATE
from market.indexer.queries import Reader

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """A server's metrics in a registry of their own, so that several can live in one process."""

    def __init__(self, reader: Reader, streams: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gramercy_http_requests", "Answers by path and status", ["method", "path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "gramercy_http_request_seconds", "Time to answer", ["path"], buckets=_BUCKETS, registry=self.registry
        )
        self.deliveries = Counter(
            "gramercy_hook_deliveries", "Notifications by outcome", ["outcome"], registry=self.registry
        )
        open_streams = Gauge("gramercy_streams", "Open event streams", registry=self.registry)
        open_streams.set_function(streams)
        self.registry.register(_Index(reader))

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer; paths that do not exist count as one."""
        path = str(scope.get(TEMPLATE) or getattr(scope.get("route"), "path", "other"))
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
        self.requests.labels(method, path, str(status)).inc()
        if not path.endswith("/stream"):
            self.seconds.labels(path).observe(seconds)

    def count_delivery(self, outcome: str) -> None:
        """Count one attempt to tell a hook."""
        self.deliveries.labels(outcome).inc()

    def text(self) -> bytes:
        """Return the exposition format."""
        return generate_latest(self.registry)


class _Index(Collector):
    """How far the index is, asked when somebody looks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        labels = ["chain_id", "market"]
        block = GaugeMetricFamily("gramercy_index_block", "Newest block that is indexed", labels=labels)
        behind = GaugeMetricFamily("gramercy_index_blocks_behind", "Blocks not indexed yet", labels=labels)
        lag = GaugeMetricFamily("gramercy_index_lag_seconds", "Since the chain was last asked", labels=labels)
        for one in self._reader.markets():
            names = [str(one.chain_id), one.address]
            block.add_metric(names, one.head.block)
            behind.add_metric(names, max(0, one.head.chain_block - one.head.block))
            lag.add_metric(names, one.head.lag_seconds)
        yield from (block, behind, lag)
