"""Python runs this at the start of each of vLLM's processes: the schemas come before the first `import
torchvision`, where the package index's build stands beside a CPU torch."""

import runpy
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[4] / "client" / "visreward" / "torchvision_schemas.py"


class BeforeTorchvision(MetaPathFinder):
    """Finds nothing: it is asked for torchvision once, and declares the schemas then."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Declare, and leave the finding to the others."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            self.declared = runpy.run_path(str(SCHEMAS))


FINDER = BeforeTorchvision()
"""Kept: torch takes the declarations back when the library object that it holds is collected."""
sys.meta_path.insert(0, FINDER)
