"""Declares the schemas of `torchvision::nms` and `torchvision::qnms` where torchvision's own operators
cannot load.

torchvision registers fake (meta) kernels for these two operators when it is imported. A torchvision built for
another torch (the CUDA build of the package index beside a CPU torch) cannot load its compiled operators, so
there is nothing to register the kernels on, and `import torchvision` fails with "operator torchvision::nms
does not exist". transformers imports torchvision for its CLIP classes whenever the package is merely
installed, and so fails with it. With the two schemas declared, the import succeeds; calling the operators
still fails, and nothing in this project calls them.

Importing this module does the declaring. It must run before the first import of torchvision, of open_clip
and of transformers' model classes. It stands here because the service and the trainer, which both need it,
stand on this package and not on each other; the client itself never imports it, nor torch.
"""

import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
"""The two operators that torchvision gives fake kernels, in its own words (torchvision/csrc/ops/nms.cpp)."""

_LIBRARIES: list[torch.library.Library] = globals().get("_LIBRARIES", [])
"""Keeps the declarations alive, over a reload too: torch takes them back when the library object is
collected."""


def is_declared(name: str) -> bool:
    """Whether torch knows an operator `torchvision::<name>`, ours or torchvision's own."""
    return hasattr(torch.ops.torchvision, name)


def load_own_operators() -> bool:
    """Load torchvision's compiled operators without importing torchvision; False where they do not fit this
    torch.

    A later `import torchvision` loads the same file again, which torch ignores.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False
    extension = PathFinder.find_spec("_C", list(spec.submodule_search_locations))
    if extension is None or extension.origin is None or not Path(extension.origin).is_file():
        return False
    try:
        torch.ops.load_library(extension.origin)  # type: ignore[no-untyped-call]
    except (OSError, ImportError, RuntimeError):
        return False
    return True


def declare_schemas() -> tuple[str, ...]:
    """Declare what is missing and return its names: none where torchvision is absent, fits, or is imported
    already."""
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return ()
    if all(map(is_declared, SCHEMAS)) or (load_own_operators() and all(map(is_declared, SCHEMAS))):
        return ()
    missing = tuple(name for name in SCHEMAS if not is_declared(name))
    kind = "FRAGMENT" if len(missing) < len(SCHEMAS) else "DEF"
    library = torch.library.Library("torchvision", kind)  # type: ignore[no-untyped-call]
    for name in missing:
        library.define(SCHEMAS[name])  # type: ignore[no-untyped-call]
    _LIBRARIES.append(library)
    return missing


DECLARED = declare_schemas()
"""The operators that this process declared itself."""
