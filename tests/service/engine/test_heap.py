"""What was freed goes back to the system."""

import asyncio
import os
from pathlib import Path

import pytest

from visreward_service.engine.heap import TRIMS_AFTERWARDS, Heap, find_trim

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


async def test_a_heap_is_trimmed_when_used_and_a_few_times_afterwards_and_not_at_rest() -> None:
    calls: list[int] = []
    heap = Heap(calls.append, every_seconds=0.01)
    heap.start()
    await asyncio.sleep(0.1)
    assert calls == []
    heap.touch()
    heap.touch()
    async with asyncio.timeout(30):
        while len(calls) < 1 + TRIMS_AFTERWARDS:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await heap.stop()
    assert calls == [0] * (1 + TRIMS_AFTERWARDS)


@pytest.mark.skipif(find_trim() is None, reason="another C library than glibc")
async def test_what_is_freed_after_the_last_use_leaves_the_process_too() -> None:
    blocks = [bytearray(BLOCK) for _ in range(128 * MIB // BLOCK)]
    trimmed = asyncio.Event()
    trim, loop = find_trim(), asyncio.get_running_loop()
    assert trim is not None

    def tell(pad: int) -> None:
        trim(pad)
        loop.call_soon_threadsafe(trimmed.set)

    heap = Heap(tell, every_seconds=0.01)
    heap.start()
    heap.touch()
    async with asyncio.timeout(30):
        await trimmed.wait()
        del blocks[::2], blocks[::2]
        kept = resident_bytes()
        while resident_bytes() > kept - 32 * MIB:
            await asyncio.sleep(0.01)
    await heap.stop()
    assert len(blocks) == 128 * MIB // BLOCK // 4


async def test_a_c_library_that_cannot_trim_is_left_alone() -> None:
    heap = Heap(None, every_seconds=0.01)
    heap.start()
    heap.touch()
    await heap.stop()
