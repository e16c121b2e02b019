"""The engine: one request's way from a decoded body to its answer.

Adapters hand over a function that reads the body, so that parsing and planning happen off the event loop.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from visreward.protocol import CacheUse, Code, GroupSummary, ItemResult, Limits, ScoreResponse
from visreward.protocol import Work as WorkCounts
from visreward_service.engine import embed, prepared
from visreward_service.engine.admission import Admission
from visreward_service.engine.admit import SOUND_ITEMS, Call, admit, admit_sound, check_image
from visreward_service.engine.answer import build
from visreward_service.engine.clock import Clock
from visreward_service.engine.combine import combine
from visreward_service.engine.encode import Encoder, Tally
from visreward_service.engine.faults import RequestFault
from visreward_service.engine.groups import settle_groups
from visreward_service.engine.heap import Heap, find_trim
from visreward_service.engine.lane import Lane
from visreward_service.engine.plan import Plan, plan
from visreward_service.engine.pool import Failure, RulePool
from visreward_service.engine.pulse import Pulse
from visreward_service.engine.recipes import RecipeBook
from visreward_service.engine.store import ImageStore
from visreward_service.engine.underway import UnderWay
from visreward_service.metrics import Metrics
from visreward_service.models.base import ModelInfo, Pixels, Tokens, Vector
from visreward_service.recipes import BoundRecipe
from visreward_service.scorers.base import Fault, ImageEncoding, RuleCall, TextEncoding, Work

Read = Callable[[], object]
Settled = tuple[list[ItemResult], list[GroupSummary]]

SMALL_BYTES = 2**16
"""A body up to this size is read on the event loop: to hand it to a thread costs more than to read it."""

NO_WORK, NO_CACHE = WorkCounts(), CacheUse()
"""What is said of a request that asks for no work."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine is built of."""

    limits: Limits
    recipes: RecipeBook
    lanes: Mapping[str, Lane]
    encoder: Encoder
    store: ImageStore
    rules: RulePool
    admission: Admission
    metrics: Metrics
    cpu: ThreadPoolExecutor


class Engine:
    """Scores requests. `start` and `close` belong to the event loop that calls `score`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.limits = parts.limits
        self.recipes = parts.recipes
        self.metrics = parts.metrics
        self._draining = False
        self._started = False
        self._pulse = Pulse(self.metrics)
        self._heap = Heap(find_trim())
        self._under_way = UnderWay(lambda: self.not_ready, self._heap.touch)
        self.metrics.rule_restarts.set_function(lambda: parts.rules.counters.restarts)
        self.metrics.ready.set_function(lambda: self.not_ready is None)

    async def start(self) -> None:
        """Start the models' loops and the rule workers."""
        for lane in self._parts.lanes.values():
            lane.start()
        await asyncio.gather(self._parts.rules.start(), self._off_loop(self.recipes.warm))
        self._pulse.start()
        self._heap.start()
        self._started = True

    def drain(self) -> None:
        """Refuse new requests from now on; those under way are answered."""
        self._draining = True

    @property
    def is_draining(self) -> bool:
        """Whether new requests are refused for good."""
        return self._draining

    async def wait_idle(self) -> None:
        """Return when no request is under way."""
        await self._under_way.wait_idle()

    async def close(self) -> None:
        """Refuse new requests and stop; requests under way are the adapter's to wait for."""
        self._draining = True
        await self._pulse.stop()
        await self._heap.stop()
        for lane in self._parts.lanes.values():
            await lane.close()
        await self._parts.rules.close()
        await self._parts.encoder.cache.close()
        self._parts.cpu.shutdown(wait=True)

    @property
    def models(self) -> list[ModelInfo]:
        """The loaded models."""
        return [lane.model.info for lane in self._parts.lanes.values()]

    @property
    def not_ready(self) -> str | None:
        """Why requests would not be answered now; None where they would."""
        if self._draining:
            return "the service is draining"
        if not self._started:
            return "the service is starting"
        troubles = (lane.trouble for lane in self._parts.lanes.values())
        return next((trouble for trouble in troubles if trouble is not None), None)

    @property
    def lost(self) -> str | None:
        """What has stopped in this process and does not come back; None where nothing has."""
        if self._draining or not self._started:
            return None
        stopped = (lane.trouble for lane in self._parts.lanes.values() if not lane.alive)
        return next(stopped, None)

    async def score(self, read: Read, *, request_id: str, num_bytes: int = 0) -> ScoreResponse:
        """Answer one request. Raises `RequestFault` where the request as a whole has no answer."""
        clock = Clock(self.metrics)
        with self._under_way, self._parts.admission.hold_bytes(num_bytes):
            call = await self._admit(read, num_bytes)
            clock.stage("parse")
            with self._parts.admission.hold_items(len(call.entries)):
                return await self._score(call, request_id, clock)

    async def _admit(self, read: Read, num_bytes: int) -> Call:
        """Return the checked request; a thread checks what may take its time."""
        if not 0 < num_bytes <= SMALL_BYTES:
            return self._with_stored(await self._off_loop(lambda: self._check(read())))
        document = read()
        call = admit_sound(document, self.limits, self.recipes.written)
        return self._with_stored(call or await self._off_loop(lambda: self._check(document)))

    def _check(self, document: object) -> Call:
        return admit(document, self.limits, self.recipes.written, self._parts.store.get_many)

    async def encode(
        self,
        model: str,
        inputs: Sequence[bytes] | Sequence[str],
        *,
        branch: str = "short",
        deadline_seconds: float | None = None,
        num_bytes: int = 0,
    ) -> Vector:
        """Return the pooled embeddings of images (as bytes) or of texts, (N, D). Raises `RequestFault`."""
        clock = Clock(self.metrics)
        lane = self._lane(model)
        with (
            self._under_way,
            self._parts.admission.hold_bytes(num_bytes),
            self._parts.admission.hold_items(len(inputs)),
        ):
            units, images = await self._off_loop(
                lambda: embed.admit(lane.model.info, inputs, branch, self.limits)
            )
            left = clock.left(deadline_seconds)
            features, tally = await self._parts.encoder.encode(dict.fromkeys(units), images, left)
        self._count_work(_work_counts(Counter[Work](units), tally, 0), tally)
        return embed.to_table(units, features)

    async def encode_prepared(
        self,
        model: str,
        part: str,
        inputs: Sequence[Pixels] | Sequence[Tokens],
        *,
        deadline_seconds: float | None = None,
        num_bytes: int = 0,
    ) -> list[Vector]:
        """Return a row for each image or text that was prepared elsewhere. Raises `RequestFault`.

        `part` is a view, each (D,) or dense (rows * columns, D), or a text branch, each (D,).
        """
        lane = self._lane(model)
        with (
            self._under_way,
            self._parts.admission.hold_bytes(num_bytes),
            self._parts.admission.hold_items(len(inputs)),
        ):
            return await prepared.encode_prepared(lane, part, inputs, deadline_seconds)

    def _lane(self, model: str) -> Lane:
        lane = self._parts.lanes.get(model)
        if lane is None:
            raise RequestFault(
                Code.NOT_FOUND, "no model of that name is loaded", nearest=tuple(self._parts.lanes)
            )
        return lane

    def _count_work(self, work: WorkCounts, tally: Tally) -> None:
        """Count what was asked, what was computed and what was found in the cache."""
        self.metrics.worked("image", work.images_asked, work.images_encoded)
        self.metrics.worked("text", work.texts_asked, work.texts_encoded)
        self.metrics.worked("rule", work.rules_asked, work.rules_run)
        self.metrics.looked_up(tally.hits, tally.misses)

    async def _score(self, call: Call, request_id: str, clock: Clock) -> ScoreResponse:
        known = self.recipes.find(call.recipe)
        is_little = known is not None and known.quick and len(call.entries) <= SOUND_ITEMS
        if is_little:
            planned, settled = self._plan(call, known)
        else:
            planned, settled = await self._off_loop(lambda: self._plan(call, known))
        recipe = planned.recipe
        clock.stage("plan")
        tally, rules_run = Tally(), 0
        if settled is None:
            results, tally, rules_run = await self._do(planned, clock)
            clock.stage("do")
            if is_little:
                settled = settle_groups(planned, combine(planned, results))
            else:
                settled = await self._off_loop(lambda: settle_groups(planned, combine(planned, results)))
        items, groups = settled
        clock.stage("combine")
        work = _work_counts(planned.asked, tally, rules_run)
        self._count_answers(planned, items, groups)
        if planned.asked:
            self._count_work(work, tally)
        return build(
            ScoreResponse,
            request_id=request_id,
            recipe=recipe.name,
            items=items,
            groups=groups,
            timings_ms=clock.total(),
            work=work,
            cache=build(CacheUse, hits=tally.hits, misses=tally.misses) if planned.asked else NO_CACHE,
            models={name: self._parts.lanes[name].model.info.revision for name in recipe.models},
            missing_images=planned.missing_images,
        )

    def _plan(self, call: Call, known: BoundRecipe | None) -> tuple[Plan, Settled | None]:
        """Return the plan of a call, with what comes of it where it asks for no work."""
        planned = plan(call, known or self.recipes.get(call.recipe))
        return planned, None if planned.asked else settle_groups(planned, combine(planned, {}))

    def _with_stored(self, call: Call) -> Call:
        """Keep the images that the request brought, and add those it names that were sent before."""
        for digest, held in call.images.items():
            if isinstance(held, bytes):
                self._keep(digest, held)
        named = {digest for entry in call.entries if entry.item is not None for digest in entry.item.images}
        stored = self._parts.store.get_many(named.difference(call.images)) if named else {}
        return replace(call, images={**call.images, **stored}) if stored else call

    def missing_images(self, digests: list[str]) -> list[str]:
        """Return the digests whose images have to be sent before items can name them."""
        return self._parts.store.missing(digests)

    async def keep_image(self, digest: str, data: bytes) -> None:
        """Keep an image for later requests to name by digest. Raises `RequestFault` where it is unusable."""
        checked = await self._off_loop(lambda: check_image(data, digest, "image", self.limits))
        if isinstance(checked, Fault):
            raise RequestFault(checked.code, checked.message, field=checked.field)
        self._keep(digest, checked)

    def _keep(self, digest: str, data: bytes) -> None:
        self.metrics.images_received.inc()
        self.metrics.image_bytes_received.inc(len(data))
        self._parts.store.put(digest, data)

    async def _do(self, planned: Plan, clock: Clock) -> tuple[dict[Work, Any], Tally, int]:
        """Do the distinct work of a plan, encodings and rules side by side; what is late gets a fault."""
        calls = [unit for unit in planned.asked if isinstance(unit, RuleCall)]
        encodings = [unit for unit in planned.asked if not isinstance(unit, RuleCall)]
        seconds = clock.left(planned.call.deadline_seconds)
        if not encodings:
            verdicts, num_run = await self._rule(calls, seconds)
            return verdicts, Tally(), num_run
        async with asyncio.TaskGroup() as tasks:
            encoding = tasks.create_task(self._parts.encoder.encode(encodings, planned.call.images, seconds))
            ruling = tasks.create_task(self._rule(calls, seconds))
        features, tally = encoding.result()
        verdicts, num_run = ruling.result()
        return {**features, **verdicts}, tally, num_run

    async def _rule(self, calls: list[RuleCall], seconds: float | None) -> tuple[dict[Work, Any], int]:
        if not calls:
            return {}, 0
        ruling = await self._parts.rules.judge(calls, seconds)
        verdicts: dict[Work, Any] = {
            call: Fault(outcome.code, outcome.message) if isinstance(outcome, Failure) else outcome
            for call, outcome in zip(calls, ruling.outcomes)
        }
        return verdicts, ruling.num_run

    async def _off_loop(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._parts.cpu, function)

    def _count_answers(self, planned: Plan, items: list[ItemResult], groups: list[GroupSummary]) -> None:
        metrics, name = self.metrics, planned.recipe.name
        sources = [entry.item.source if entry.item else None for entry in planned.call.entries]
        metrics.answered(name, sources, items)
        metrics.grouped(name, [group.tied for group in groups])


def _work_counts(units: Mapping[Work, int], tally: Tally, rules_run: int) -> WorkCounts:
    if not units:
        return NO_WORK
    asked = {ImageEncoding: 0, TextEncoding: 0, RuleCall: 0}
    for unit, times in units.items():
        asked[type(unit)] += times
    return build(
        WorkCounts,
        images_asked=asked[ImageEncoding],
        images_encoded=tally.images_encoded,
        texts_asked=asked[TextEncoding],
        texts_encoded=tally.texts_encoded,
        rules_asked=asked[RuleCall],
        rules_run=rules_run,
    )
