"""The `sections` scorer: required headings, anywhere or in order."""

from typing import Any

import pytest
from pydantic import ValidationError

from visreward.protocol import Item
from visreward_service.scorers.base import Catalog, Score, Subject
from visreward_service.scorers.sections import Sections, SectionsParams

HEADINGS = ["### Plan:", "### Step 1:"]


def run(text: str | None, **params: Any) -> Score:
    scorer = Sections(SectionsParams.model_validate({"text": "piece", **params}), Catalog())
    return scorer.finish(Subject(Item(id="1", completion=""), {"piece": text}), {})


@pytest.mark.parametrize(
    "text", ["### Plan: ### Step 1:", "###plan:x###STEP1:", "### Step\n 1: then ###\tPlan:"]
)
def test_headings_are_found_anywhere_with_any_white_space(text: str) -> None:
    assert run(text, require=HEADINGS).values == {"format": 1.0, "fraction": 1.0}


def test_a_missing_heading_costs_the_format_and_its_share() -> None:
    score = run("### Plan:", require=HEADINGS)
    assert score.values == {"format": 0.0, "fraction": 0.5}
    assert score.details["missing"] == ["### Step 1:"]


def test_an_absent_text_has_no_section() -> None:
    assert run(None, require=HEADINGS).values == {"format": 0.0, "fraction": 0.0}


def test_the_order_can_be_given() -> None:
    assert run("### Step 1: ### Plan:", require=HEADINGS).values["format"] == 1.0
    assert run("### Step 1: ### Plan:", require=HEADINGS, order="given").values["format"] == 0.0
    assert run("### Plan: ### Step 1:", require=HEADINGS, order="given").values["format"] == 1.0
    assert run("### Step 1: ### Plan: ### Step 1:", require=HEADINGS, order="given").values["format"] == 1.0


def test_case_can_matter() -> None:
    assert run("### plan: ### step 1:", require=HEADINGS, ignore_case=False).values["format"] == 0.0


def test_patterns_are_those_of_re() -> None:
    patterns = [r"###\s*Plan:", r"###\s*Step\s*1:"]
    assert run("###\x1cPLAN: ### step1:", patterns=patterns).values["format"] == 1.0
    assert run("### Plan : ### step1:", patterns=patterns).values["format"] == 0.0
    assert run("### step1: ### plan:", patterns=patterns, order="given").values["format"] == 0.0


def test_either_headings_or_patterns_are_given() -> None:
    wrong: list[dict[str, Any]] = [{}, {"require": HEADINGS, "patterns": HEADINGS}, {"require": []}]
    for params in wrong:
        with pytest.raises(ValidationError):
            SectionsParams.model_validate(params)
    with pytest.raises(ValueError, match="not a pattern"):
        run("", patterns=["("])
