"""`breakdown`: where the time of a step goes, so that one sees what bounds it.

Seconds of threads beside the seconds that the step took. What comes near the step's own time, times the
number of its threads, is the bound: forward passes, preparation of images, or the event loop, which is
Python.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which
from statistics import fmean

from loadtests.bench import Bench
from loadtests.results import Row
from loadtests.service import listener
from loadtests.traffic import build_step
from visreward import RewardClient

PARTS = {
    "forward passes, images": ("visreward_encode_seconds_total", "image"),
    "forward passes, texts": ("visreward_encode_seconds_total", "text"),
    "decoding": ("visreward_prepare_seconds_total", "decode"),
    "resizing": ("visreward_prepare_seconds_total", "resize"),
    "tokenising": ("visreward_prepare_seconds_total", "tokenise"),
}
"""What the service counts, and under which label."""
STEP = "the whole step"


def breakdown(bench: Bench) -> list[Row]:
    """Score new steps, and show the parts of the quickest."""
    best: tuple[float, dict[str, float]] | None = None
    with RewardClient(url=bench.url) as client:
        bench.score(client, build_step(0, num_images=4, group_size=2))
        for seed in range(7001, 7001 + bench.repeats):
            step = build_step(seed, num_images=bench.num_images, group_size=bench.group_size)
            before, started = read_parts(bench), time.perf_counter()
            with watching_gpu(bench) as shares:
                bench.score(client, step)
            seconds = time.perf_counter() - started
            parts = {name: value - before[name] for name, value in read_parts(bench).items()}
            if shares:
                parts["GPU at work"] = fmean(shares) * seconds
            if best is None or seconds < best[0]:
                best = seconds, parts
    assert best is not None
    whole, parts = best
    return [Row("breakdown", name, value, STEP, whole, unit="s") for name, value in parts.items()]


def read_parts(bench: Bench) -> dict[str, float]:
    """Return seconds so far: of the service's threads, of its event loop, and of this process."""
    samples = bench.scrape()
    parts = {
        name: sum(one.value for one in samples if one.name == metric and label in one.labels.values())
        for name, (metric, label) in PARTS.items()
    }
    service = listener(bench.port)
    [loop] = [thread for thread in service.threads() if thread.id == service.pid]
    parts["event loop, processor time"] = loop.user_time + loop.system_time
    parts["client, processor time"] = time.process_time()
    return parts


@contextmanager
def watching_gpu(bench: Bench) -> Iterator[list[float]]:
    """Yield a list that holds, after the block, the shares of time in which the GPU was at work."""
    shares: list[float] = []
    if bench.target.is_on_cpu or which("nvidia-smi") is None:
        yield shares
        return
    number = bench.target.device.partition(":")[2] or "0"
    query = ["nvidia-smi", "--id", number, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    with subprocess.Popen([*query, "--loop-ms", "100"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield shares
        finally:
            process.terminate()
        assert process.stdout is not None
        shares += [int(line) / 100 for line in process.stdout if line.strip().isdigit()]
