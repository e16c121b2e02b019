"""The processes behind the rule pool: a nursery that imports the rules once, and the workers it forks.

Run as a script by `pool`, so that the nursery imports nothing but this file and the modules of the rules: no
web server, no torch, and not the program's own `__main__`. A single-threaded nursery forks safely and in
milliseconds, which makes killing a worker cheap. It knows nothing of items, scores or asyncio.

Parent to nursery: `COMMAND` frames on a Unix socket; `FORK` brings the worker's end of a socket pair along.
Nursery to parent, in msgpack: `["ready"]`, `["broken", text]`, `["born", pid]`, `["gone", pid, exit code]`.
Parent to worker, in msgpack: `[rule, arguments]`. Worker to parent, in the same order: `[true, value]` or
`[false, reason]`.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgpack

COMMAND = struct.Struct("!Bi")
FORK, KILL = 1, 2

TIME_LIMIT_SIGNALS = frozenset({signal.SIGPROF, signal.SIGALRM})
"""End a worker at its time limit. The kernel sends them, so that no code in the worker is deaf to them."""
WALL_FACTOR = 10
"""The limit is processor time, so that a busy machine makes no call late; by the clock it is ten times it."""

LIFETIME_CALLS = 5_000
"""Calls after which a worker makes room for a fresh one, because sympy's caches grow."""

ORPHAN_CHECK_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
"""Of Linux's `prctl`."""

Rules = Mapping[str, Callable[..., Any]]


def pack(message: Any) -> bytes:
    """Return the bytes of `message`; raise TypeError, ValueError or OverflowError where it is no data."""
    packed: bytes = msgpack.packb(message, use_bin_type=True, unicode_errors="surrogatepass")
    return packed


def unpacker(*, use_list: bool) -> msgpack.Unpacker:
    """Return a streaming decoder; arrays come out as lists, or else as tuples."""
    return msgpack.Unpacker(
        use_list=use_list,
        raw=False,
        strict_map_key=False,
        unicode_errors="surrogatepass",
        max_buffer_size=2**31 - 1,
    )


def resolve(target: str) -> Callable[..., Any]:
    """Import `package.module:function`; call the module's `warm()`, if any, so that workers start warm."""
    module_name, _, function_name = target.partition(":")
    module = importlib.import_module(module_name)
    function: Callable[..., Any] = getattr(module, function_name)
    warm = getattr(module, "warm", None)
    if warm is not None:
        warm()
    return function


def attempt(rules: Rules, rule: str, arguments: tuple[Any, ...]) -> bytes:
    """Return the packed reply to one call. A rule that raises has failed; it has not scored 0."""
    try:
        return pack([True, rules[rule](*arguments)])
    except MemoryError:
        raise
    except BaseException as error:  # a rule's SystemExit is a failed call too
        return pack([False, f"the rule raised {type(error).__name__}"])


def serve(channel: socket.socket, rules: Rules, time_limit_seconds: float) -> None:
    """Answer calls until the parent hangs up, memory runs out or the worker's lifetime is over."""
    incoming = unpacker(use_list=False)
    num_calls = 0
    while num_calls < LIFETIME_CALLS:
        data = channel.recv(1 << 18)
        if not data:
            return
        incoming.feed(data)
        for rule, arguments in incoming:
            limit_time(time_limit_seconds)
            try:
                reply = attempt(rules, rule, arguments)
            except MemoryError:
                limit_time(0)
                channel.sendall(pack([False, "the rule ran out of memory"]))
                return
            limit_time(0)
            channel.sendall(reply)
            num_calls += 1


def limit_time(seconds: float) -> None:
    """Have the kernel end this process after so much work; 0 calls that off."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WALL_FACTOR * seconds)


def limit_memory(additional_bytes: int) -> None:
    """Let the process map `additional_bytes` more than it has mapped now."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib is not imported here
            mapped = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        mapped = 0
    limit = mapped + additional_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent is gone, however busy it is then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before the kernel was told, which then says nothing
        os._exit(0)


class Nursery:
    """Forks workers on request, reports their ends, and takes them along when the parent is gone."""

    def __init__(
        self, control: socket.socket, rules: Rules, time_limit_seconds: float, memory_bytes: int
    ) -> None:
        self._control = control
        self._rules = rules
        self._time_limit_seconds = time_limit_seconds
        self._memory_bytes = memory_bytes
        self._parent = os.getppid()
        self._pids: set[int] = set()
        self._commands = b""
        self._sockets: list[int] = []
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Serve commands until the parent closes its end or dies."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._tell("ready")
        while os.getppid() == self._parent:
            # A dead parent's end of the socket can live on in a process that it forked: hence the check.
            descriptors = [self._control.fileno(), self._wake_read]
            ready, _, _ = select.select(descriptors, [], [], ORPHAN_CHECK_SECONDS)
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            self._reap()
            if self._control.fileno() in ready and not self._receive():
                break
        self._end_all()

    def _tell(self, *message: Any) -> None:
        self._control.sendall(pack(message))

    def _receive(self) -> bool:
        data, sockets, _, _ = socket.recv_fds(self._control, 4096, 16)
        if not data:
            return False
        self._commands += data
        self._sockets += sockets
        while len(self._commands) >= COMMAND.size:
            command, pid = COMMAND.unpack_from(self._commands)
            self._commands = self._commands[COMMAND.size :]
            if command == FORK:
                self._tell("born", self._fork(socket.socket(fileno=self._sockets.pop(0))))
            elif pid in self._pids and command == KILL:
                os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, channel: socket.socket) -> int:
        nursery = os.getpid()
        pid = os.fork()
        if pid:
            channel.close()
            self._pids.add(pid)
            return pid
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            die_with_parent(nursery)
            limit_memory(self._memory_bytes)
            with contextlib.suppress(OSError):  # the parent hung up while a reply was under way
                serve(channel, self._rules, self._time_limit_seconds)
        finally:
            os._exit(0)

    def _reap(self) -> None:
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._pids.discard(pid)
            self._tell("gone", pid, os.waitstatus_to_exitcode(status))

    def _end_all(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        for pid in self._pids:
            os.waitpid(pid, 0)


def silence() -> None:
    """Send the output of workers nowhere: libraries print what hostile input makes them print."""
    sink = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(sink, descriptor)
    os.close(sink)


def main() -> None:
    """Import the rules named on standard input and serve the socket inherited as file descriptor argv[1]."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config = json.load(sys.stdin)
    sys.path[:] = config["sys_path"]
    try:
        rules = {name: resolve(target) for name, target in config["rules"].items()}
    except BaseException as error:  # whatever it is, the parent's start must say so
        control.sendall(pack(["broken", f"{type(error).__name__}: {error}"]))
        return
    silence()
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError):  # the parent died between two messages
        Nursery(control, rules, config["time_limit_seconds"], config["memory_limit_bytes"]).run()


if __name__ == "__main__":
    main()
