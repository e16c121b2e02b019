"""A running service with the bundled model, reached over HTTP in process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest_asyncio

from visreward_service.main import build_engine
from visreward_service.rest import create_app
from visreward_service.settings import RuleSettings, Settings


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Start a service with changed settings and yield a client of it."""
    rules = RuleSettings(workers=1, time_limit_seconds=2.0)
    settings = Settings(**{"rules": rules, "cache_bytes": 2**26, **changes})
    app = create_app(settings, build_engine(settings))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service() -> AsyncIterator[httpx.AsyncClient]:
    async with running() as client:
        yield client
