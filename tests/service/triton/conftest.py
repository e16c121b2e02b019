"""One real Triton for all tests, with encoders of three kinds and a model of texts."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.service.grpc.conftest import Service, serving
from tests.service.models.remotes import free_port
from tests.service.triton.oracle import Oracle, make_models, write_backends, write_repository


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    folder = tmp_path_factory.mktemp("triton")
    models = make_models(folder / "checkpoints")
    write_repository(folder / "repository", models)
    write_backends(folder / "backends")
    server = Oracle(folder, free_port(), free_port(), models)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service
