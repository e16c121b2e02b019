"""One model's queue: gathers jobs of all requests, runs them in batches on threads of its own.

A job is one distinct unit of work. Requests that ask for the same unit at the same time share its job, and
a job nobody waits for any more is dropped before it runs. The lane knows nothing of requests or recipes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from visreward.protocol import Code
from visreward_service.engine.batch import Allowance, Budget, length_bucket, share, take_batch
from visreward_service.metrics import Metrics
from visreward_service.models.base import Model, Pixels, Remote, Tokens, Vector
from visreward_service.models.errors import OutOfMemory, Unavailable
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
    """The queue, the loop and the threads of one model."""

    def __init__(self, model: Model, *, limits: LaneLimits, metrics: Metrics) -> None:
        self.model = model
        self._remote = model if isinstance(model, Remote) else None
        self._limits = limits
        self._metrics = metrics
        self._jobs: dict[Encoding, Job] = {}
        self._queue: list[Job] = []
        self._preparing = 0
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(limits.max_prepared_images)
        self._threads = ThreadPoolExecutor(model.info.passes, thread_name_prefix=f"encode-{model.info.name}")
        self._num_running = 0
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._allowances = {"image": Allowance(), "text": Allowance()}
        for kind in self._allowances:
            metrics.batch_share.labels(model.info.name, kind).set(1.0)

    def start(self) -> None:
        """Begin to encode; needs a running event loop."""
        self._loop_task = asyncio.create_task(self._run(), name=f"lane-{self.model.info.name}")
        self._loop_task.add_done_callback(self._note_end)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            log.critical(
                "the loop of a model has stopped",
                extra={"model": self.model.info.name},
                exc_info=task.exception(),
            )

    async def close(self) -> None:
        """Stop the loop and fail what still waits."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        for job in list(self._jobs.values()):
            self._settle(job, Fault(Code.MODEL_FAILED, "the service stopped before this was encoded"))
        self._threads.shutdown(wait=True)
        if self._remote is not None:
            await asyncio.to_thread(self._remote.close)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be encoded now; None where it can."""
        if not self.alive:
            return f"the loop of model {self.model.info.name} has stopped"
        return None if self._remote is None else self._remote.unavailable

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
        await self._slots.acquire()
        # Called at once where the job is done already.
        job.done.add_done_callback(lambda _: self._slots.release())
        if job.done.done():
            return
        try:
            self.offer(job, await prepare())
        except Fault as fault:
            self.fail(job, fault)
        except Exception:
            log.exception("preparation failed", extra={"model": self.model.info.name})
            self.fail(job, Fault(Code.MODEL_FAILED, f'model "{self.model.info.name}" failed on this input'))

    def offer(self, job: Job, payload: Payload) -> None:
        """Queue a new job, whose payload is ready for the forward pass."""
        if job.done.done():
            return
        self._preparing -= 1
        job.payload = payload
        if isinstance(payload, Tokens):
            length = len(payload.ids)
            packed = self.model.info.packs_texts
            job.kind = ("text", _branch(job.work), 0 if packed else length_bucket(length))
            job.cost = length if packed else job.kind[2]
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
        """Begin passes when jobs come. A pass that ends in anything but outcomes ends the loop, and with it
        the service's readiness."""
        while self._failure is None:
            await self._wake.wait()
            self._wake.clear()
            if self._gathers():
                await asyncio.sleep(self._limits.max_wait_seconds)
            self._begin()
        # asyncio lets some exceptions, such as SystemExit, end the whole process.
        raise RuntimeError("a forward pass ended without outcomes") from self._failure

    def _gathers(self) -> bool:
        """Whether a pass that could begin waits a little for jobs that are being prepared."""
        if not self._preparing or not self._queue or self._num_running == self.model.info.passes:
            return False
        return len(self._queue) < self._share().max_jobs

    def _begin(self) -> None:
        """Start passes while there are jobs and free threads."""
        loop = asyncio.get_running_loop()
        while self._num_running < self.model.info.passes and (batch := self._take()):
            chosen = set(map(id, batch))
            self._queue = [job for job in self._queue if id(job) not in chosen]
            for job in batch:
                job.running = True
            self._num_running += 1
            self._threads.submit(self._encode, batch).add_done_callback(
                partial(loop.call_soon_threadsafe, partial(self._end, batch))
            )

    def _end(self, batch: Sequence[Job], encoding: Future[list[Vector | Fault]]) -> None:
        """Begin the next pass, and tell who waits for this one: in this order, so that no thread idles until
        the loop has written their answers."""
        self._num_running -= 1
        failure = encoding.exception()
        if failure is not None:
            self._failure = failure
            self._wake.set()
            return
        if self._gathers():
            self._wake.set()
        elif self.alive:
            self._begin()
        for job, outcome in zip(batch, encoding.result()):
            self._settle(job, outcome)

    def _take(self) -> list[Job]:
        """Return the jobs of the next pass; none where nobody waits any more for what woke the loop."""
        return take_batch(self._queue, self._share()) if self._queue else []

    def _share(self) -> Budget:
        """Return what the next pass may hold: where several run at once, its share and not all."""
        budget, passes = self._budget(), self.model.info.passes
        return share(self._queue, budget, passes, self._num_running) if passes > 1 else budget

    def _budget(self) -> Budget:
        kind = self._queue[0].kind[0]
        return self._allowances[kind].of(self._whole_budget(kind))

    def _whole_budget(self, kind: str) -> Budget:
        if kind == "image":
            return Budget(max_jobs=self._limits.max_images, max_cost=self._limits.max_images)
        return Budget(max_jobs=self._limits.max_texts, max_cost=self._limits.max_batch_tokens)

    def _encode(self, batch: Sequence[Job]) -> list[Vector | Fault]:
        """Run one forward pass; a pass that fails is halved until the guilty job is alone.

        One that the device has no memory for makes later passes smaller too.
        """
        started = time.perf_counter()
        kind = batch[0].kind[0]
        try:
            vectors = self._forward(batch)
        except OutOfMemory:
            self._cut_allowance(kind, batch)
            if len(batch) == 1:
                return [
                    Fault(Code.MODEL_FAILED, f'model "{self.model.info.name}" has no memory for this input')
                ]
            half = len(batch) // 2
            return self._encode(batch[:half]) + self._encode(batch[half:])
        except Unavailable as error:
            log.warning("encoder away", extra={"model": self.model.info.name, "reason": str(error)})
            fault = Fault(Code.MODEL_FAILED, f'the server of model "{self.model.info.name}" gives no answer')
            return [fault for _ in batch]
        except Exception:
            if len(batch) == 1:
                log.exception("forward pass failed", extra={"model": self.model.info.name})
                return [Fault(Code.MODEL_FAILED, f'model "{self.model.info.name}" failed on this input')]
            half = len(batch) // 2
            return self._encode(batch[:half]) + self._encode(batch[half:])
        self._metrics.batch(self.model.info.name, kind, len(batch), time.perf_counter() - started)
        self._allowances[kind].note_pass()
        self._metrics.batch_share.labels(self.model.info.name, kind).set(self._allowances[kind].share)
        return list(vectors)

    def _cut_allowance(self, kind: str, batch: Sequence[Job]) -> None:
        """Let later passes hold half of what did not fit; a single job cannot be made smaller."""
        whole, name = self._whole_budget(kind), self.model.info.name
        self._metrics.out_of_memory.labels(name, kind).inc()
        if len(batch) > 1:
            cost = sum(job.cost for job in batch)
            self._allowances[kind].cut(max(len(batch) / whole.max_jobs, cost / whole.max_cost))
            self._metrics.batch_share.labels(name, kind).set(self._allowances[kind].share)
        log.warning(
            "out of memory",
            extra={"model": name, "kind": kind, "jobs": len(batch), "share": self._allowances[kind].share},
        )

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
