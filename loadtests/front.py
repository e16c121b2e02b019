"""`front`: the service behind a front-end process, beside the same service without one.

The front-end is the cheapest there can be: it passes bytes on and looks at none. One that parsed, checked or
queued requests would cost more, and could take from the service no more than the share of its event loop.
`python -m loadtests.front PORT TARGET` is that process.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress

from loadtests.bench import Bench, by_way_of
from loadtests.grouped import send_pairs, timed_score
from loadtests.overhead import rule_bodies, send_rules
from loadtests.results import Row
from loadtests.traffic import build_step
from visreward import RewardClient

CHUNK = 2**18
"""Bytes passed on at a time."""


def front(bench: Bench) -> list[Row]:
    """`grpo`, `pairs` and `rules`, with a front-end process and without, by turns."""
    rates: dict[str, tuple[list[float], list[float]]] = {}
    with by_way_of(bench, "loadtests.front", str(bench.port)) as relayed:
        for turn in range(bench.repeats):
            for place, way in enumerate((relayed, bench)):
                for scenario, rate in run_turn(way, 5000 + 2 * turn + place):
                    rates.setdefault(scenario, ([], []))[place].append(rate)
    return [
        Row(scenario, "visreward behind a front-end", max(behind), "without one", max(alone))
        for scenario, (behind, alone) in rates.items()
    ]


def run_turn(bench: Bench, seed: int) -> Iterator[tuple[str, float]]:
    """Yield scenario and items per second."""
    step = build_step(seed, num_images=bench.num_images, group_size=bench.group_size)
    with RewardClient(url=bench.url) as client:
        yield "grpo", step.num_items / timed_score(bench, client, step).seconds
    single = build_step(seed + 100, num_images=bench.num_images, group_size=bench.group_size)
    yield "pairs", single.num_items / send_pairs(bench, single).seconds
    yield "rules", send_rules(bench, rule_bodies(seed))


async def serve(port: int, target: int) -> None:
    """Pass every connection on to the target port, until the process ends."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", port, limit=CHUNK, backlog=1024)
    await server.serve_forever()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy what comes until its end."""
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
