"""Rules for the pool's tests; workers import this file by name."""

import os
import signal
import sys
import time
from typing import Any

STARTED_WARM = False


def warm() -> None:
    """Leave a mark that forked workers can see."""
    global STARTED_WARM
    STARTED_WARM = True


def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number


def kind_of(value: Any) -> str:
    """Return the name of the value's type."""
    return type(value).__name__


def echo(*values: Any) -> list[Any]:
    """Return the arguments."""
    return list(values)


def fail(message: str) -> None:
    """Raise."""
    raise ValueError(message)


def leave() -> None:
    """Try to end the worker."""
    sys.exit(3)


def die() -> None:
    """Crash as a segmentation fault does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(_number: int = 0) -> None:
    """Spend time in the interpreter."""
    while True:
        pass


def sleep(seconds: float, _number: int = 0) -> float:
    """Take a while."""
    time.sleep(seconds)
    return seconds


def burn(seconds: float) -> float:
    """Use processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def tower() -> int:
    """Spend time in one call of C code that no signal handler written in Python could end."""
    return len(str(9**9**9))


def hoard(num_bytes: int) -> int:
    """Allocate memory."""
    return len(bytearray(num_bytes))


def opaque() -> object:
    """Return something that is not plain data."""
    return object()


def pid() -> int:
    """Return the worker's process id."""
    return os.getpid()


def count_pids(_number: int) -> int:
    """Return the worker's process id, for any number."""
    return os.getpid()


def parent_pid() -> int:
    """Return the process id of the worker's parent."""
    return os.getppid()


def modules() -> list[str]:
    """Return the names of the top-level packages that the worker has imported."""
    return sorted({name.partition(".")[0] for name in sys.modules})


def is_warm() -> bool:
    """Return whether `warm` ran before the worker was forked."""
    return STARTED_WARM


def nothing() -> None:
    """Return nothing."""
