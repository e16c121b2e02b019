"""Writes the Python code of the `.proto` files: `python -m visreward_service.grpc.proto.generate`.

Needs grpcio-tools, at the version that `pyproject.toml` names: another one writes other code.
"""

import tempfile
from pathlib import Path

import visreward
import visreward_service

REWARD = (Path(visreward.__file__).parents[1], "visreward/protocol/proto/reward")
INFERENCE = (Path(visreward_service.__file__).parents[1], "visreward_service/grpc/proto/inference")

SHARED_POOL = "_descriptor_pool.Default()"
OWN_POOL = "_descriptor_pool.DescriptorPool()"
"""Triton's client declares the same names, and one pool takes a name once: with a pool of their own, these
messages can live in a process beside it."""

HEADER = "# fmt: off\n# ruff: noqa\n"
STUB_HEADER = HEADER + "# mypy: disable-error-code=type-arg\n"
"""protoc writes bare `Mapping` in the stubs."""


def generate() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    reward, inference = _compile(*REWARD), _compile(*INFERENCE)
    return reward | {path: text.replace(SHARED_POOL, OWN_POOL) for path, text in inference.items()}


def _compile(root: Path, stem: str) -> dict[Path, str]:
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        arguments = ["protoc", f"-I{root}", f"--python_out={folder}", f"--pyi_out={folder}", f"{stem}.proto"]
        if protoc.main(arguments):
            raise RuntimeError(f"{stem}.proto does not compile")
        code = HEADER + Path(folder, f"{stem}_pb2.py").read_text(encoding="utf-8")
        stub = STUB_HEADER + Path(folder, f"{stem}_pb2.pyi").read_text(encoding="utf-8")
    return {root / f"{stem}_pb2.py": code, root / f"{stem}_pb2.pyi": stub}


if __name__ == "__main__":
    for path, text in generate().items():
        path.write_text(text, encoding="utf-8")
