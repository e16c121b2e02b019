"""What the service costs where no model runs: `rules`, `echo` and `healthz`."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from statistics import quantiles
from typing import Any

import httpx
import orjson

from loadtests.bench import Bench
from loadtests.http import Answer, fire
from loadtests.peers.environment import PLAIN, RAY, Environment, NotInstalledError
from loadtests.peers.registry import OFFLINE, SYSTEMS
from loadtests.results import Row
from loadtests.service import free_port, running
from loadtests.traffic import build_step, rule_items
from visreward import RewardClient
from visreward.protocol import ScoreResponse

RULE_REQUESTS = 64
ITEMS = 64
ECHO_SECONDS = 1.5
ECHO_CALLERS = 16


def rules(bench: Bench) -> list[Row]:
    """`rules`: 64 items of `pebr-r1/stage2` a request, eight requests in flight, no model."""
    served = []
    for turn in range(bench.repeats):
        bodies = rule_bodies(turn)
        served.append(send_rules(bench, bodies))
    items = [item for body in bodies for item in orjson.loads(body)["items"]]
    direct = max(timed(lambda: grade_directly(items[:512]), 512) for _ in range(bench.repeats))
    return [
        Row("rules", "visreward over HTTP", max(served), aim="≥ 5,000 items/s"),
        Row("rules", "visreward over HTTP", max(served), "math_verify called one by one", direct),
    ]


def rule_bodies(turn: int) -> list[bytes]:
    """Return the requests of a turn, which no other turn has."""
    return [rule_body(turn * RULE_REQUESTS + number) for number in range(RULE_REQUESTS)]


def send_rules(bench: Bench, bodies: list[bytes]) -> float:
    """Return the items per second of requests to rules, eight in flight."""
    started = time.perf_counter()
    answers = asyncio.run(fire(bench.port, bodies, callers=8))
    rate = ITEMS * len(bodies) / (time.perf_counter() - started)
    check(answers)
    return rate


def rule_body(seed: int) -> bytes:
    return orjson.dumps({"recipe": "pebr-r1/stage2", "items": rule_items(seed, ITEMS), "details": False})


def check(answers: list[Answer]) -> None:
    """End the bench where an item failed."""
    for answer in answers:
        found = ScoreResponse.model_validate_json(answer.body)
        if any(item.error is not None for item in found.items):
            raise SystemExit("an item failed; the bench measures only whole runs")


def timed(function: Callable[[], Any], count: int) -> float:
    """Return items per second of one run."""
    started = time.perf_counter()
    function()
    return count / (time.perf_counter() - started)


def grade_directly(items: list[dict[str, Any]]) -> None:
    """Verify the answers as trainers do: math_verify, one call after the other, in one process."""
    from math_verify import parse, verify

    for item in items:
        given = item["completion"].rsplit("\n", 1)[1]
        verify(parse(f"${item['reference']['answer']}$"), parse(f"${given}$"))


ECHOES: dict[str, tuple[Environment | None, str]] = {
    "bare ASGI + orjson": (None, "bare"),
    "LitServe": (PLAIN, "litserve"),
    "Ray Serve": (RAY, "ray"),
}


def echo(bench: Bench) -> list[Row]:
    """`echo`: requests without a model beside a FastAPI + orjson echo of the same body, by turns."""
    rows = []
    for name, body in echo_bodies().items():
        with ExitStack() as stack:
            plain = stack.enter_context(echo_server(bench, None, "fastapi"))
            ports: dict[str, int] = {"visreward": bench.port}
            for system, (environment, kind) in ECHOES.items():
                try:
                    ports[system] = stack.enter_context(echo_server(bench, environment, kind))
                except (NotInstalledError, RuntimeError) as error:
                    rows.append(Row(f"echo, {name}", system, None, note=f"did not run: {error}"))
            rates: dict[str, list[tuple[float, float]]] = {system: [] for system in ports}
            for _ in range(bench.repeats):
                for system, port in ports.items():
                    rates[system].append((per_second(port, body), per_second(plain, body)))
        for system, found in rates.items():
            # The cost of a request, so that less is better as in the aim.
            ours, theirs = (1000 / max(column) for column in zip(*found))
            aim = "≤ 1.3" if system == "visreward" else "–"
            rows.append(Row(f"echo, {name}", system, ours, "FastAPI + orjson", theirs, unit="ms", aim=aim))
    return rows


def echo_bodies() -> dict[str, bytes]:
    """Return requests without a model: one short item, and 64 long ones."""
    length = {"scorer": "length", "shape": "ratio", "expected_tokens": 512}
    head = {"terms": {"length": length}, "reward": "length", "details": False}
    item = {"completion": "so the answer is 4", "completion_tokens": 5}
    text = "the sum of both sides is four, so that the angle is right " * 16
    many = [{"id": str(n), "completion": text, "completion_tokens": n + 1} for n in range(ITEMS)]
    return {
        "1 item": orjson.dumps({**head, "items": [{"id": "0", **item}]}),
        "64 items, 60 KB": orjson.dumps({**head, "items": many}),
    }


@contextmanager
def echo_server(bench: Bench, environment: Environment | None, kind: str) -> Iterator[int]:
    """Start a server that reads a body as JSON and writes it back; yield its port."""
    python = sys.executable if environment is None else bench.interpreter(environment)
    port = free_port()
    command = [python, "-m", f"{SYSTEMS}.echo_server", kind, str(port)]
    log = bench.target.cache / f"echo-{kind}.log"
    with running(command, f"http://127.0.0.1:{port}", "/health", environ=OFFLINE, log=log):
        yield port


def per_second(port: int, body: bytes) -> float:
    """Return requests per second of sixteen callers, each with a connection of its own."""
    asyncio.run(fire(port, [body] * ECHO_CALLERS, callers=ECHO_CALLERS))
    started = time.perf_counter()
    answers = asyncio.run(fire(port, [body], callers=ECHO_CALLERS, seconds=ECHO_SECONDS))
    if any(answer.status != 200 for answer in answers):
        raise SystemExit(f"an echo was answered with {answers[0].status}")
    return len(answers) / (time.perf_counter() - started)


def healthz(bench: Bench) -> list[Row]:
    """`healthz`: asked every 20 ms while a step is scored that keeps all cores busy."""
    seconds: list[float] = []
    with RewardClient(url=bench.url) as client:
        bench.score(client, build_step(8999, num_images=2, group_size=2))
    step = build_step(9000, num_images=bench.num_images, group_size=bench.group_size)
    with RewardClient(url=bench.url) as client, ThreadPoolExecutor(1) as pool, httpx.Client() as probe:
        scoring = pool.submit(bench.score, client, step)
        while not scoring.done():
            started = time.perf_counter()
            probe.get(f"{bench.url}/healthz").raise_for_status()
            seconds.append(time.perf_counter() - started)
            time.sleep(0.02)
        scoring.result()
    cuts = quantiles(seconds, n=100)
    note = f"median {1000 * cuts[49]:.1f} ms, worst {1000 * max(seconds):.0f} ms, of {len(seconds)}"
    return [
        Row("healthz", "visreward, p99 while saturated", 1000 * cuts[98], unit="ms", aim="≤ 50 ms", note=note)
    ]
