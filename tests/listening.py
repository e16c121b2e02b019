"""A server of the standard library in a thread, for what stands in for somebody's service."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    # Waiting for handlers would wait for connections that a client keeps open on purpose.
    block_on_close = False
    daemon_threads = True
    # With the usual 5 a burst of connections overflows it, and some come a whole second later.
    request_queue_size = 128

    @property
    def url(self) -> str:
        """Where it listens, as long as nothing encrypts it."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler, ABC):
    """Keeps connections open, and prints nothing. A subclass says what becomes of a request."""

    protocol_version = "HTTP/1.1"
    # Head and body leave together: apart, the second would wait for the first one's acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        self.respond(None)

    def do_POST(self) -> None:
        self.respond(self.rfile.read(int(self.headers["content-length"])))

    @abstractmethod
    def respond(self, body: bytes | None) -> None:
        """Answer a request; one to GET has no body."""

    def answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        """Send an answer whole."""
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Stay quiet."""


def bind(handler: type[Handler], *, port: int = 0, **known: Any) -> Server:
    """Return a server, on a port of its own unless one is given; its handlers have what is `known`."""
    return Server(("127.0.0.1", port), type("Bound", (handler,), known))


@contextmanager
def listening(server: Server) -> Iterator[None]:
    """Serve for the length of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
