"""What the service counts, and how it is exposed to Prometheus. Each service has a registry of its own."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from visreward.protocol import ItemResult
from visreward_service.memory import DeviceCollector, DeviceMemory
from visreward_service.tallies import CounterTally, HistogramTally

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REWARD_BUCKETS = (-1.0, -0.5, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 5.0, 10.0)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MAX_SOURCES = 200
"""Sources with a label of their own; later ones share `other`, so that clients cannot grow the registry."""
INLINE = "inline"
"""Label of every recipe that was written into its request."""


class Metrics:
    """Counters and histograms of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sources: set[str] = set()
        self._devices = DeviceCollector()
        new = self.registry
        new.register(self._devices)
        self._requests = CounterTally(
            "visreward_requests", "Requests by path and status.", ["path", "status"], new
        )
        self._request_seconds = HistogramTally(
            "visreward_request_seconds", "Time to answer.", ["path"], new, bounds=LATENCY_BUCKETS
        )
        self._stage_seconds = HistogramTally(
            "visreward_stage_seconds",
            "Time of one stage of a score request.",
            ["stage"],
            new,
            bounds=LATENCY_BUCKETS,
        )
        self._items = CounterTally(
            "visreward_items",
            "Items answered, `code` is `ok` or an error code.",
            ["recipe", "source", "code"],
            new,
        )
        self._rewards = HistogramTally(
            "visreward_reward", "Rewards given.", ["recipe"], new, bounds=REWARD_BUCKETS, has_sum=False
        )
        self._reward_value = CounterTally(
            "visreward_reward_value",
            "Sum of rewards, those above and those below zero apart and without their sign.",
            ["recipe", "source", "sign"],
            new,
        )
        self._part_value = CounterTally(
            "visreward_part_value",
            "Sum of parts of scored items, those above and those below zero apart and without their sign.",
            ["recipe", "part", "sign"],
            new,
        )
        self._parts = CounterTally(
            "visreward_parts",
            "Parts of scored items; `value` is `none` where the term did not apply.",
            ["recipe", "part", "value"],
            new,
        )
        self._groups = CounterTally(
            "visreward_groups",
            "Groups answered, by whether all their rewards were equal.",
            ["recipe", "tied"],
            new,
        )
        self._asked = CounterTally(
            "visreward_work_asked", "Units of work that items asked for.", ["kind"], new
        )
        self._done = CounterTally(
            "visreward_work_done", "Distinct units of work that were computed.", ["kind"], new
        )
        self._cache = CounterTally(
            "visreward_cache_lookups", "Encodings looked up in the cache.", ["outcome"], new
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
        self.prepare_seconds = Counter(
            "visreward_prepare_seconds",
            "Time of threads that prepare images and texts for a model.",
            ["step"],
            registry=new,
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
        for step in ("decode", "resize", "tokenise"):
            self.prepare_seconds.labels(step)
        for full_of in ("bytes", "items"):
            self.refused.labels(full_of)
        for port in ("http", "grpc"):
            for outcome in ("renewed", "refused"):
                self.certificates.labels(port, outcome)
        self.rule_restarts = Gauge("visreward_rule_worker_restarts", "Rule workers replaced.", registry=new)
        for kind in ("image", "text", "rule"):
            self._asked.add((kind,), 0)
            self._done.add((kind,), 0)
        for outcome in ("hit", "miss"):
            self._cache.add((outcome,), 0)

    def watch_devices(self, read: Callable[[], Sequence[DeviceMemory]]) -> None:
        """Expose the memory of the GPUs that `read` tells of, asked anew for every scrape."""
        self._devices.read = read

    def batch(self, model: str, kind: str, size: int, seconds: float) -> None:
        """Count one forward pass."""
        self.batch_size.labels(model, kind).observe(size)
        self.encoded.labels(model, kind).inc(size)
        self.encode_seconds.labels(model, kind).inc(seconds)

    def prepared(self, step: str, seconds: float) -> None:
        """Count one thread's preparation of an image or of some texts."""
        self.prepare_seconds.labels(step).inc(seconds)

    def request(self, path: str, status: str, seconds: float) -> None:
        """Count one request."""
        self._requests.add((path, status))
        self._request_seconds.observe((path,), seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Count a stage of a request that was scored."""
        self._stage_seconds.observe((name,), seconds)

    def worked(self, kind: str, asked: int, done: int) -> None:
        """Count units of work of one request."""
        if asked:
            self._asked.add((kind,), asked)
        if done:
            self._done.add((kind,), done)

    def looked_up(self, hits: int, misses: int) -> None:
        """Count what one request found in the cache, and what not."""
        if hits:
            self._cache.add(("hit",), hits)
        if misses:
            self._cache.add(("miss",), misses)

    def answered(self, recipe: str, sources: Iterable[str | None], results: Sequence[ItemResult]) -> None:
        """Count the items of one answer: they are added up first, and then each sum is counted once."""
        rewards: dict[str | None, list[float]] = {}
        for source, result in zip(sources, results):
            if result.reward is not None:
                rewards.setdefault(source, []).append(result.reward)
            if result.error is not None:
                self._items.add((recipe, self._source(source), str(result.error.code)))
        for source, found in rewards.items():
            label = self._source(source)
            self._items.add((recipe, label, "ok"), len(found))
            self._rewards.observe_all((recipe,), found)
            self._add(self._reward_value, (recipe, label), found)
        if recipe != INLINE:  # its terms are named by clients, who could grow the registry
            self._count_parts(recipe, [result.parts for result in results if result.reward is not None])

    def grouped(self, recipe: str, tied: Iterable[bool]) -> None:
        """Count the groups of one answer."""
        for is_tied in tied:
            self._groups.add((recipe, "true" if is_tied else "false"))

    def _count_parts(self, recipe: str, scored: Sequence[Mapping[str, float | None]]) -> None:
        for part in scored[0] if scored else ():
            found = [value for parts in scored if (value := parts[part]) is not None]
            if found:
                self._parts.add((recipe, part, "number"), len(found))
            if len(found) < len(scored):
                self._parts.add((recipe, part, "none"), len(scored) - len(found))
            self._add(self._part_value, (recipe, part), [value for value in found if math.isfinite(value)])

    def _add(self, sums: CounterTally, labels: tuple[str, str], values: Sequence[float]) -> None:
        """Add values to the two sums of a metric, each to that of its sign."""
        above = values if min(values, default=0) >= 0 else [value for value in values if value >= 0]
        if above:
            sums.add((*labels, "positive"), sum(above))
        if len(above) < len(values):
            sums.add((*labels, "negative"), sum(-value for value in values if value < 0))

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
