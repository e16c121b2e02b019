"""What the service counts, and how it is exposed to Prometheus. Each service has a registry of its own."""

import math
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from visreward.protocol import ItemResult

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MAX_SOURCES = 200
"""Sources with a label of their own; later ones share `other`, so that clients cannot grow the registry."""
INLINE = "inline"
"""Label of every recipe that was written into its request."""


def _sign(value: float) -> str:
    return "negative" if value < 0 else "positive"


class Metrics:
    """Counters and histograms of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sources: set[str] = set()
        new = self.registry
        self.requests = Counter(
            "visreward_requests", "Requests by path and status.", ["path", "status"], registry=new
        )
        self.request_seconds = Histogram(
            "visreward_request_seconds", "Time to answer.", ["path"], registry=new, buckets=LATENCY_BUCKETS
        )
        self.stage_seconds = Histogram(
            "visreward_stage_seconds",
            "Time of one stage of a score request.",
            ["stage"],
            registry=new,
            buckets=LATENCY_BUCKETS,
        )
        self.items = Counter(
            "visreward_items",
            "Items answered, `code` is `ok` or an error code.",
            ["recipe", "source", "code"],
            registry=new,
        )
        self.rewards = Histogram(
            "visreward_reward",
            "Rewards given.",
            ["recipe"],
            registry=new,
            buckets=(-1, -0.5, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 5, 10),
        )
        self.reward_value = Counter(
            "visreward_reward_value",
            "Sum of rewards, those above and those below zero apart and without their sign.",
            ["recipe", "source", "sign"],
            registry=new,
        )
        self.part_value = Counter(
            "visreward_part_value",
            "Sum of parts of scored items, those above and those below zero apart and without their sign.",
            ["recipe", "part", "sign"],
            registry=new,
        )
        self.parts = Counter(
            "visreward_parts",
            "Parts of scored items; `value` is `none` where the term did not apply.",
            ["recipe", "part", "value"],
            registry=new,
        )
        self.groups = Counter(
            "visreward_groups",
            "Groups answered, by whether all their rewards were equal.",
            ["recipe", "tied"],
            registry=new,
        )
        self.asked = Counter(
            "visreward_work_asked", "Units of work that items asked for.", ["kind"], registry=new
        )
        self.done = Counter(
            "visreward_work_done", "Distinct units of work that were computed.", ["kind"], registry=new
        )
        self.cache = Counter(
            "visreward_cache_lookups", "Encodings looked up in the cache.", ["outcome"], registry=new
        )
        self.shared_cache = Counter(
            "visreward_shared_cache",
            "Redis: hits, misses and foreign values by key; writes and failures by call.",
            ["operation", "outcome"],
            registry=new,
        )
        self.batch_size = Histogram(
            "visreward_batch_size",
            "Jobs in one forward pass.",
            ["model", "kind"],
            registry=new,
            buckets=SIZE_BUCKETS,
        )
        self.encoded = Counter(
            "visreward_encoded",
            "Images and texts that went through a model.",
            ["model", "kind"],
            registry=new,
        )
        self.encode_seconds = Counter(
            "visreward_encode_seconds", "Time in forward passes.", ["model", "kind"], registry=new
        )
        self.out_of_memory = Counter(
            "visreward_out_of_memory",
            "Forward passes that a device had no memory for.",
            ["model", "kind"],
            registry=new,
        )
        self.batch_share = Gauge(
            "visreward_batch_share",
            "Share of the settings' batch that passes may hold, less than 1 after they ran out of memory.",
            ["model", "kind"],
            registry=new,
        )
        self.pending = Gauge("visreward_pending_items", "Items admitted and not yet answered.", registry=new)
        self.pending_bytes = Gauge(
            "visreward_pending_bytes", "Bytes of the bodies of requests under way.", registry=new
        )
        self.images_received = Counter(
            "visreward_images_received", "Images that clients sent, whatever with.", registry=new
        )
        self.image_bytes_received = Counter(
            "visreward_image_bytes_received", "Their encoded bytes.", registry=new
        )
        self.ready = Gauge(
            "visreward_ready", "1 where a score request would be answered now, else 0.", registry=new
        )
        self.loop_lag = Histogram(
            "visreward_loop_lag_seconds",
            "How late the event loop woke a sleeper, ten times a second.",
            registry=new,
            buckets=LAG_BUCKETS,
        )
        self.refused = Counter(
            "visreward_refused",
            "Requests refused for lack of room, by what was full.",
            ["full_of"],
            registry=new,
        )
        self.rule_restarts = Gauge("visreward_rule_worker_restarts", "Rule workers replaced.", registry=new)

    def batch(self, model: str, kind: str, size: int, seconds: float) -> None:
        """Count one forward pass."""
        self.batch_size.labels(model, kind).observe(size)
        self.encoded.labels(model, kind).inc(size)
        self.encode_seconds.labels(model, kind).inc(seconds)

    def answered(self, recipe: str, sources: Iterable[str | None], results: Iterable[ItemResult]) -> None:
        """Count the items of one answer."""
        for source, result in zip(sources, results):
            code = "ok" if result.error is None else str(result.error.code)
            label = self._source(source)
            self.items.labels(recipe, label, code).inc()
            if result.reward is not None:
                self.rewards.labels(recipe).observe(result.reward)
                self.reward_value.labels(recipe, label, _sign(result.reward)).inc(abs(result.reward))
                self._count_parts(recipe, result.parts)

    def _count_parts(self, recipe: str, parts: Mapping[str, float | None]) -> None:
        if recipe == INLINE:
            return  # its terms are named by clients, who could grow the registry
        for part, value in parts.items():
            self.parts.labels(recipe, part, "none" if value is None else "number").inc()
            if value is not None and math.isfinite(value):
                self.part_value.labels(recipe, part, _sign(value)).inc(abs(value))

    def _source(self, source: str | None) -> str:
        if source is None:
            return ""
        if source not in self._sources:
            if len(self._sources) >= MAX_SOURCES:
                return "other"
            self._sources.add(source)
        return source

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
