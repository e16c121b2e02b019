"""The tables of scorers and rules."""

import importlib
import subprocess
import sys

from visreward_service.scorers import RULES, SCORERS, find_scorers
from visreward_service.scorers.base import Params, Scorer


def test_every_scorer_has_parameters_a_summary_and_a_docstring() -> None:
    for name, kind in SCORERS.items():
        assert issubclass(kind, Scorer), name
        assert issubclass(kind.Params, Params), name
        assert kind.summary, name
        assert kind.__doc__, name
    assert set(SCORERS) <= set(find_scorers())


def test_every_rule_is_a_function_that_can_be_imported() -> None:
    for rule, place in RULES.items():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), rule


def test_reading_recipes_loads_no_model_code_and_no_web_server() -> None:
    code = (
        "import sys; from visreward_service.recipes import load_recipes; load_recipes();"
        "print([name for name in ('torch', 'transformers', 'fastapi', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
