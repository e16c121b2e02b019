"""The page of scorers and recipes says what the code says."""

from pathlib import Path

from visreward_service.recipes.catalogue import render
from visreward_service.scorers import SCORERS

PAGE = Path(__file__).parents[3] / "docs" / "catalogue.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m visreward_service.recipes.catalogue > docs/catalogue.md"
    )


def test_every_scorer_says_what_it_is() -> None:
    assert [name for name, scorer in SCORERS.items() if not scorer.summary.strip()] == []
