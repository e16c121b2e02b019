"""Single calls made at about the same time, as one batch.

Trainers that score one sample at a time call from event loops that live for one step, from several loops
and from threads at once. Threads of our own serve them all: nothing here belongs to a loop, so nothing
outlives one.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeAlias, TypeVar

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

NUM_THREADS = 4
"""Batches under way at once; while all are, calls gather into larger ones."""


class Gatherer(Generic[ItemT, AnswerT]):
    """Hands what is submitted within a window to `send`, and its answers back one by one.

    Parameters
    ----------
    send:
        Takes a batch and returns an answer, or the exception of that item, for each of its items in order.
        What it raises, every caller of the batch gets.
    window_seconds:
        How long the first item of a batch waits for others.
    """

    def __init__(
        self,
        send: Callable[[list[ItemT]], Sequence[AnswerT | Exception]],
        *,
        window_seconds: float,
        max_items: int = 1024,
    ) -> None:
        self._send = send
        self._window_seconds = window_seconds
        self._max_items = max_items
        self._waiting: queue.SimpleQueue[_Entry[ItemT, AnswerT] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def submit(self, item: ItemT) -> "Future[AnswerT]":
        """Return the future of an item's answer; a cancelled one is not sent if it still waits."""
        answer: Future[AnswerT] = Future()
        self._waiting.put((item, answer))
        if len(self._threads) < NUM_THREADS:
            self._start()
        return answer

    def close(self) -> None:
        """End the threads, each after the batch that it is sending."""
        self._waiting.put(None)

    def _start(self) -> None:
        with self._starting:
            if len(self._threads) < NUM_THREADS:
                # Daemons: a trainer that ends must not wait for a service that is gone.
                thread = threading.Thread(target=self._work, name="visreward-gather", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while batch := self._collect():
            live = [entry for entry in batch if entry[1].set_running_or_notify_cancel()]
            if live:
                self._answer(live)

    def _collect(self) -> "list[_Entry[ItemT, AnswerT]]":
        """Return the next batch, empty once closed; one thread collects while the others send."""
        batch: list[_Entry[ItemT, AnswerT]] = []
        with self._turn:
            ends = 0.0
            while len(batch) < self._max_items:
                try:
                    wait = max(0.0, ends - time.monotonic()) if batch else None
                    entry = self._waiting.get(timeout=wait)
                except queue.Empty:
                    break
                if entry is None:
                    self._waiting.put(None)  # for the threads that still run
                    break
                if not batch:
                    ends = time.monotonic() + self._window_seconds
                batch.append(entry)
        return batch

    def _answer(self, batch: "list[_Entry[ItemT, AnswerT]]") -> None:
        try:
            answers = self._send([item for item, _ in batch])
        except BaseException as error:  # whatever it is, it is the callers'
            answers = [_as_exception(error)] * len(batch)
        if len(answers) != len(batch):
            answers = [RuntimeError(f"{len(answers)} answers to {len(batch)} items")] * len(batch)
        for (_, future), answer in zip(batch, answers):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


_Entry: TypeAlias = "tuple[ItemT, Future[AnswerT]]"


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(f"the request was abandoned: {error!r}")
