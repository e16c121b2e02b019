"""A real service on a real port, as a trainer meets it, and services that are gone or never answer."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.adapters.material import GATED, Service
from tests.running import running
from visreward.adapters.session import close_sessions
from visreward_service.settings import RuleSettings, Settings


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "gated.toml").write_text(GATED, encoding="utf-8")
    settings = Settings(
        rules=RuleSettings(workers=1), cpu_threads=2, cache_bytes=2**26, recipe_folders=[folder]
    )
    with running(settings) as port:
        yield Service(f"http://127.0.0.1:{port}")


@pytest.fixture(autouse=True)
def _fresh_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("VISREWARD_URL", "VISREWARD_RECIPE", "VISREWARD_ON_ITEM_ERROR", "VISREWARD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    close_sessions()


@pytest.fixture
def dead_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A service that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(params=["dead", "silent"])
def gone(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of an adapter whose service does not answer, with little patience."""
    url = request.getfixturevalue(f"{request.param}_url")
    return {"url": url, "patience_seconds": 0.3, "timeout_seconds": 0.2}
