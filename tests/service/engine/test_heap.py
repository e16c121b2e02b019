"""What was freed goes back to the system."""

import asyncio
import os
from pathlib import Path

import pytest

from visreward_service.engine.heap import Heap, find_trim

MIB = 2**20
BLOCK = 32 * 1024
"""Below the size from which glibc asks the system for each block."""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(find_trim() is None, reason="another C library than glibc")
async def test_freed_memory_leaves_the_process_though_blocks_among_it_live_on() -> None:
    blocks = [bytearray(BLOCK) for _ in range(128 * MIB // BLOCK)]
    del blocks[::2], blocks[::2]
    kept = resident_bytes()
    heap = Heap(find_trim(), every_seconds=0.01)
    heap.start()
    heap.touch()
    async with asyncio.timeout(30):
        while resident_bytes() > kept - 32 * MIB:
            await asyncio.sleep(0.01)
    await heap.stop()
    assert len(blocks) == 128 * MIB // BLOCK // 4


async def test_a_heap_is_trimmed_once_for_each_time_it_was_used_and_not_at_rest() -> None:
    calls: list[int] = []
    heap = Heap(calls.append, every_seconds=0.01)
    heap.start()
    await asyncio.sleep(0.1)
    assert calls == []
    heap.touch()
    heap.touch()
    async with asyncio.timeout(30):
        while not calls:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await heap.stop()
    assert calls == [0]


async def test_a_c_library_that_cannot_trim_is_left_alone() -> None:
    heap = Heap(None, every_seconds=0.01)
    heap.start()
    heap.touch()
    await heap.stop()
