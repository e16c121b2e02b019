"""A real service on a real port, as a trainer meets it, and services that are gone or never answer."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from tests.client.adapters.material import GATED, Service
from visreward.adapters.session import close_sessions
from visreward_service.main import build_engine
from visreward_service.rest import create_app
from visreward_service.settings import RuleSettings, Settings


class Server(uvicorn.Server):
    """uvicorn in a thread, which must leave the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "gated.toml").write_text(GATED, encoding="utf-8")
    settings = Settings(
        rules=RuleSettings(workers=1), cpu_threads=2, cache_bytes=2**26, recipe_folders=[folder]
    )
    app = create_app(settings, build_engine(settings))
    config = uvicorn.Config(app, port=0, ws="none", log_config=None, access_log=False)
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(timeout=0.01)
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Service(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()


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
