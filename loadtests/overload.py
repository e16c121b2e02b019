"""`overload`: three times what the service can do, for a minute; and `mixed`: many small requests, by Locust.

The service of `overload` has a queue for a third of the deadline, so that what it takes in it can do in time.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from statistics import quantiles

import orjson

from loadtests.bench import Bench
from loadtests.http import Answer, post
from loadtests.results import Row
from loadtests.service import memory_bytes, serving
from loadtests.traffic import Step, build_step, encode_pairs
from visreward import RewardClient, ScoreResult

FACTOR = 3
DEADLINE_MS = 15_000
SETTLED = 1 / 3
"""Share of the time after which the service's memory must not grow any more."""
GROUPS = 256
"""Distinct requests; they come again, with other completions each time."""
LOCUST_USERS = 16


@dataclass(frozen=True)
class Watch:
    """Resident memory of the service, second by second."""

    sizes: list[int]

    @property
    def growth_mib(self) -> float:
        """How much the largest size is above what it was when things had settled."""
        settled = max(self.sizes[: max(int(len(self.sizes) * SETTLED), 1)])
        return (max(self.sizes) - settled) / 2**20


def overload(bench: Bench) -> list[Row]:
    """Send groups at three times the capacity; a client with default settings works beside."""
    capacity = measure_capacity(bench)
    max_items = max(int(capacity * DEADLINE_MS / 1000 / 3), 4 * bench.group_size)
    extra = f"queue = {{ max_items = {max_items} }}"
    with serving(bench.shape, bench.cache, extra) as url:
        own = Bench(**{**vars(bench), "url": url})
        step = build_step(7777, num_images=8, group_size=bench.group_size)
        with ThreadPoolExecutor(2) as pool:
            scoring = pool.submit(score_patiently, own, step)
            watching = pool.submit(watch, own)
            answers = asyncio.run(flood(own, FACTOR * capacity / bench.group_size))
            watch_ = watching.result()
            patient = scoring.result()
        with RewardClient(url=url) as client:
            calm = own.score(client, build_step(7777, num_images=8, group_size=bench.group_size))
    return judge(bench, answers, watch_, capacity, patient, calm)


def measure_capacity(bench: Bench) -> float:
    """Return the items per second of a step."""
    step = build_step(7000, num_images=bench.num_images, group_size=bench.group_size)
    with RewardClient(url=bench.url) as client:
        started = time.perf_counter()
        bench.score(client, step)
        return step.num_items / (time.perf_counter() - started)


def score_patiently(bench: Bench, step: Step) -> ScoreResult:
    """Score a step with a client as it comes, amid the flood."""
    time.sleep(bench.seconds / 4)
    with RewardClient(url=bench.url) as client:
        return bench.score(client, step)


def watch(bench: Bench) -> Watch:
    """Note the service's memory while the flood lasts."""
    sizes, ends = [], time.monotonic() + bench.seconds
    while time.monotonic() < ends:
        sizes.append(memory_bytes(bench.port))
        time.sleep(1)
    return Watch(sizes)


async def flood(bench: Bench, per_second: float) -> list[Answer]:
    """Post groups at a fixed rate, answered or not, each on a connection of its own."""
    bodies = flood_bodies(bench)
    sending: list[asyncio.Task[Answer]] = []
    started = time.perf_counter()
    for number in range(int(per_second * bench.seconds)):
        await asyncio.sleep(max(started + number / per_second - time.perf_counter(), 0))
        sending.append(asyncio.create_task(post_alone(bench.port, bodies[number % len(bodies)])))
    return await asyncio.gather(*sending)


def flood_bodies(bench: Bench) -> list[bytes]:
    step = build_step(7500, num_images=GROUPS, group_size=bench.group_size)
    digests = [sha256(image).hexdigest() for image in step.images]
    return [
        encode_pairs(
            bench.model, {digest: image}, [(digest, text) for text in texts], deadline_ms=DEADLINE_MS
        )
        for digest, image, texts in zip(digests, step.images, step.completions)
    ]


async def post_alone(port: int, body: bytes) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await post(reader, writer, "/score", body)
    finally:
        writer.close()


def judge(
    bench: Bench,
    answers: Sequence[Answer],
    watched: Watch,
    capacity: float,
    patient: ScoreResult,
    calm: ScoreResult,
) -> list[Row]:
    """Return the rows; what must not happen at all ends the bench."""
    accepted = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    if len(accepted) + len(refused) != len(answers):
        raise SystemExit(f"answers of other kinds: {sorted({answer.status for answer in answers})}")
    if any("retry-after" not in answer.headers for answer in refused):
        raise SystemExit("a refusal without a hint when to come back")
    documents = [orjson.loads(answer.body) for answer in accepted]
    late = sum(item["error"] is not None for document in documents for item in document["items"])
    if any(len(document["items"]) != bench.group_size for document in documents):
        raise SystemExit("an answer that lacks items, or has one twice")
    if patient.rewards != calm.rewards:
        raise SystemExit("the client's rewards amid the flood are not those of calm times")
    cuts = quantiles([1000 * answer.seconds for answer in accepted], n=100)
    soon = quantiles([1000 * answer.seconds for answer in refused], n=100) if len(refused) > 1 else [0.0] * 99
    share = len(refused) / len(answers)
    scored = sum(len(document["items"]) for document in documents) - late
    rate = scored / bench.seconds
    return [
        Row(
            "overload",
            "scored in time",
            rate,
            "a step without overload",
            capacity,
            note=f"{share:.0%} of {len(answers)} requests refused, all with a hint; {late} items late",
        ),
        Row(
            "overload",
            "accepted request, p99",
            cuts[98],
            unit="ms",
            aim=f"≤ {DEADLINE_MS:,} ms, its deadline",
        ),
        Row("overload", "refusal, median", soon[49], unit="ms", aim="–"),
        Row("overload", "growth of memory", watched.growth_mib, unit="MiB", aim="flat"),
        Row(
            "overload",
            "a default client amid it",
            float(len(patient.rewards)),
            unit="items",
            aim="all, to the bit",
            note="the rewards of calm times, to the bit",
        ),
    ]


def mixed(bench: Bench) -> list[Row]:
    """Small requests by Locust's users, a fifth of them for rules; one failure ends the bench."""
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--host", bench.url]
    command += [
        "--headless",
        "--json",
        "--loglevel",
        "ERROR",
        "--model",
        bench.model,
        "-u",
        str(LOCUST_USERS),
    ]
    command += ["-r", str(LOCUST_USERS), "-t", f"{bench.seconds:.0f}s", "Mixed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Locust met failures:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    rows = []
    for stats in json.loads(done.stdout):
        times = {float(ms): count for ms, count in stats["response_times"].items()}
        seconds = stats["last_request_timestamp"] - stats["start_time"]
        note = f"median {percentile(times, 0.5):.0f} ms, p99 {percentile(times, 0.99):.0f} ms, no failure"
        rate = stats["num_requests"] / seconds
        rows.append(Row("mixed", f"visreward, {stats['name']}", rate, unit="req/s", note=note))
    return rows


def percentile(times: dict[float, int], share: float) -> float:
    """Return a percentile of counted response times."""
    left = share * sum(times.values())
    for ms in sorted(times):
        left -= times[ms]
        if left <= 0:
            return ms
    return max(times, default=0.0)
