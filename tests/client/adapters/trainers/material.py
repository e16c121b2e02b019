"""What a script has in hand in a trainer's environment: a label, completions, bare packages.

It runs beside the client alone; the service's side of it comes through the environment.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

MATERIAL: dict[str, str] = json.loads(os.environ["MATERIAL"])
LABEL, LOST, GOOD, BARE = (MATERIAL[name] for name in ("label", "lost", "good", "bare"))
"""A label whose image the service holds, one whose image it does not; a good completion and a poor one."""
URL = os.environ["VISREWARD_URL"]
DEAD = "http://127.0.0.1:9"
RECIPE = "clipscore"


def register_bare(*names: str) -> None:
    """Register packages by their folders, without running an `__init__` that loads a whole trainer."""
    for name in names:
        parent, _, leaf = name.rpartition(".")
        if parent:
            folder = Path(sys.modules[parent].__path__[0]) / leaf
        else:
            spec = importlib.util.find_spec(name)
            if spec is None or not spec.submodule_search_locations:
                raise SystemExit(f"{name} is not installed")
            folder = Path(spec.submodule_search_locations[0])
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module


def check(name: str, good: float, bare: float) -> None:
    """Check that the better completion earns more, and print both."""
    if not good > bare >= 0:
        raise SystemExit(f"{name}: {good} is not more than {bare}")
    sys.stdout.write(f"{name}: {good:.4f} > {bare:.4f}\n")


def check_raises(name: str, call: Callable[[], object]) -> None:
    """Check that a call raises and gives no number."""
    try:
        value = call()
    except Exception as error:
        sys.stdout.write(f"{name}: {type(error).__name__}\n")
    else:
        raise SystemExit(f"{name}: {value} in the place of an error")
