"""Does the encodings of one request: cache first, then the models' lanes, decoding each image once."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from visreward.protocol import Code
from visreward_service.cache import Tiers
from visreward_service.engine.lane import Encoding, Lane, Ticket
from visreward_service.metrics import Metrics
from visreward_service.models.base import DecodedImage, Model, Pixels, Tokens, Vector
from visreward_service.models.images import ImageFault
from visreward_service.scorers.base import (
    Fault,
    ImageEncoding,
    ImageFeatures,
    TextEncoding,
    TextFeatures,
    Work,
)

T = TypeVar("T")
R = TypeVar("R")

Features = ImageFeatures | TextFeatures
Decode = Callable[[bytes], DecodedImage]

FEW_CHARS = 1024
"""Texts up to so many characters in all are tokenised on the event loop: a thread costs more than they do."""


@dataclass(slots=True)
class Tally:
    """What one request's encodings cost."""

    images_encoded: int = 0
    texts_encoded: int = 0
    hits: int = 0
    misses: int = 0


def late() -> Fault:
    """Return the fault of work that was not done in time."""
    return Fault(Code.DEADLINE_EXCEEDED, "not scored within deadline_ms")


def timed(metrics: Metrics, step: str, function: Callable[..., R], *arguments: object) -> R:
    """Return `function(*arguments)`, and count its time as that of a step of preparation."""
    started = time.perf_counter()
    try:
        return function(*arguments)
    finally:
        metrics.prepared(step, time.perf_counter() - started)


class Decodings:
    """The decoded images of one request: each is decoded once, and let go when its last model has it."""

    def __init__(self, cpu: Executor, decode: Decode, metrics: Metrics) -> None:
        self._cpu = cpu
        self._decode = decode
        self._metrics = metrics
        self._decoded: dict[str, asyncio.Future[DecodedImage]] = {}
        self._readers: Counter[str] = Counter()

    def prepare(self, digest: str, data: bytes, model: Model) -> Callable[[], Awaitable[Pixels]]:
        """Return the preparation of an image for one model."""
        self._readers[digest] += 1

        async def prepare() -> Pixels:
            if digest not in self._decoded:
                self._decoded[digest] = self._run("decode", self._decode, data)
            try:
                image = await self._decoded[digest]
            except ImageFault as fault:
                raise Fault(fault.code, fault.message) from None
            finally:
                self._readers[digest] -= 1
                if not self._readers[digest]:
                    del self._decoded[digest]
            return await self._run("resize", model.prepare_image, image)

        return prepare

    def _run(self, step: str, function: Callable[[T], R], argument: T) -> asyncio.Future[R]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._cpu, timed, self._metrics, step, function, argument)


@dataclass(slots=True)
class Encoder:
    """Turns encodings into features, through the cache and the lanes."""

    lanes: Mapping[str, Lane]
    cache: Tiers
    cpu: Executor
    """Threads that decode, resize and tokenise."""
    decode: Decode
    metrics: Metrics
    _owners: int = field(default=0)

    async def encode(
        self, work: Iterable[Encoding], images: Mapping[str, bytes | Fault], seconds: float | None = None
    ) -> tuple[dict[Work, Features | Fault], Tally]:
        """Return features or a fault for each unit; what is not done within `seconds` gets a fault.

        Cancelling gives up what no other request waits for.
        """
        units = list(work)
        tokens = await self._tokenise([unit for unit in units if isinstance(unit, TextEncoding)])
        vectors = await self._look_up(units)
        absent = [unit for unit in units if unit not in vectors]
        tally = Tally(hits=len(vectors), misses=len(absent))
        vectors.update(await self._compute(absent, tokens, images, seconds, tally))
        found: dict[Work, Features | Fault] = {
            unit: self._features(unit, vectors[unit], tokens) for unit in units
        }
        return found, tally

    async def _look_up(self, units: list[Encoding]) -> dict[Encoding, Vector | Fault]:
        held = await self.cache.get_many([self._key(unit) for unit in units])
        return {unit: vector for unit, vector in zip(units, held) if vector is not None}

    async def _compute(
        self,
        units: list[Encoding],
        tokens: Mapping[Encoding, Tokens],
        images: Mapping[str, bytes | Fault],
        seconds: float | None,
        tally: Tally,
    ) -> dict[Encoding, Vector | Fault]:
        """Send units through the lanes, keep what this request computed, and count it."""
        if not units:
            return {}
        tickets = self._submit(units, tokens, images)
        try:
            await asyncio.wait([ticket.job.done for ticket in tickets.values()], timeout=seconds)
            outcomes = {
                unit: ticket.job.done.result() if ticket.job.done.done() else late()
                for unit, ticket in tickets.items()
            }
        finally:
            for ticket in tickets.values():
                ticket.give_up()
        fresh: list[tuple[str, Vector]] = []
        for unit, outcome in outcomes.items():
            if tickets[unit].fresh and not isinstance(outcome, Fault):
                fresh.append((self._key(unit), outcome))
                tally.images_encoded += isinstance(unit, ImageEncoding)
                tally.texts_encoded += isinstance(unit, TextEncoding)
        await self.cache.put_many(fresh)
        return outcomes

    def _key(self, unit: Encoding) -> str:
        info = self.lanes[unit.model].model.info
        prefix = f"{info.revision}|{info.preprocessing}|{info.dtype}"
        if isinstance(unit, ImageEncoding):
            return f"{prefix}|image|{unit.view}|{unit.digest}"
        return f"{prefix}|text|{unit.branch}|{hashlib.sha256(unit.text.encode()).hexdigest()}"

    async def _tokenise(self, texts: list[TextEncoding]) -> dict[Encoding, Tokens]:
        loop = asyncio.get_running_loop()
        kinds: dict[tuple[str, str], list[TextEncoding]] = {}
        for unit in texts:
            kinds.setdefault((unit.model, unit.branch), []).append(unit)
        tokens: dict[Encoding, Tokens] = {}
        for (model, branch), units in kinds.items():
            prepare = self.lanes[model].model.prepare_texts
            values = [unit.text for unit in units]
            if sum(map(len, values)) <= FEW_CHARS:
                found = timed(self.metrics, "tokenise", prepare, values, branch)
            else:
                found = await loop.run_in_executor(
                    self.cpu, timed, self.metrics, "tokenise", prepare, values, branch
                )
            tokens.update(zip(units, found))
        return tokens

    def _submit(
        self, units: list[Encoding], tokens: Mapping[Encoding, Tokens], images: Mapping[str, bytes | Fault]
    ) -> dict[Encoding, Ticket]:
        """Claim a job for each unit, and set the new ones on their way."""
        decodings = Decodings(self.cpu, self.decode, self.metrics)
        tickets: dict[Encoding, Ticket] = {}
        for unit in units:
            lane = self.lanes[unit.model]
            ticket = tickets[unit] = lane.claim(unit, self._owners)
            if not ticket.fresh:
                continue
            if isinstance(unit, TextEncoding):
                lane.offer(ticket.job, tokens[unit])
            else:
                data = images[unit.digest]
                assert isinstance(data, bytes)  # noqa: S101 - the plan asks for no image with a fault
                lane.prepare(ticket.job, decodings.prepare(unit.digest, data, lane.model))
        return tickets

    def _features(
        self,
        unit: Encoding,
        vector: Vector | Fault,
        tokens: Mapping[Encoding, Tokens],
    ) -> Features | Fault:
        if isinstance(vector, Fault):
            return vector
        if not np.isfinite(vector).all():
            return Fault(Code.MODEL_FAILED, f'model "{unit.model}" gave no finite embedding for this input')
        if isinstance(unit, TextEncoding):
            found = tokens[unit]
            return TextFeatures(vector=vector, num_tokens=found.num_tokens, truncated=found.truncated)
        return ImageFeatures(vectors=vector)
