"""`overload`: three times what the service can do, for a minute; and `mixed`: many small requests, by Locust.

The service of `overload` has a queue for a third of the deadline, so that what it takes in it can do in time,
and caches so small that they are full early: from then on its memory must not grow.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from statistics import median, quantiles

import orjson

from loadtests.bench import Bench
from loadtests.http import Answer, post
from loadtests.results import Row
from loadtests.service import memory_bytes, serving
from loadtests.traffic import Step, build_step, caption, encode_pairs, mark
from visreward import RewardClient, ScoreResult

FACTOR = 3
DEADLINE_MS = 15_000
PICTURES = 32
"""Of the flood. Each is sent again and again as another file, so that nothing is encoded already."""
IMAGE_STORE_BYTES = 32 * 2**20
CACHE_BYTES = 4 * 2**20
MAX_GROWTH = 0.05
"""Of resident memory, from the second third of the time to the last."""
REST_SECONDS = 12
"""In these the service gives back what it freed; before, passes that nobody waits for may still run."""
LOCUST_USERS = 16


@dataclass(frozen=True)
class Watch:
    """Resident memory of the service and its workers in bytes."""

    before: int
    """Once a step has been scored."""
    during: list[int]
    """Second by second of the flood."""
    after: int
    """At rest again."""

    @property
    def settled(self) -> float:
        """The median of the second third of the flood; forward passes make single seconds uneven."""
        third = len(self.during) // 3
        return median(self.during[third : 2 * third] or self.during)

    @property
    def growth(self) -> float:
        """By how much the median of the last third is above that of the second, in bytes."""
        third = len(self.during) // 3
        return median(self.during[-third or None :]) - self.settled


def overload(bench: Bench) -> list[Row]:
    """Send groups at three times the capacity; a client with default settings works beside."""
    capacity = measure_capacity(bench)
    max_items = max(int(capacity * DEADLINE_MS / 1000 / 3), 4 * bench.group_size)
    extra = f"image_store_bytes = {IMAGE_STORE_BYTES}\ncache_bytes = {CACHE_BYTES}\n"
    with serving(bench.target, f"{extra}queue = {{ max_items = {max_items} }}") as url:
        own = replace(bench, url=url)
        measure_capacity(own)
        before = at_rest(own)
        step = build_step(7777, num_images=8, group_size=bench.group_size)
        with ThreadPoolExecutor(2) as pool:
            scoring = pool.submit(score_patiently, own, step)
            watching = pool.submit(watch, own)
            answers = asyncio.run(flood(own, FACTOR * capacity / bench.group_size))
            during = watching.result()
            patient = scoring.result()
        watched = Watch(before, during, at_rest(own))
        with RewardClient(url=url) as client:
            calm = own.score(client, build_step(7777, num_images=8, group_size=bench.group_size))
    return judge(bench, answers, watched, capacity, patient, calm)


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


def watch(bench: Bench) -> list[int]:
    """Note the service's memory while the flood lasts."""
    sizes, ends = [], time.monotonic() + bench.seconds
    while time.monotonic() < ends:
        sizes.append(memory_bytes(bench.port))
        time.sleep(1)
    return sizes


def at_rest(bench: Bench) -> int:
    """Return the service's memory at rest: the least, once it has not become less for a while."""
    least, seen = memory_bytes(bench.port), time.monotonic()
    while time.monotonic() < seen + REST_SECONDS:
        time.sleep(1)
        size = memory_bytes(bench.port)
        if size < least:
            least, seen = size, time.monotonic()
    return least


async def flood(bench: Bench, per_second: float) -> list[Answer]:
    """Post new groups at a fixed rate, answered or not, each on a connection of its own."""
    pictures = build_step(7500, num_images=PICTURES, group_size=1).images
    sending: list[asyncio.Task[Answer]] = []
    started = time.perf_counter()
    for number in range(int(per_second * bench.seconds)):
        await asyncio.sleep(max(started + number / per_second - time.perf_counter(), 0))
        body = flood_body(bench, mark(pictures[number % PICTURES], number), number)
        sending.append(asyncio.create_task(post_alone(bench.port, body)))
    return await asyncio.gather(*sending)


def flood_body(bench: Bench, image: bytes, seed: int) -> bytes:
    """Return the body that asks for new completions on an image."""
    source, digest = random.Random(seed), sha256(image).hexdigest()
    pairs = [(digest, caption(source)) for _ in range(bench.group_size)]
    return encode_pairs(bench.target.model, {digest: image}, pairs, deadline_ms=DEADLINE_MS)


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
        *judge_memory(watched),
        Row(
            "overload",
            "a default client amid it",
            float(len(patient.rewards)),
            unit="items",
            aim="all, to the bit",
            note="the rewards of calm times, to the bit",
        ),
    ]


def judge_memory(watched: Watch) -> list[Row]:
    """Return the rows about memory. What is kept at rest may be the caches that the settings allow."""
    allowed = MAX_GROWTH * watched.settled / 2**20
    caches = (IMAGE_STORE_BYTES + CACHE_BYTES) / 2**20
    note = f"{watched.before / 2**20:,.0f} MiB before, at most {max(watched.during) / 2**20:,.0f} amid it"
    return [
        Row(
            "overload",
            "growth of memory",
            watched.growth / 2**20,
            unit="MiB",
            aim=f"≤ {allowed:.0f} MiB, {MAX_GROWTH:.0%} of it",
            note=f"median of the last third less that of the second; {note}",
        ),
        Row(
            "overload",
            "memory kept afterwards",
            (watched.after - watched.before) / 2**20,
            unit="MiB",
            aim=f"≤ {caches:.0f} MiB, the bounds of its caches",
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
        bench.target.model,
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
