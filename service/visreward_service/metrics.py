"""What the service counts, and how it is exposed to Prometheus. Each service has a registry of its own."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from visreward.protocol import ItemResult
from visreward_service.memory import DeviceCollector, DeviceMemory
from visreward_service.rewards import RewardHistogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MAX_SOURCES = 200
"""Sources with a label of their own; later ones share `other`, so that clients cannot grow the registry."""
INLINE = "inline"
"""Label of every recipe that was written into its request."""


M = TypeVar("M", Counter, Histogram)


class Children(dict[tuple[str, ...], M], Generic[M]):
    """A metric's children by their labels, found without what the library does to find them each time."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric: M = metric

    def __missing__(self, labels: tuple[str, ...]) -> M:
        child: M = self._metric.labels(*labels)
        self[labels] = child
        return child


class Metrics:
    """Counters and histograms of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sources: set[str] = set()
        self._devices = DeviceCollector()
        new = self.registry
        new.register(self._devices)
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
        self._rewards = RewardHistogram()
        new.register(self._rewards)
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
        self.certificates = Counter(
            "visreward_certificates",
            "Changed certificate files that were taken, and those that could not be.",
            ["port", "outcome"],
            registry=new,
        )
        for full_of in ("bytes", "items"):
            self.refused.labels(full_of)
        for port in ("http", "grpc"):
            for outcome in ("renewed", "refused"):
                self.certificates.labels(port, outcome)
        self.rule_restarts = Gauge("visreward_rule_worker_restarts", "Rule workers replaced.", registry=new)
        self._requests, self._request_seconds = Children(self.requests), Children(self.request_seconds)
        self._stage_seconds = Children(self.stage_seconds)
        self._items, self._reward_value = Children(self.items), Children(self.reward_value)
        self._parts, self._part_value = Children(self.parts), Children(self.part_value)
        self._asked, self._done, self._cache = map(Children, (self.asked, self.done, self.cache))
        self._groups = Children(self.groups)
        for kind in ("image", "text", "rule"):
            self.asked.labels(kind)
            self.done.labels(kind)
        for outcome in ("hit", "miss"):
            self.cache.labels(outcome)

    def watch_devices(self, read: Callable[[], Sequence[DeviceMemory]]) -> None:
        """Expose the memory of the GPUs that `read` tells of, asked anew for every scrape."""
        self._devices.read = read

    def batch(self, model: str, kind: str, size: int, seconds: float) -> None:
        """Count one forward pass."""
        self.batch_size.labels(model, kind).observe(size)
        self.encoded.labels(model, kind).inc(size)
        self.encode_seconds.labels(model, kind).inc(seconds)

    def request(self, path: str, status: str, seconds: float) -> None:
        """Count one request."""
        self._requests[path, status].inc()
        self._request_seconds[path,].observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Count a stage of a request that was scored."""
        self._stage_seconds[name,].observe(seconds)

    def worked(self, kind: str, asked: int, done: int) -> None:
        """Count units of work of one request."""
        if asked:
            self._asked[kind,].inc(asked)
        if done:
            self._done[kind,].inc(done)

    def looked_up(self, hits: int, misses: int) -> None:
        """Count what one request found in the cache, and what not."""
        if hits:
            self._cache["hit",].inc(hits)
        if misses:
            self._cache["miss",].inc(misses)

    def answered(self, recipe: str, sources: Iterable[str | None], results: Sequence[ItemResult]) -> None:
        """Count the items of one answer: they are added up first, and then each sum is counted once."""
        items: dict[tuple[str, str], int] = {}
        rewards: dict[str, list[float]] = {}
        for source, result in zip(sources, results):
            label = self._source(source)
            key = (label, "ok" if result.error is None else str(result.error.code))
            items[key] = items.get(key, 0) + 1
            if result.reward is not None:
                rewards.setdefault(label, []).append(result.reward)
        for (label, code), count in items.items():
            self._items[recipe, label, code].inc(count)
        for label, found in rewards.items():
            self._rewards.observe(recipe, found)
            self._add(self._reward_value, (recipe, label), found)
        if recipe != INLINE:  # its terms are named by clients, who could grow the registry
            self._count_parts(recipe, [result.parts for result in results if result.reward is not None])

    def grouped(self, recipe: str, tied: Iterable[bool]) -> None:
        """Count the groups of one answer."""
        for is_tied in tied:
            self._groups[recipe, "true" if is_tied else "false"].inc()

    def _count_parts(self, recipe: str, scored: Sequence[Mapping[str, float | None]]) -> None:
        for part in scored[0] if scored else ():
            found = [value for parts in scored if (value := parts[part]) is not None]
            if found:
                self._parts[recipe, part, "number"].inc(len(found))
            if len(found) < len(scored):
                self._parts[recipe, part, "none"].inc(len(scored) - len(found))
            self._add(self._part_value, (recipe, part), [value for value in found if math.isfinite(value)])

    def _add(self, sums: Children[Counter], labels: tuple[str, str], values: Sequence[float]) -> None:
        """Add values to the two sums of a metric, each to that of its sign."""
        above = [value for value in values if value >= 0]
        below = [-value for value in values if value < 0]
        for sign, found in (("positive", above), ("negative", below)):
            if found:
                sums[*labels, sign].inc(sum(found))

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
