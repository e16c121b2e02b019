"""A server of somebody else's in a process of its own: started, waited for, and asked how it is."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx


def start_program(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    log: Path,
    is_ready: Callable[[], bool],
    patience_seconds: float,
) -> "subprocess.Popen[bytes]":
    """Start a program, and return its process once it is ready. Fails with the end of its log if it ends."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + patience_seconds
        while not is_ready():
            assert process.poll() is None, read_tail(log)
            assert time.monotonic() < until, read_tail(log)
            time.sleep(0.2)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def stop_program(process: "subprocess.Popen[bytes]", *, patience_seconds: float) -> None:
    """End a program as an operator does, and wait for it."""
    process.terminate()
    process.wait(patience_seconds)


def is_answered(url: str) -> bool:
    """Whether somebody answers there, and with success."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def read_tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-4000:]
