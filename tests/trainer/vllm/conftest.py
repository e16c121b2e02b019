"""One real vLLM for all tests, with a tiny model whose heads are as large as its kernels want them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer.conftest import QUESTIONS
from tests.trainer.reward_service import free_port
from tests.trainer.vllm.engine import Vllm
from tests.trainer.vllm.relay import Relay, relaying


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As for the other tests, but for heads of 64: vLLM's attention on the processor takes none of 16."""
    from demo.tiny_model import Size, build

    return build(tmp_path_factory.mktemp("model"), QUESTIONS, Size(hidden=256))


@pytest.fixture(scope="session")
def vllm(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    server = Vllm(tiny_model, tmp_path_factory.mktemp("vllm") / "log.txt", free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def relay(vllm: Vllm) -> Iterator[Relay]:
    with relaying(vllm.url) as relay:
        yield relay
