"""One model's queue: gathers jobs of all requests, runs them in batches on a thread of its own.

A job is one distinct unit of work. Requests that ask for the same unit at the same time share its job, and
a job nobody waits for any more is dropped before it runs. The lane knows nothing of requests or recipes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from visreward.protocol import Code
from visreward_service.engine.batch import Budget, length_bucket, take_batch
from visreward_service.metrics import Metrics
from visreward_service.models.base import Model, Pixels, Tokens, Vector
from visreward_service.scorers.base import Fault, ImageEncoding, TextEncoding

log = logging.getLogger(__name__)

Encoding = ImageEncoding | TextEncoding
Payload = Pixels | Tokens


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much one forward pass, and the queue before it, may hold."""

    max_images: int = 32
    max_texts: int = 128
    max_batch_tokens: int = 8192
    max_prepared_images: int = 256
    """Images decoded and resized ahead of the encoder."""
    max_wait_seconds: float = 0.002
    """How long a pass that is not full waits for jobs that are being prepared."""


@dataclass(eq=False, slots=True)
class Job:
    """One unit of work on its way through the lane."""

    work: Encoding
    owner: int
    done: asyncio.Future[Vector | Fault]
    payload: Payload | None = None
    kind: tuple[str, str, int] = ("", "", 0)
    cost: int = 1
    waiters: int = 0
    running: bool = False


@dataclass(slots=True)
class Ticket:
    """A request's claim on a job."""

    job: Job
    fresh: bool
    """True where this request created the job, False where it shares another's."""
    _lane: "Lane" = field(repr=False)

    def give_up(self) -> None:
        """End the claim; call it exactly once. A job without claims is dropped before it runs."""
        self._lane.release(self.job)


class Lane:
    """The queue, the loop and the thread of one model."""

    def __init__(self, model: Model, *, limits: LaneLimits, metrics: Metrics) -> None:
        self.model = model
        self._limits = limits
        self._metrics = metrics
        self._jobs: dict[Encoding, Job] = {}
        self._queue: list[Job] = []
        self._preparing = 0
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(limits.max_prepared_images)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"encode-{model.info.name}")
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to encode; needs a running event loop."""
        self._loop_task = asyncio.create_task(self._run(), name=f"lane-{self.model.info.name}")

    async def close(self) -> None:
        """Stop the loop and fail what still waits."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        for job in list(self._jobs.values()):
            self._settle(job, Fault(Code.MODEL_FAILED, "the service stopped before this was encoded"))
        self._thread.shutdown(wait=True)

    @property
    def alive(self) -> bool:
        """Whether the loop still runs."""
        return self._loop_task is not None and not self._loop_task.done()

    def claim(self, work: Encoding, owner: int) -> Ticket:
        """Return a claim on the unit's job. A new job waits for `prepare`, `offer` or `fail`."""
        job = self._jobs.get(work)
        fresh = job is None
        if job is None:
            job = Job(work=work, owner=owner, done=asyncio.get_running_loop().create_future())
            self._jobs[work] = job
            self._preparing += 1
        job.waiters += 1
        return Ticket(job, fresh, self)

    def prepare(self, job: Job, prepare: Callable[[], Awaitable[Pixels]]) -> None:
        """Prepare a new image job within the lane's bound on prepared images, then queue it."""
        task = asyncio.get_running_loop().create_task(self._prepare(job, prepare))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, job: Job, prepare: Callable[[], Awaitable[Pixels]]) -> None:
        async with self._slots:
            if job.done.done():
                return
            try:
                self.offer(job, await prepare())
            except Fault as fault:
                self.fail(job, fault)
            except Exception:
                log.exception("preparation failed", extra={"model": self.model.info.name})
                self.fail(
                    job, Fault(Code.MODEL_FAILED, f'model "{self.model.info.name}" failed on this input')
                )
            await asyncio.wait([job.done])

    def offer(self, job: Job, payload: Payload) -> None:
        """Queue a new job, whose payload is ready for the forward pass."""
        if job.done.done():
            return
        self._preparing -= 1
        job.payload = payload
        if isinstance(payload, Tokens):
            job.kind = ("text", _branch(job.work), length_bucket(len(payload.ids)))
            job.cost = job.kind[2]
        else:
            job.kind = ("image", _branch(job.work), 0)
        self._queue.append(job)
        self._wake.set()

    def fail(self, job: Job, fault: Fault) -> None:
        """End a new job whose input cannot be prepared."""
        if not job.done.done():
            self._preparing -= 1
            self._settle(job, fault)

    def release(self, job: Job) -> None:
        """Give up one claim; the last one drops a job that does not run yet."""
        job.waiters -= 1
        if job.waiters == 0 and not job.running and not job.done.done():
            if job.payload is None:
                self._preparing -= 1
            else:
                self._queue.remove(job)
            self._settle(job, Fault(Code.DEADLINE_EXCEEDED, "nobody waits for this any more"))

    def _settle(self, job: Job, outcome: Vector | Fault) -> None:
        self._jobs.pop(job.work, None)
        if not job.done.done():
            job.done.set_result(outcome)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            batch = take_batch(self._queue, self._budget())
            if len(batch) < self._budget().max_jobs and self._preparing:
                await asyncio.sleep(self._limits.max_wait_seconds)
                batch = take_batch(self._queue, self._budget())
            chosen = set(map(id, batch))
            self._queue = [job for job in self._queue if id(job) not in chosen]
            if not self._queue:
                self._wake.clear()
            for job in batch:
                job.running = True
            if batch:
                outcomes = await loop.run_in_executor(self._thread, self._encode, batch)
                for job, outcome in zip(batch, outcomes):
                    self._settle(job, outcome)

    def _budget(self) -> Budget:
        if self._queue and self._queue[0].kind[0] == "image":
            return Budget(max_jobs=self._limits.max_images, max_cost=self._limits.max_images)
        return Budget(max_jobs=self._limits.max_texts, max_cost=self._limits.max_batch_tokens)

    def _encode(self, batch: Sequence[Job]) -> list[Vector | Fault]:
        """Run one forward pass; a pass that fails is halved until the guilty job is alone."""
        started = time.perf_counter()
        try:
            vectors = self._forward(batch)
        except Exception:
            if len(batch) == 1:
                log.exception("forward pass failed", extra={"model": self.model.info.name})
                return [Fault(Code.MODEL_FAILED, f'model "{self.model.info.name}" failed on this input')]
            half = len(batch) // 2
            return self._encode(batch[:half]) + self._encode(batch[half:])
        self._metrics.batch(self.model.info.name, batch[0].kind[0], len(batch), time.perf_counter() - started)
        return list(vectors)

    def _forward(self, batch: Sequence[Job]) -> list[Vector]:
        kind, branch, _ = batch[0].kind
        payloads = [job.payload for job in batch]
        if kind == "image":
            pixels = [
                payload for payload in payloads if payload is not None and not isinstance(payload, Tokens)
            ]
            return self.model.encode_images(pixels, branch)
        tokens = [payload for payload in payloads if isinstance(payload, Tokens)]
        return self.model.encode_texts(tokens, branch)


def _branch(work: Encoding) -> str:
    return work.view if isinstance(work, ImageEncoding) else work.branch
