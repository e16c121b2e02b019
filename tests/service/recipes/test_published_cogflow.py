"""CogFlow (arXiv:2601.01874, JacobYuan7/cogflow_code@d0c2980): quirks, and what the strict recipe mends."""

import pytest

from tests.service.recipes.published import judge, part
from visreward.protocol import Code
from visreward_service.scorers.base import Fault

FIGURE = "Line:\n(0, 0) -- (5, 0)\n(0, 0) -- (0, 5)"
STRAIGHT = "Line:\n(0, 0) -- (2, 0)\n(2, 0) -- (5, 0)"


def write(answer: str, figure: str = FIGURE) -> str:
    return (
        f"<WATCHING>\n{figure}\n</WATCHING>\n<THINKING>\nFrom 0 to 5.\n</THINKING>\n<ANSWER>{answer}</ANSWER>"
    )


def test_missing_parts_still_count_in_the_fifths() -> None:
    single = "Line:\n(0, 0) -- (5, 0)"
    given = {"primitives": single}
    assert judge("cogflow/rules", write("\\boxed{5}", single), answer="$5$", extra=given)[0] == pytest.approx(
        0.6
    )
    assert judge("cogflow/rules-strict", write("5", single), answer="5", extra=given)[0] == pytest.approx(1.0)


@pytest.mark.parametrize("given", ["\\boxed{6}", "anything", ""])
def test_a_reference_without_latex_makes_every_answer_right(given: str) -> None:
    extra = {"primitives": FIGURE}
    assert judge("cogflow/rules", write(given), answer="5", extra=extra)[1]["accuracy"] == 1.0
    assert judge("cogflow/rules-strict", write(given), answer="5", extra=extra)[1]["accuracy"] == 0.0


def test_a_reference_that_says_nothing_is_an_item_error_of_the_strict_recipe() -> None:
    with pytest.raises(Fault) as fault:
        judge("cogflow/rules-strict", write("5"), answer="\\frac{", extra={"primitives": FIGURE})
    assert fault.value.code is Code.REFERENCE_UNPARSABLE


def test_only_latex_is_read_in_the_answer() -> None:
    extra = {"primitives": FIGURE}
    assert judge("cogflow/rules", write("5"), answer="$5$", extra=extra)[1]["accuracy"] == 0.0
    assert (
        judge("cogflow/rules", write("\\boxed{\\frac{10}{2}}"), answer="$5$", extra=extra)[1]["accuracy"]
        == 1.0
    )
    for given in ("5", "\\boxed{5}", "$5$"):
        assert judge("cogflow/rules-strict", write(given), answer="5", extra=extra)[1]["accuracy"] == 1.0


def test_the_lines_of_the_reference_are_read_as_one() -> None:
    extra = {"primitives": FIGURE}
    assert judge("cogflow/rules", write("5"), answer="$5$", extra=extra)[1]["lines"] == 0.0
    assert judge("cogflow/rules-strict", write("5"), answer="5", extra=extra)[1]["lines"] == 1.0
    one = write("5", "Line:\n(0, 0) -- (5, 0)")
    assert judge("cogflow/rules", one, answer="$5$", extra={"primitives": STRAIGHT})[1]["lines"] == 1.0
    assert part("cogflow/rules-strict", one, "lines", answer="5", extra={"primitives": STRAIGHT}) < 1.0


def test_without_the_format_the_lines_earn_nothing() -> None:
    given = write("\\boxed{5}").replace("</THINKING>", "")
    parts = judge("cogflow/rules", given, answer="$5$", extra={"primitives": "Line:\n(0, 0) -- (5, 0)"})[1]
    assert (parts["format"], parts["lines"]) == (0.0, 0.0)
