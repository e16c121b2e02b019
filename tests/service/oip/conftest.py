"""The running service of the gRPC tests, which the protocol's clients reach on both ports."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.service.grpc.conftest import Service, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def web(served: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{served.http}", timeout=60) as client:
        yield client
