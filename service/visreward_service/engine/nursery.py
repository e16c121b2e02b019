"""The parent's side of worker processes: starting the nursery, having it fork workers, hearing of their ends.

It owns processes and sockets, and knows nothing of queues, rules' meanings or time limits.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from visreward_service.engine import worker as script

START_TIMEOUT_SECONDS = 120.0
END_TIMEOUT_SECONDS = 5.0
WORKER_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One hash seed, so that no verdict depends on its worker; one thread, so that forking is safe."""

OnReply = Callable[["Link", bool, Any], None]
"""Called with a worker's link, whether the rule returned, and its value or the reason why not."""
OnGone = Callable[["Link", int | None], None]
"""Called once per lost worker: exit code, negative for a signal, None where nobody could tell."""


class Link(asyncio.Protocol):
    """The parent's end of the socket to one worker."""

    def __init__(self, nursery: "Nursery", on_reply: OnReply, on_gone: OnGone) -> None:
        self._nursery = nursery
        self._on_reply = on_reply
        self._on_gone = on_gone
        self._replies = script.unpacker(use_list=True)
        self._transport: asyncio.Transport | None = None
        self._hung_up = False
        self._exit_known = False
        self._exit_code: int | None = None
        self.pid: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls this."""
        self._transport = transport  # type: ignore[assignment]  # a stream socket's transport writes too

    def data_received(self, data: bytes) -> None:
        """Pass replies on, in the order of the calls."""
        self._replies.feed(data)
        for succeeded, value in self._replies:
            self._on_reply(self, succeeded, value)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the exit code says why
        """Note the end of the stream: every reply has been read."""
        self._hung_up = True
        self._report_end()

    def send(self, messages: bytes) -> None:
        """Send packed calls."""
        if self._transport is not None:
            self._transport.write(messages)

    def kill(self) -> None:
        """End the worker whatever it does."""
        self._nursery.command(script.KILL, self)
        self.hang_up()

    def processor_seconds(self) -> float:
        """Return the processor time that the worker has used; where it is not known, a clock's time."""
        if self.pid is not None and sys.platform == "linux":
            with contextlib.suppress(OSError):  # the worker is gone
                # Linux makes the number of a process's clock from its pid: clock_getcpuclockid(3).
                return time.clock_gettime(~self.pid << 3 | 2)
        return time.monotonic()

    def hang_up(self) -> None:
        """Close the socket; an idle worker then ends."""
        if self._transport is not None:
            self._transport.abort()

    def note_exit(self, exit_code: int | None) -> None:
        """Take the exit code from the nursery, or None where the nursery is gone too."""
        self._exit_known = True
        self._exit_code = exit_code
        self._report_end()

    def _report_end(self) -> None:
        if self._hung_up and self._exit_known:
            self._on_gone(self, self._exit_code)


class Nursery:
    """A process that has imported the rules and forks workers."""

    def __init__(self, config: Mapping[str, Any], on_lost: Callable[[], None]) -> None:
        """Take what `worker.main` reads, less `sys_path`; call `on_lost` if the process ends by itself."""
        self._config = {**config, "sys_path": [str(entry) or str(Path.cwd()) for entry in sys.path]}
        self._on_lost = on_lost
        self._notices = script.unpacker(use_list=True)
        self._links: set[Link] = set()
        self._unborn: deque[Link] = deque()
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether workers can be forked."""
        return self._ready

    async def start(self) -> None:
        """Start the process and wait for its imports. Raise RuntimeError where a rule cannot be imported."""
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[str | None] = self._loop.create_future()
        self._control, theirs = socket.socketpair()
        self._control.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a file of this package
                [sys.executable, "-P", script.__file__, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Signals for the terminal's foreground group are the parent's business.
                start_new_session=True,
                env={**os.environ, **WORKER_ENVIRONMENT},
            )
        assert self._process.stdin is not None  # noqa: S101 - narrows the type
        with self._process.stdin as stdin:
            stdin.write(json.dumps(self._config).encode())
        self._loop.add_reader(self._control.fileno(), self._listen)
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                fault = await self._started
        except BaseException:
            await self.close()
            raise
        if fault is not None:
            await self.close()
            raise RuntimeError(f"the rules cannot be started: {fault}")

    async def close(self) -> None:
        """End the process and all of its workers, and wait for that."""
        self._ready = False
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        for link in self._links:
            link.hang_up()
        try:
            await asyncio.to_thread(self._process.wait, END_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def hatch(self, on_reply: OnReply, on_gone: OnGone) -> Link:
        """Return the link to a new worker. Raise OSError where the nursery has ended."""
        link = Link(self, on_reply, on_gone)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.setblocking(False)
                await self._loop.create_unix_connection(lambda: link, sock=ours)
                self._adopt(theirs)
            except BaseException:
                link.hang_up()
                ours.close()
                raise
        self._links.add(link)
        self._unborn.append(link)
        return link

    def _adopt(self, theirs: socket.socket) -> None:
        if not self._ready:
            raise BrokenPipeError("the nursery has ended")
        socket.send_fds(self._control, [script.COMMAND.pack(script.FORK, 0)], [theirs.fileno()])

    def command(self, command: int, link: Link) -> None:
        """Have the nursery do something to a worker; one that is gone, or not there yet, is left alone."""
        if self._ready and link.pid is not None and link in self._links:
            self._control.send(script.COMMAND.pack(command, link.pid))

    def _listen(self) -> None:
        try:
            data = self._control.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._notices.feed(data)
        for kind, *facts in self._notices:
            self._heed(kind, facts)

    def _heed(self, kind: str, facts: list[Any]) -> None:
        match kind:
            case "ready":
                self._ready = True
                self._started.set_result(None)
            case "broken":
                self._started.set_result(facts[0])
            case "born":
                self._unborn.popleft().pid = facts[0]
            case "gone":
                pid, exit_code = facts
                link = next(link for link in self._links if link.pid == pid)
                self._links.discard(link)
                link.note_exit(exit_code)

    def _end(self) -> None:
        """Go on after the process was killed: how its workers end stays unknown."""
        self._loop.remove_reader(self._control.fileno())
        was_ready, self._ready = self._ready, False
        if not self._started.done():
            self._started.set_result("the process ended before it was ready")
        self._unborn.clear()
        links, self._links = self._links, set()
        for link in links:
            link.note_exit(None)
            link.hang_up()
        if was_ready:
            self._on_lost()
