"""A service whose encoder a real Triton runs, from the repository that `visreward export` writes."""

import asyncio

import pytest

from tests.service.grpc.conftest import Service
from tests.service.models.remotes import remote, rows_apart, running, score, until_ready
from tests.service.triton.oracle import NAFLEX, Oracle

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("recipe", ["pebr-r1/stage1", "phrases"])
async def test_the_rewards_are_those_of_the_model_in_the_process(
    oracle: Oracle, served: Service, recipe: str
) -> None:
    expected = await score(served.engine, recipe)
    async with running(remote(oracle.grpc_port)) as engine:
        await until_ready(engine)
        assert engine.models[0].device == "triton"
        assert await score(engine, recipe) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", NAFLEX)
async def test_images_that_keep_their_shape_have_the_rows_that_they_have_here(
    oracle: Oracle, name: str
) -> None:
    apart = await rows_apart(name, oracle.models[name], oracle.grpc)
    assert max(apart.values()) <= 1e-4


async def test_what_is_asked_while_triton_is_restarted_waits_for_it(oracle: Oracle, served: Service) -> None:
    expected = await score(served.engine)
    async with running(remote(oracle.grpc_port, timeout_seconds=5)) as engine:
        await until_ready(engine)
        stopping = asyncio.create_task(asyncio.to_thread(oracle.stop))
        asked = [asyncio.create_task(score(engine)) for _ in range(4)]
        await stopping
        async with asyncio.timeout(60):
            while engine.not_ready is None:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(oracle.start)
        for answer in await asyncio.gather(*asked):
            assert answer == pytest.approx(expected, abs=1e-4)
        await until_ready(engine)
        assert await score(engine) == pytest.approx(expected, abs=1e-4)
