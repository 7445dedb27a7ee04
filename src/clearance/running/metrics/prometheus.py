"""Measurements as Prometheus reads them: counters in a registry of this process, and the state of
the installation at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clearance.api.metrics import RequestMetrics
from clearance.flow.context import Context
from clearance.running.metrics.families import COUNTED, LOOKED_AT, Family, Measure, Sample
from clearance.running.metrics.installation import Queued, Watch, sweep_samples

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)


class Metrics:
    """A `Meter` in a registry of its own. What the process's door counts is in it too."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = RequestMetrics(self.registry)
        self._counters = {
            family.name: _counter(family, self.registry)
            for family in COUNTED
            if family.measure is Measure.COUNTER
        }
        self._gauges = {
            family.name: Gauge(family.name, family.help, registry=self.registry)
            for family in COUNTED
            if family.measure is Measure.GAUGE
        }
        self._histograms = {
            family.name: Histogram(
                family.name, family.help, buckets=SECONDS, registry=self.registry
            )
            for family in COUNTED
            if family.measure is Measure.HISTOGRAM
        }

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""
        self._counters[name].labels(**labels).inc()

    def took(self, name: str, seconds: float) -> None:
        """Adds one observation to a histogram."""
        self._histograms[name].observe(seconds)

    def under_way(self, name: str, change: int) -> None:
        """Moves a gauge of what the process itself is doing."""
        self._gauges[name].inc(change)


class Exposition:
    """All that a process measures, as its door answers it at `/metrics`."""

    def __init__(self, metrics: Metrics, context: Context, queued: Queued | None = None) -> None:
        self.requests = metrics.requests
        self._metrics = metrics
        self._context = context
        self._watch = Watch(context, queued)

    async def text(self) -> bytes:
        """Everything in the text format of Prometheus; also while the store is away."""
        samples = [*await self._watch.samples(), *sweep_samples(self._context)]
        return generate_latest(self._metrics.registry) + generate_latest(_Gauges(samples))


class _Gauges(Collector):
    """The observed values, family by family; an unknown family has no sample."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for family in LOOKED_AT:
            gauge = GaugeMetricFamily(family.name, family.help, labels=tuple(family.labels))
            for sample in self._samples:
                if sample.name == family.name:
                    values = [sample.labels[label] for label in family.labels]
                    gauge.add_metric(values, sample.value)
            yield gauge


def _counter(family: Family, registry: CollectorRegistry) -> Counter:
    """A counter that has all its series from the start: what has not happened yet is 0."""
    counter = Counter(family.name, family.help, tuple(family.labels), registry=registry)
    for values in product(*(sorted(family.labels[label]) for label in family.labels)):
        counter.labels(*values)
    return counter
