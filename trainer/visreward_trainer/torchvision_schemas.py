"""Lets `import torchvision` succeed beside a torch that its compiled operators were not built for.

transformers imports torchvision for its image processors wherever the package is installed, and torchvision
fails at import where torch does not know its operators `nms` and `qnms`: the package index's build beside a
CPU torch. The operators go on failing when called; nothing here calls them. The service has the same remedy
on its side of the house. Importing this module does the declaring.
"""

import importlib.util
import sys

import torch

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
OPERATORS = ("nms", "qnms")

_LIBRARIES: list[torch.library.Library] = []
"""Keeps the declarations alive: torch takes them back when the library object is collected."""


def declare_schemas() -> None:
    """Try torchvision, and declare what it lacks where it fails."""
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in OPERATORS:
            if not hasattr(torch.ops.torchvision, operator):
                library.define(operator + SCHEMA)  # type: ignore[no-untyped-call]
        _LIBRARIES.append(library)


declare_schemas()
