"""`grouped`: a step's traffic through the service, and through its peers, each beside the bare forward pass.

A block is the bare forward pass and one system by turns, on new images every turn. Scores of every system are
held against those of the bare forward pass.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

import httpx
import numpy as np
import orjson

from loadtests.bench import Bench
from loadtests.http import fire
from loadtests.peers.environment import NotInstalledError
from loadtests.peers.registry import BARE, PEERS, Peer, Run, Runner, Scores
from loadtests.results import Row
from loadtests.service import BUNDLED
from loadtests.traffic import Step, build_step, encode_pairs
from visreward import RewardClient, ScoreResult

CALLERS = 64
"""Connections of the old trainer, which sends one pair a request."""
SLOWER = 16
"""What part of the images slow peers get."""
AIMS = {"bare-onednn": 0.95, "serial": 5.0, "torchmetrics": 5.0}
"""How many times as quick the service should be, where that is not what pairs or groups stand for."""
GPU_AIMS = {**AIMS, "serial": 50.0}
BARE_AIM, GPU_BARE_AIM = "≥ 0.95", "≥ 0.8"


@dataclass
class Race:
    """Rates of one system and of the bare forward pass, by turns, and how far its scores are from those."""

    system: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    apart: float | None = None

    def note(self, step: Step, ours: Run, theirs: Run, bare_step: Step) -> None:
        """Add a turn; the system may have had the first images of the step only."""
        self.system.append(step.num_items / ours.seconds)
        self.bare.append(bare_step.num_items / theirs.seconds)
        if ours.scores:
            gaps = [
                abs(a - b) for ours_, bare in zip(ours.scores, theirs.scores) for a, b in zip(ours_, bare)
            ]
            self.apart = max(self.apart or 0.0, *gaps)

    def row(self, scenario: str, system: str, aim: str, note: str = "") -> Row:
        apart = "no scores of its own" if self.apart is None else f"scores within {self.apart:.1g}"
        return Row(
            scenario,
            system,
            max(self.system),
            "bare forward",
            max(self.bare),
            aim=aim,
            note=", ".join(part for part in (apart, note) if part),
        )


@contextmanager
def bare_forward(bench: Bench) -> Iterator[Runner]:
    """Start the bare forward pass of the model."""
    with BARE.running(bench) as run:
        yield run


def grouped(bench: Bench) -> Iterator[Row]:
    """`grpo`, `grpo-epoch2` and `pairs` through the service, then the peers."""
    if bench.target.shape == BUNDLED:
        raise SystemExit("the peers need another --shape than the bundled model's")
    with bare_forward(bench) as bare:
        rows = ours(bench, bare)
        yield from rows
        for name in bench.peers:
            yield beside(bench, name, PEERS[name], bare, rows[0])


def ours(bench: Bench, bare: Runner) -> list[Row]:
    """Run the service's scenarios by turns with the bare forward pass."""
    races = {"grpo": Race(), "grpo-epoch2": Race(), "pairs": Race()}
    with RewardClient(url=bench.url) as client:
        bench.score(client, build_step(0, num_images=4, group_size=2))
        for seed in range(1, bench.repeats + 1):
            step = build_step(seed, num_images=bench.num_images, group_size=bench.group_size)
            again = build_step(1000 + seed, num_images=0, group_size=bench.group_size, images=step.images)
            single = build_step(2000 + seed, num_images=bench.num_images, group_size=bench.group_size)
            races["grpo"].note(step, timed_score(bench, client, step), bare(step), step)
            before = bench.counted("visreward_image_bytes_received")
            races["grpo-epoch2"].note(again, timed_score(bench, client, again, images=0), bare(again), again)
            if bench.counted("visreward_image_bytes_received") != before:
                raise SystemExit("the second epoch sent images; it must send none")
            races["pairs"].note(single, send_pairs(bench, single), bare(single), single)
    bare_aim = BARE_AIM if bench.target.is_on_cpu else GPU_BARE_AIM
    rows = [
        races["grpo"].row("grpo", "visreward, its client", bare_aim),
        races["grpo-epoch2"].row("grpo-epoch2", "visreward, its client", "", "no image encoded, none sent"),
        races["pairs"].row("pairs", "visreward, one pair a request", bare_aim),
    ]
    grpo = rows[0]
    rows += [
        replace(rows[1], baseline="grpo", baseline_rate=grpo.rate, aim="≥ 1.8", note=""),
        replace(rows[2], baseline="grpo", baseline_rate=grpo.rate, aim="1", note=""),
    ]
    return rows


def timed_score(bench: Bench, client: RewardClient, step: Step, images: int | None = None) -> Run:
    """Score a step; `images` is how many encodings it may take."""
    started = time.perf_counter()
    result = bench.score(client, step)
    seconds = time.perf_counter() - started
    done, expected = result.work.images_encoded, len(step.images) if images is None else images
    if done != expected:
        raise SystemExit(f"{done} images were encoded and not {expected}")
    return Run(seconds, by_group(result, step))


def by_group(result: ScoreResult, step: Step) -> Scores:
    """Return the cosines by group."""
    cosines = iter(result.rewards)
    return [[float(next(cosines) or 0.0) for _ in texts] for texts in step.completions]


def send_pairs(bench: Bench, step: Step) -> Run:
    """Score a step as an old trainer does: every pair a request of its own with its image in it."""
    digests = [sha256(image).hexdigest() for image in step.images]
    requests = [
        encode_pairs(bench.target.model, {digest: image}, [(digest, text)])
        for digest, image, texts in zip(digests, step.images, step.completions)
        for text in texts
    ]
    started = time.perf_counter()
    answers = asyncio.run(fire(bench.port, requests, callers=CALLERS))
    seconds = time.perf_counter() - started
    cosines = [orjson.loads(answer.body)["items"][0]["reward"] for answer in answers]
    return Run(seconds, np.array(cosines).reshape(-1, bench.group_size).tolist())


def beside(bench: Bench, name: str, peer: Peer, bare: Runner, grpo: Row) -> Row:
    """Return a peer's row, and how far the service is ahead; one that does not run is listed as such."""
    race = Race()
    try:
        with peer.running(bench) as run:
            run(build_step(0, num_images=2, group_size=2))
            for seed in range(1, bench.repeats + 1):
                step = build_step(3000 + seed, num_images=bench.num_images, group_size=bench.group_size)
                part = first(step, max(len(step.images) // SLOWER, 1)) if peer.is_slow else step
                race.note(part, run(part), bare(step), step)
    except (NotInstalledError, RuntimeError, httpx.HTTPError) as error:
        reason = str(error).replace("|", "/")[:120]
        return Row("grpo", peer.name, None, "bare forward", note=f"did not run: {reason}")
    row = race.row("grpo", peer.name, "–", "pair by pair" if peer.traffic == "pairs" else "whole groups")
    assert row.ratio is not None
    assert grpo.ratio is not None
    ahead = grpo.ratio / row.ratio
    aims = AIMS if bench.target.is_on_cpu else GPU_AIMS
    aim = aims.get(name, 3.5 if peer.traffic == "pairs" else 1.2)
    return replace(row, aim=f"visreward ≥ {aim} times it", note=f"{row.note}; visreward {ahead:.2g} times it")


def first(step: Step, count: int) -> Step:
    """Return the first images of a step with their completions."""
    return Step(step.images[:count], step.completions[:count])
