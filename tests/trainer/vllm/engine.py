"""A real vLLM on the processor, started with the options of docs/trainer.md and those a processor needs."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.programs import is_answered, start_program, stop_program

HERE = Path(__file__).parent
ENVIRONMENT = Path(os.environ.get("VISREWARD_VLLM_ENVIRONMENT", HERE.parents[2] / ".venv-vllm"))
"""Where `make test-vllm` installs vLLM."""
START_SECONDS = 600
MAX_LORA_RANK = 8


@dataclass
class Vllm:
    """One server on this machine alone; it can be killed and started again on the same port."""

    model: Path
    log: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        python = ENVIRONMENT / "bin" / "python"
        assert python.is_file(), f"{ENVIRONMENT} is no environment: make test-vllm makes it"
        # What `vllm serve` runs; the build for processors has no program of that name that starts.
        command = [str(python), "-m", "vllm.entrypoints.openai.api_server", f"--model={self.model}"]
        documented = [
            "--served-model-name=policy",
            "--logprobs-mode=processed_logprobs",
            "--enable-lora",
            f"--max-lora-rank={MAX_LORA_RANK}",
            "--max-loras=2",
        ]
        small = ["--dtype=float32", "--enforce-eager", "--max-model-len=512", "--max-num-seqs=8"]
        here = ["--host=127.0.0.1", f"--port={self.port}"]
        self.process = start_program(
            [*command, *documented, *small, *here],
            environment={
                "VLLM_SERVER_DEV_MODE": "1",
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
                "VLLM_CPU_KVCACHE_SPACE": "1",
                "VLLM_CPU_OMP_THREADS_BIND": "nobind",
                "VLLM_DO_NOT_TRACK": "1",
                "HF_HUB_OFFLINE": "1",
                "PYTHONPATH": str(HERE / "site"),
            },
            log=self.log,
            is_ready=lambda: is_answered(f"{self.url}/health"),
            patience_seconds=START_SECONDS,
        )

    def stop(self) -> None:
        """End the server as an operator does, and wait for it."""
        if self.process is not None:
            stop_program(self.process, patience_seconds=120)
            self.process = None

    def loaded(self) -> list[str]:
        """Return the names that it offers, its own model's first."""
        return [model["id"] for model in httpx.get(f"{self.url}/v1/models", timeout=60).json()["data"]]
