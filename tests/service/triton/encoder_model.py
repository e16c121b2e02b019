"""What Triton's Python backend runs of an exported encoder: the ONNX file beside it. Runs in Triton alone."""

from pathlib import Path
from typing import Any

import onnxruntime
import triton_python_backend_utils as backend


class TritonPythonModel:
    """The name that the backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the file."""
        file = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request on its own."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        given = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        (rows,) = self.session.run(["EMBEDDING"], given)
        return backend.InferenceResponse([backend.Tensor("EMBEDDING", rows)])
