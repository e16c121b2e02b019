"""One HTTP connection, with bounds on what it may hold, and on how long it may stand still or take.

A head that never ends, a body that stops coming or comes byte by byte, and an answer that nobody reads each
end the connection. Knows nothing of what is asked.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from visreward_service.rest.arrivals import Arrivals

HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLargeError(Exception):
    """Ends the parsing of a head that is over its bound."""


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, which has no such bounds of its own."""

    max_head_bytes: int
    idle_seconds: float
    request_seconds: float
    arrivals: Arrivals

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = self._chunk_bytes = 0
        self._in_head = True
        self._in_body = self._is_arriving = self._unread = self._too_large = False
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self._end_request()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._chunk_bytes = len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes and not self.transport.is_closing():
                self._too_large = True
                self.send_400_response("")
        # What came whole needs no time to come in.
        if self._due is None and self._is_arriving and not self.transport.is_closing():
            self._await_end()
        self._watch()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._is_arriving, self._head_bytes = True, True, 0
        self._end_request()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        # No more can have come than was received, which takes less time to look at.
        received = self._head_bytes + self._chunk_bytes
        if received > self.max_head_bytes and self._measure_head() > self.max_head_bytes:
            self._too_large = True
            raise HeadTooLargeError
        super().on_headers_complete()

    def _measure_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete:  # else it is not kept
            self.arrivals.add(self, len(body))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = self._is_arriving = False
        self._end_request()

    def turn_away(self) -> None:
        """End a request that does not come to its end, and the connection."""
        is_answered = self._in_body and self.cycle.response_complete
        self._end_request()
        if not self.transport.is_closing():
            self.transport.write(b"" if is_answered else TOO_SLOW)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request. uvicorn calls this for everything that ends the parsing."""
        if not self._too_large:
            super().send_400_response(msg)
            return
        self.transport.write(HEAD_TOO_LARGE)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = True
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = False
        self._watch()

    def _watch(self) -> None:
        """Wait anew for what the client owes: the rest of a request, or that it reads its answer."""
        self._unwatch()
        if (self._in_head or self._in_body or self._unread) and not self.transport.is_closing():
            self._unsent_bytes = self.transport.get_write_buffer_size()
            self._timer = self.loop.call_later(self.idle_seconds, self._expire)

    def _expire(self) -> None:
        # A request behind one that is being answered is not read yet, and a slow reader may be at it still.
        waits_for_us = self.flow.read_paused and not self._unread
        reads_on = self._unread and self.transport.get_write_buffer_size() < self._unsent_bytes
        if waits_for_us or reads_on:
            self._watch()
        else:
            self.transport.abort()

    def _await_end(self) -> None:
        """Give the request its time to come in."""
        self._due = self.loop.call_later(self.request_seconds, self._come_due)

    def _come_due(self) -> None:
        if self.flow.read_paused:  # what is left is ours to read
            self._await_end()
        else:
            self.turn_away()

    def _end_request(self) -> None:
        self.arrivals.end(self)
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded_connection(
    *, max_head_bytes: int, idle_seconds: float, request_seconds: float, max_arriving_bytes: int
) -> type[BoundedConnection]:
    """Return the class of connections with these bounds, the last of which they have together."""
    bounds = {
        "max_head_bytes": max_head_bytes,
        "idle_seconds": idle_seconds,
        "request_seconds": request_seconds,
        "arrivals": Arrivals(max_arriving_bytes),
    }
    return type("Connection", (BoundedConnection,), bounds)
