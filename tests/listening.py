"""A server of the standard library in a thread, for what stands in for somebody's service."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    # Waiting for handlers would wait for connections that a client keeps open on purpose.
    block_on_close = False
    daemon_threads = True
    # With the usual 5 a burst of connections overflows it, and some come a whole second later.
    request_queue_size = 128


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
