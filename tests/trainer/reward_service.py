"""The small reward service as a process of its own, to be killed and started again on the same port.

It prints a line for each request to score.
"""

import socket
import subprocess
import sys
import threading
from typing import Any

from tests.client.small_service import ServiceHandler, SmallService
from tests.listening import bind


class Printing(SmallService):
    def score(self, request: dict[str, Any]) -> tuple[int, Any]:
        print(len(request["items"]), flush=True)
        return super().score(request)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(port: int) -> "subprocess.Popen[str]":
    """Start a service that knows nothing of the one before it."""
    command = [sys.executable, "-m", "tests.trainer.reward_service", str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill(process: "subprocess.Popen[str]") -> list[str]:
    """Kill a service as the kernel does, and return the lines that it still had to tell."""
    process.kill()
    told, _ = process.communicate()
    return told.splitlines()


if __name__ == "__main__":
    service = Printing(delay_seconds=0.02)
    server = bind(ServiceHandler, port=int(sys.argv[1]), service=service)
    threading.Thread(target=server.serve_forever).start()
