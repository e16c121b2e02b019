"""The queue of one model: sharing, poison, abandoned work.

`MockModel` is a mock: no real model fails, blocks or counts its batches on demand.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from visreward.protocol import Code
from visreward_service.engine.lane import Lane, LaneLimits, Ticket
from visreward_service.metrics import Metrics
from visreward_service.models.base import DecodedImage, ModelInfo, Pixels, Tokens, Vector
from visreward_service.models.errors import OutOfMemory
from visreward_service.scorers.base import Fault, ImageEncoding, TextEncoding

POISON = 666


class MockModel:
    """Gives each text the vector of its first token; fails on `POISON`; waits for `gate`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.info = ModelInfo(
            name="mock", kind="mock", source="tests", revision="1", pinned=True, dim=1, image_size=(1, 1),
            views=("pooled",), branches={"short": 77}, preprocessing="none",
        )  # fmt: skip

    def prepare_image(self, image: DecodedImage) -> Pixels:
        return image.rgb

    def prepare_texts(self, texts: Sequence[str], branch: str) -> list[Tokens]:
        return [Tokens((int(text),), 1) for text in texts]

    def encode_images(self, batch: Sequence[Pixels], view: str) -> list[Vector]:
        return [np.ones(1, np.float32) for _ in batch]

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        self.gate.wait(10)
        ids = [tokens.ids[0] for tokens in batch]
        self.batches.append(ids)
        if POISON in ids:
            raise RuntimeError("poisoned")
        return [np.array([number], np.float32) for number in ids]


@asynccontextmanager
async def lane_of(
    model: MockModel, *, metrics: Metrics | None = None, **limits: float
) -> AsyncIterator[Lane]:
    bounds = LaneLimits(max_wait_seconds=0.0, **limits)  # type: ignore[arg-type]
    lane = Lane(model, limits=bounds, metrics=metrics or Metrics())
    lane.start()
    yield lane
    model.gate.set()
    await lane.close()


def ask(lane: Lane, number: int, owner: int = 0) -> Ticket:
    ticket = lane.claim(TextEncoding("mock", str(number)), owner)
    if ticket.fresh:
        lane.offer(ticket.job, Tokens((number,), 1))
    return ticket


async def value(ticket: Ticket) -> float | Code:
    outcome = await asyncio.wait_for(asyncio.shield(ticket.job.done), 10)
    ticket.give_up()
    return outcome.code if isinstance(outcome, Fault) else float(outcome[0])


async def test_a_poisonous_input_fails_alone_and_the_lane_lives_on() -> None:
    model = MockModel()
    async with lane_of(model) as lane:
        numbers = [1, 2, 3, POISON, 5, 6, 7, 8]
        outcomes = [await value(ticket) for ticket in [ask(lane, number) for number in numbers]]
        assert outcomes == [1, 2, 3, Code.MODEL_FAILED, 5, 6, 7, 8]
        assert await value(ask(lane, 9)) == 9
        assert lane.alive


class TwoPasses(MockModel):
    """Runs two passes at once, of texts of all lengths; a pass waits until it has company."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, passes=2, packs_texts=True)
        self.company = threading.Barrier(2)

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        self.company.wait(10)
        return super().encode_texts(batch, branch)


async def test_as_many_passes_run_at_once_as_the_model_takes() -> None:
    model = TwoPasses()
    async with lane_of(model) as lane:
        tickets = [ask(lane, number) for number in range(16)]
        assert [await value(ticket) for ticket in tickets] == list(range(16))
    assert sorted(map(len, model.batches)) == [8, 8]


async def test_texts_of_all_lengths_share_a_pass_where_that_costs_nothing() -> None:
    model = MockModel()
    model.info = replace(model.info, packs_texts=True)
    async with lane_of(model) as lane:
        tickets = [lane.claim(TextEncoding("mock", str(length)), 0) for length in (2, 30, 70)]
        for ticket, length in zip(tickets, (2, 30, 70)):
            lane.offer(ticket.job, Tokens((length,) * length, length))
        assert [await value(ticket) for ticket in tickets] == [2, 30, 70]
    assert model.batches == [[2, 30, 70]]


class SmallDevice(MockModel):
    """Has room for so many texts at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        if len(batch) > self.room:
            raise OutOfMemory(f"no room for {len(batch)}")
        return super().encode_texts(batch, branch)


def measured(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"model": "mock", "kind": "text"})


async def test_a_batch_without_memory_is_done_in_smaller_ones_and_later_ones_start_small() -> None:
    model, metrics = SmallDevice(room=5), Metrics()
    async with lane_of(model, metrics=metrics, max_texts=32) as lane:
        assert measured(metrics, "visreward_batch_share") == 1.0
        for start in (0, 100, 200):
            tickets = [ask(lane, start + number) for number in range(32)]
            assert [await value(ticket) for ticket in tickets] == list(range(start, start + 32))
    assert max(len(batch) for batch in model.batches) <= 5
    # Of 32, then of 16 and 8 and their like in the first call; what follows starts at 4.
    assert measured(metrics, "visreward_out_of_memory_total") == 7
    assert measured(metrics, "visreward_batch_share") == 4 / 32


async def test_an_input_that_no_memory_suffices_for_fails_alone() -> None:
    model, metrics = SmallDevice(room=0), Metrics()
    async with lane_of(model, metrics=metrics) as lane:
        assert await value(ask(lane, 1)) is Code.MODEL_FAILED
        model.room = 99
        assert await value(ask(lane, 2)) == 2
    assert measured(metrics, "visreward_batch_share") == 1.0


async def test_work_asked_for_twice_at_the_same_time_is_done_once() -> None:
    model = MockModel()
    model.gate.clear()
    async with lane_of(model) as lane:
        tickets = [ask(lane, 7, owner) for owner in range(5)]
        assert [ticket.fresh for ticket in tickets] == [True, False, False, False, False]
        model.gate.set()
        assert [await value(ticket) for ticket in tickets] == [7] * 5
        assert model.batches == [[7]]


async def test_work_that_nobody_waits_for_any_more_is_dropped_before_it_runs() -> None:
    model = MockModel()
    model.gate.clear()
    async with lane_of(model, max_texts=1) as lane:
        first = ask(lane, 1)
        await asyncio.sleep(0.05)
        abandoned = [ask(lane, number) for number in range(100, 200)]
        shared = ask(lane, 100)
        for ticket in abandoned:
            ticket.give_up()
        last = ask(lane, 2)
        model.gate.set()
        assert await value(first) == 1
        assert await value(shared) == 100
        assert await value(last) == 2
        assert model.batches == [[1], [100], [2]]


@pytest.mark.parametrize("passes", [1, 2])
async def test_the_lane_lives_on_where_all_that_waited_is_given_up(passes: int) -> None:
    model = MockModel()
    model.info = replace(model.info, passes=passes)
    async with lane_of(model) as lane:
        for number in range(3):
            ask(lane, number).give_up()
            await asyncio.sleep(0.01)
        assert lane.alive
        assert await value(ask(lane, 7)) == 7
    assert model.batches == [[7]]


class Telling(MockModel):
    """Tells when its second pass has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.second = threading.Event()

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        if self.batches:
            self.second.set()
        return super().encode_texts(batch, branch)


async def test_the_next_pass_does_not_wait_for_the_answers_of_the_last() -> None:
    model = Telling()
    async with lane_of(model, max_texts=1) as lane:
        tickets = [ask(lane, number) for number in (1, 2)]
        begun: list[bool] = []
        tickets[0].job.done.add_done_callback(lambda _: begun.append(model.second.wait(5)))
        assert [await value(ticket) for ticket in tickets] == [1, 2]
    assert begun == [True]


class Leaving(MockModel):
    """Ends its thread, as a defect of a library may."""

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        raise SystemExit(3)


async def test_a_pass_that_ends_without_outcomes_stops_the_lane_which_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with lane_of(Leaving()) as lane:
        ticket = ask(lane, 1)
        while lane.alive:
            await asyncio.sleep(0.01)
        assert lane.trouble == "the loop of model mock has stopped"
    assert await value(ticket) is Code.MODEL_FAILED
    assert "the loop of a model has stopped" in caplog.messages


async def test_an_image_that_cannot_be_prepared_fails_alone() -> None:
    async def broken() -> Pixels:
        raise Fault(Code.IMAGE_INVALID, "damaged")

    async def defective() -> Pixels:
        raise ZeroDivisionError

    async def whole() -> Pixels:
        return np.zeros((1, 1, 3), np.uint8)

    async with lane_of(MockModel(), max_prepared_images=1) as lane:
        tickets = []
        for name, prepare in (("a", broken), ("b", defective), ("c", whole), ("d", whole)):
            ticket = lane.claim(ImageEncoding("mock", name), 0)
            lane.prepare(ticket.job, prepare)
            tickets.append(ticket)
        outcomes = [await value(ticket) for ticket in tickets]
        assert outcomes == [Code.IMAGE_INVALID, Code.MODEL_FAILED, 1.0, 1.0]


async def test_closing_a_lane_fails_what_still_waits() -> None:
    model = MockModel()
    async with lane_of(model) as lane:
        ticket = lane.claim(TextEncoding("mock", "1"), 0)
    assert await value(ticket) is Code.MODEL_FAILED
