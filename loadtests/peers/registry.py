"""The peers by name: environment, program, and how traffic is sent to them."""

import asyncio
import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from loadtests.bench import Bench
from loadtests.peers.environment import INFINITY, PLAIN, RAY, TORCHMETRICS, Environment
from loadtests.service import Target, free_port, running
from loadtests.traffic import Step

ROOT = Path(__file__).parents[2]
SYSTEMS = "loadtests.peers.systems"
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": str(ROOT),
}
CALLERS = 16

Scores = list[list[float]]


@dataclass(frozen=True)
class Run:
    """What a system made of a step."""

    seconds: float
    scores: Scores
    """By group; empty where the system gives none."""


Runner = Callable[[Step], Run]


@dataclass(frozen=True)
class Site:
    """Where a peer runs, and what it loads."""

    python: str
    """The interpreter of its environment."""
    target: Target

    @property
    def environ(self) -> dict[str, str]:
        """What its process gets beside what this one has: no hub, and where the model goes."""
        return {**OFFLINE, "BENCH_DEVICE": self.target.device, "BENCH_DTYPE": self.target.dtype}


@dataclass(frozen=True)
class Peer:
    """Another system."""

    name: str
    traffic: str
    """`pairs`: it is called once for each image and completion. `groups`: it is given siblings together."""
    environment: Environment
    start: Callable[[Site, ExitStack], Runner] = field(repr=False)
    """From where it runs to something that runs steps; the stack ends it."""
    is_slow: bool = False
    """Whether it gets a part of the images only."""

    @contextmanager
    def running(self, bench: Bench) -> Iterator[Runner]:
        """Start the system. Raises `NotInstalledError`, and RuntimeError where it does not start."""
        site = Site(bench.interpreter(self.environment), bench.target)
        with ExitStack() as stack:
            yield self.start(site, stack)


def as_program(module: str, *arguments: str) -> Callable[[Site, ExitStack], Runner]:
    """Return how a program is started that scores steps named on its stdin."""

    def start(site: Site, stack: ExitStack) -> Runner:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        process = subprocess.Popen(
            [site.python, "-m", f"{SYSTEMS}.{module}", str(site.target.checkpoint), *arguments],
            cwd=ROOT,
            env={**os.environ, **site.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "log").open("wb"),
            text=True,
        )
        assert process.stdin is not None
        stdin = process.stdin
        stack.callback(process.wait)
        stack.callback(stdin.close)

        def answer() -> dict[str, Any]:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):
                    found: dict[str, Any] = json.loads(line)
                    return found
            lines = (folder / "log").read_text(encoding="utf-8").strip().splitlines()
            raise RuntimeError(lines[-1] if lines else "it ended without a word")

        answer()

        def run(step: Step) -> Run:
            path = folder / "step.json"
            path.write_text(json.dumps(bodies(step)), encoding="utf-8")
            stdin.write(f"{path}\n")
            stdin.flush()
            found = answer()
            return Run(found["seconds"], found["scores"])

        return run

    return start


def bodies(step: Step) -> list[dict[str, Any]]:
    """Return a step's groups as JSON bodies."""
    return [
        {"image": base64.b64encode(image).decode(), "texts": texts}
        for image, texts in zip(step.images, step.completions)
    ]


Send = Callable[[httpx.AsyncClient, dict[str, Any]], Awaitable[list[float]]]


def as_server(
    command: Callable[[Site, int], list[str]],
    health: str,
    send: Send,
    *,
    in_pairs: bool = False,
) -> Callable[[Site, ExitStack], Runner]:
    """Return how a server is started and sent steps, by sixteen callers at once."""

    def start(site: Site, stack: ExitStack) -> Runner:
        port = free_port()
        log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
        url = stack.enter_context(
            running(
                command(site, port),
                f"http://127.0.0.1:{port}",
                health,
                environ=site.environ,
                log=log,
            )
        )

        async def send_all(groups: list[dict[str, Any]]) -> list[list[float]]:
            limit = asyncio.Semaphore(CALLERS)
            async with open_client(url) as client:

                async def one(body: dict[str, Any]) -> list[float]:
                    async with limit:
                        return await send(client, body)

                return await asyncio.gather(*map(one, groups))

        def run(step: Step) -> Run:
            groups = bodies(step)
            if in_pairs:
                groups = [{"image": each["image"], "text": text} for each in groups for text in each["texts"]]
            started = time.perf_counter()
            scores = asyncio.run(send_all(groups))
            seconds = time.perf_counter() - started
            if in_pairs:
                flat = [row[0] for row in scores]
                ends = np.cumsum([len(texts) for texts in step.completions])
                scores = [part.tolist() for part in np.split(np.array(flat), ends[:-1])]
            return Run(seconds, scores)

        return run

    return start


def open_client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=600)


async def send_group(client: httpx.AsyncClient, body: dict[str, Any]) -> list[float]:
    """Send a group to a server of ours to describe: an image and its texts."""
    answer = (await client.post("/score", json=body)).raise_for_status().json()
    scores: list[float] = answer["scores"]
    return scores


async def send_pair(client: httpx.AsyncClient, body: dict[str, Any]) -> list[float]:
    """Send an image with one text."""
    answer = (await client.post("/score", json=body)).raise_for_status().json()
    return [answer["score"]]


async def send_to_infinity(client: httpx.AsyncClient, body: dict[str, Any]) -> list[float]:
    """Ask for the embeddings of an image and of its texts, and take the cosines here."""
    texts = body.get("texts") or [body["text"]]
    image, rows = await asyncio.gather(
        _embed(client, "image", [f"data:image/jpeg;base64,{body['image']}"]), _embed(client, "text", texts)
    )
    cosines: list[float] = (rows @ image[0]).tolist()
    return cosines


async def _embed(client: httpx.AsyncClient, modality: str, inputs: list[str]) -> Any:
    body = {"model": "clip", "input": inputs, "modality": modality, "encoding_format": "base64"}
    answer = (await client.post("/embeddings", json=body)).raise_for_status().json()
    rows = np.array(
        [np.frombuffer(base64.b64decode(one["embedding"]), dtype=np.float32) for one in answer["data"]]
    )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def program(module: str) -> Callable[[Site, int], list[str]]:
    """Return the command of a server among the programs here."""
    return lambda site, port: [
        *(site.python, "-m", f"{SYSTEMS}.{module}"),
        *(str(site.target.checkpoint), str(port)),
    ]


def infinity(site: Site, port: int) -> list[str]:
    """Return the command of infinity's own server."""
    target = site.target
    return [
        *(str(Path(site.python).parent / "infinity_emb"), "v2", "--model-id", str(target.checkpoint)),
        *("--engine", "torch", "--device", target.device, "--dtype", target.dtype),
        *("--no-bettertransformer", "--no-model-warmup"),
        *("--served-model-name", "clip", "--batch-size", "32", "--port", str(port)),
    ]


BARE = Peer("bare forward", "groups", PLAIN, as_program("bare"))
PEERS = {
    "bare-onednn": Peer("bare forward, by oneDNN", "groups", PLAIN, as_program("bare", "onednn")),
    "litserve": Peer(
        "LitServe, group API", "groups", PLAIN, as_server(program("litserve_server"), "/health", send_group)
    ),
    "infinity": Peer(
        "infinity-emb, two calls a group",
        "groups",
        INFINITY,
        as_server(infinity, "/health", send_to_infinity),
    ),
    "ray": Peer("Ray Serve, group API", "groups", RAY, as_server(program("ray_server"), "/", send_group)),
    "serial": Peer("PeBR-R1's pattern: serial, batch 1", "pairs", PLAIN, as_program("serial"), is_slow=True),
    "naive": Peer(
        "FastAPI, model in the handler",
        "pairs",
        PLAIN,
        as_server(program("naive_server"), "/healthz", send_pair, in_pairs=True),
        is_slow=True,
    ),
    "torchmetrics": Peer(
        "torchmetrics CLIPScore per sample",
        "pairs",
        TORCHMETRICS,
        as_program("torchmetrics_scores", "sample"),
        is_slow=True,
    ),
    "torchmetrics-batch": Peer(
        "torchmetrics CLIPScore per group",
        "groups",
        TORCHMETRICS,
        as_program("torchmetrics_scores", "batch"),
        is_slow=True,
    ),
    "infinity-pairs": Peer(
        "infinity-emb, image with each pair",
        "pairs",
        INFINITY,
        as_server(infinity, "/health", send_to_infinity, in_pairs=True),
        is_slow=True,
    ),
}
