"""A server on a port of its own, in a thread of the test's process."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from visreward_service.engine.engine import Engine
from visreward_service.main import build_engine
from visreward_service.rest import create_app
from visreward_service.settings import Settings


class Server(uvicorn.Server):
    """uvicorn in a thread, which must leave the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def running(settings: Settings, engine: Engine | None = None) -> Iterator[int]:
    """Yield the port at which a service of these settings listens, with an engine of its own unless given."""
    app = create_app(settings, engine or build_engine(settings))
    server = Server(uvicorn.Config(app, port=0, ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(timeout=0.01)
            assert thread.is_alive()
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
