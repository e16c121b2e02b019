"""V-Triune's mathematics (arXiv:2505.18129, `mathverify`): its quirks, and what the strict recipe mends."""

import pytest

from tests.service.recipes.published import judge
from visreward.protocol import Code
from visreward_service.scorers.base import Fault

RATIOS = {"accuracy_ratio": 1.0, "format_ratio": 0.1}


def write(answer: str) -> str:
    return f"<think>\nSix sevens.\n</think>\n<answer>\n{answer}\n</answer>"


def test_the_ratios_of_the_sample_weigh_accuracy_and_format() -> None:
    assert judge("v-triune/math", write("\\boxed{42}"), answer="42")[0] == 1.0
    reward, parts = judge("v-triune/math", write("\\boxed{41}"), answer="42", extra=RATIOS)
    assert (parts["accuracy"], parts["format"]) == (0.0, 1.0)
    assert reward == pytest.approx(0.1 / 1.1)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (write("1"), 1.0),
        ("</answer>\n<answer>\n\n</think>\n<think>\n", 0.75),
        (write("1").replace("<think>\n", "<think>"), 0.75),
        (write("1") + "\n</answer>", 0.75),
        ("", 0.0),
    ],
)
def test_each_tag_is_worth_a_quarter_wherever_it_stands(completion: str, expected: float) -> None:
    assert judge("v-triune/math", completion, answer="1")[1]["format"] == expected


def test_tags_out_of_order_are_no_format_to_the_strict_recipe() -> None:
    turned = "<answer>\n42\n</answer>\n<think>\nx\n</think>\n"
    assert judge("v-triune/math-strict", turned, answer="42")[1]["format"] == 0.0
    assert judge("v-triune/math-strict", write("42"), answer="42")[1]["format"] == 1.0


def test_a_plain_number_in_the_tag_is_not_read() -> None:
    assert judge("v-triune/math", write("42"), answer="42")[0] == 0.0
    assert judge("v-triune/math-strict", write("42"), answer="42")[0] == 1.0


def test_a_box_outside_the_tag_counts() -> None:
    completion = "\\boxed{42}" + write("7")
    assert judge("v-triune/math", completion, answer="42")[0] == 1.0
    assert judge("v-triune/math-strict", completion, answer="42")[0] == 0.0


def test_letters_lose_their_case() -> None:
    assert judge("v-triune/math", write("\\boxed{\\Delta+1}"), answer="$\\delta+1$")[0] == 1.0
    assert judge("v-triune/math-strict", write("\\boxed{\\Delta+1}"), answer="\\delta+1")[0] == 0.0


def test_a_reference_that_cannot_be_read_makes_every_answer_wrong() -> None:
    assert judge("v-triune/math", write("\\boxed{cat}"), answer="cat")[0] == 0.0
    with pytest.raises(Fault) as fault:
        judge("v-triune/math-strict", write("\\boxed{1}"), answer="\\frac{")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE
