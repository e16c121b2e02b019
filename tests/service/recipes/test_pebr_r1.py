"""The PeBR-R1 recipes: the paper profile to the bit, against its definitions written with Python's own `re`.

Definitions: arXiv 2509.13031 and cythu/PeBR-R1@0f332ce, `examples/reward_function/pebr_1.py`, `pebr_2.py`,
`pebr_sample.py`. The cosine of image and caption is made up by the tests; everything else is computed twice.
"""

import random
import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from mathruler.grader import grade_answer

from tests.service.recipes.scoring import IMAGE, bind, score
from visreward.protocol import Code, Item, Reference
from visreward_service.recipes import BoundRecipe, load_recipes
from visreward_service.scorers.base import Fault

HEADINGS = ("### Image Description:", "### Rationales:", "### Step 1:", "### The final answer is:")


@cache
def recipe(name: str) -> BoundRecipe:
    return bind(load_recipes()[f"pebr-r1/{name}"])


# --- the definitions -------------------------------------------------------------------------------------


@cache
def clean(response: str) -> str:
    return re.sub(r"\s*(<|>|/)\s*", r"\1", response)


def define_caption(response: str) -> str:
    pattern = r"###\s*Image Description:\s*(.*?)###\s*Rationales:"
    match = re.search(pattern, clean(response), re.DOTALL | re.IGNORECASE)
    return match.group(1).strip() if match else ""


def define_clip(cos: float) -> float:
    return 1.0 if cos >= 0.4 else cos / 0.4


def define_key_word(response: str, key_words: list[str] | None) -> float:
    if not key_words:
        return 0.0
    text = clean(response).lower()
    return sum(1 for word in key_words if word.lower() in text) / len(key_words)


def define_format(response: str) -> float:
    patterns = (
        r"###\s*Image Description:",
        r"###\s*Rationales:",
        r"###\s*Step\s*1:",
        r"###\s*The final answer is:",
    )
    return 1.0 if all(re.search(one, clean(response), re.IGNORECASE) for one in patterns) else 0.0


def define_length(length: int) -> float:
    return 1.0 if length <= 512 else max(0, min(512 / (length + 1e-5), 1))


grade = cache(grade_answer)


def define_accuracy(response: str, ground_truth: str) -> float:
    match = re.search(r"### The final answer is:\s*([^\n]*)", clean(response))
    given = match.group(1).strip() if match else clean(response).strip()
    return 1.0 if grade(given, ground_truth.strip()) else 0.0


def define_stage1(clip: float, key_word: float, layout: float, length: float) -> float:
    return 0.4 * clip + 0.1 * layout + 0.4 * key_word + 0.1 * length


def define_stage2(accuracy: float, layout: float) -> float:
    return (1 - 0.1) * accuracy + 0.1 * layout


# --- generated completions -------------------------------------------------------------------------------

SPACES = ["", " ", "  ", "\n", "\n\n", "\t", "\u3000", "\xa0", "\x1c", "\r\n"]
BODIES = [
    "",
    " ",
    "The scatter plot shows a red cube / a blue ball.",
    "a < b > c / d",
    "Ein Würfel, 立方体, кубик",
    "İstanbul ſtraße K",
    "1 / 2",
    "42",
    "\\frac{1}{2}",
    "x\n42\ny",
    "emoji 🎈 and e\u0301",
    "### nothing:",
    "<answer> 42 </answer>",
    "cat",
]
VARIANTS = {
    "### Image Description:": [
        "###Image Description:",
        "### IMAGE description:",
        "### Image  Description:",
        "###\n\nimage description:",
        "### İmage Description:",
        "### Image Deſcription:",
    ],
    "### Rationales:": [
        "###Rationales:",
        "### RATIONALES:",
        "### Rationale:",
        "###\trationales:",
        "## Rationales:",
    ],
    "### Step 1:": ["###Step1:", "### step\n1:", "### Step 2:", "### Step  1:", "### STEP 1 :"],
    "### The final answer is:": [
        "###The Final Answer is:",
        "### the final answer is:",
        "### The final answer is",
        "### The  final answer is:",
        "###\u3000The final answer is:",
    ],
}
KEY_WORDS = [
    None,
    [],
    ["cat"],
    ["red", "cube"],
    ["CAT", "blue", "zebra"],
    [""],
    ["İ", "ß"],
    ["cube/a", "42", " "],
]
GOLDS = ["42", " 42 ", "1/2", "\\frac{1}{2}", "cat", "0.5", "", "x"]
COSINES = [-1.0, -0.1, 0.0, 0.1, 0.3, 0.39999998, 0.4, 0.40000004, 0.7, 1.0]


def make_completion(rng: random.Random) -> str:
    headings = list(HEADINGS)
    if rng.random() < 0.3:
        rng.shuffle(headings)
    parts = [rng.choice(BODIES) if rng.random() < 0.2 else ""]
    for heading in headings:
        chance = rng.random()
        if chance < 0.12:
            continue
        shown = rng.choice(VARIANTS[heading]) if chance < 0.4 else heading
        parts += [shown, rng.choice(SPACES), rng.choice(BODIES), rng.choice(SPACES)]
        if rng.random() < 0.05:
            parts += [shown, rng.choice(BODIES)]
    return rng.choice(["", "\n", " "]).join(parts)


def make_items(count: int, seed: int) -> Iterator[tuple[Item, str]]:
    rng = random.Random(seed)
    for number in range(count):
        completion = make_completion(rng)
        if number % 500 == 0:
            completion = rng.choice(["", " ", "###", completion * 40, " " * 3000, "x " * 30_000 + completion])
        gold = rng.choice(GOLDS)
        yield (
            Item(
                id=str(number),
                images=[IMAGE, "1" * 64][: rng.choice([1, 1, 2])],
                completion=completion,
                completion_tokens=rng.choice(
                    [0, 1, 511, 512, 513, 514, 640, 1024, 2048, rng.randrange(5000)]
                ),
                reference=Reference(answer=gold, key_words=rng.choice(KEY_WORDS)),
            ),
            gold,
        )


def made_up_cosine(text: str) -> float:
    return random.Random(text).choice(COSINES)


def test_stage_1_gives_what_its_definitions_give_to_the_bit() -> None:
    seen: set[tuple[float, float]] = set()
    for item, gold in make_items(4000, seed=1):
        asked: list[str] = []

        def cos_of(text: str, asked: list[str] = asked) -> float:
            asked.append(text)
            return made_up_cosine(text)

        reward, parts, scores = score(recipe("stage1"), item, cos_of)
        response, length = item.completion, item.completion_tokens or 0
        caption = define_caption(response)
        assert asked == [caption], response
        cos = float(np.float32(made_up_cosine(caption)))
        expected = {
            "clip": define_clip(cos),
            "key_word": define_key_word(response, item.reference.key_words),
            "format": define_format(response),
            "length": define_length(length),
            "accuracy": define_accuracy(response, gold),
        }
        assert parts == expected, response
        assert reward == define_stage1(
            expected["clip"], expected["key_word"], expected["format"], expected["length"]
        )
        assert scores["clip"].details["cos"] == cos
        seen.add((expected["format"], expected["accuracy"]))
    assert seen == {(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)}


def test_stage_2_and_sampling_give_what_their_definitions_give_to_the_bit() -> None:
    for item, gold in make_items(3000, seed=2):
        accuracy = define_accuracy(item.completion, gold)
        layout = define_format(item.completion)
        reward, parts, _ = score(recipe("stage2"), item)
        assert (reward, parts) == (
            define_stage2(accuracy, layout),
            {"accuracy": accuracy, "format": layout},
        ), item.completion
        assert score(recipe("sampling"), item)[:2] == (accuracy, {"accuracy": accuracy})


# --- reference values ------------------------------------------------------------------------------------

GOOD = (
    "### Image Description:\nA red cat sits on a mat.\n### Rationales:\nLook.\n"
    "### Let's think step by step.\n### Step 1:\nCount.\n### The final answer is:\n7\n"
)


def make_item(completion: str = GOOD, *, tokens: int = 100, key_words: list[str] | None = None) -> Item:
    reference = Reference(answer="7", key_words=["red", "cat", "mat"] if key_words is None else key_words)
    return Item(id="1", images=[IMAGE], completion=completion, completion_tokens=tokens, reference=reference)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(100, 1.0), (512, 1.0), (513, 0.9981), (640, 0.8), (1024, 0.5), (2048, 0.25)],
)
def test_the_length_part_has_its_reference_values(tokens: int, expected: float) -> None:
    _, parts, _ = score(recipe("stage1"), make_item(tokens=tokens))
    assert parts["length"] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("cos", "key_words", "tokens", "expected"),
    [
        (0.7, ["red", "cat", "mat"], 100, 1.0),
        (0.30, ["red", "cat", "dog"], 640, 0.746667),
        (0.30, ["red", "cat", "mat"], 512, 0.9),
        (-0.10, ["dog"], 512, 0.1),
    ],
)
def test_stage_1_has_its_reference_values(
    cos: float, key_words: list[str], tokens: int, expected: float
) -> None:
    item = make_item(tokens=tokens, key_words=key_words)
    reward, _, _ = score(recipe("stage1"), item, lambda _: cos)
    assert reward == expected if expected == 1.0 else reward == pytest.approx(expected, abs=1e-6)


def test_a_negative_cosine_gives_a_negative_part_in_the_paper_profile_only() -> None:
    assert score(recipe("stage1"), make_item(), lambda _: -0.1)[1]["clip"] == pytest.approx(-0.25)
    assert score(recipe("stage1-strict"), make_item(), lambda _: -0.1)[1]["clip"] == 0.0


def test_a_key_word_inside_a_longer_word_counts_in_the_paper_profile_only() -> None:
    text = GOOD.replace("A red cat sits on a mat.", "The scatter plot")
    assert score(recipe("stage1"), make_item(text, key_words=["cat"]))[1]["key_word"] == 1.0
    assert score(recipe("stage1-strict"), make_item(text, key_words=["cat"]))[1]["key_word"] == 0.0


def test_a_heading_in_another_case_is_a_format_but_no_answer_in_the_paper_profile() -> None:
    text = GOOD.replace("### The final answer is:\n7", "###The Final Answer is: 7")
    paper = score(recipe("stage2"), make_item(text))[1]
    assert paper == {"accuracy": 0.0, "format": 1.0}
    strict = score(recipe("stage2-strict"), make_item(text))[1]
    assert strict == {"accuracy": 1.0, "format": 1.0}


# --- the strict profile ----------------------------------------------------------------------------------


def never_asked(text: str) -> float:
    raise AssertionError(f"the model was asked for {text!r}")


def test_strict_does_not_ask_the_model_about_a_missing_description() -> None:
    text = GOOD.replace("### Image Description:", "### Picture:")
    reward, parts, scores = score(recipe("stage1-strict"), make_item(text), never_asked)
    assert parts["clip"] == 0.0
    assert parts["key_word"] == 0.0
    assert scores["clip"].details["status"] == "missing_section"
    assert reward == pytest.approx(0.1)


def test_paper_compares_the_image_with_the_empty_text_where_the_description_is_missing() -> None:
    text = GOOD.replace("### Rationales:", "### Rationale:")
    _, parts, scores = score(recipe("stage1"), make_item(text), lambda text: 0.3 if text == "" else -1.0)
    assert parts["clip"] == float(np.float32(0.3)) / 0.4
    assert scores["clip"].details["tokens"] == 2


def test_strict_leaves_key_words_out_where_there_are_none_and_scales_the_other_weights() -> None:
    reward, parts, _ = score(recipe("stage1-strict"), make_item(key_words=[], tokens=1024), lambda _: 0.2)
    assert parts["key_word"] is None
    clip = float(np.float32(0.2)) / 0.4
    assert reward == pytest.approx((0.4 * clip + 0.1 * 1.0 + 0.1 * 0.5) / 0.6)
    assert score(recipe("stage1"), make_item(key_words=[]), lambda _: 1.0)[0] == pytest.approx(0.6)


def test_strict_looks_for_key_words_in_the_description_only() -> None:
    text = GOOD.replace("Look.", "zebra")
    assert score(recipe("stage1"), make_item(text, key_words=["zebra"]))[1]["key_word"] == 1.0
    assert score(recipe("stage1-strict"), make_item(text, key_words=["zebra"]))[1]["key_word"] == 0.0


def test_strict_compares_the_description_as_written() -> None:
    asked: list[str] = []

    def cos_of(text: str) -> float:
        asked.append(text)
        return 0.0

    text = GOOD.replace("A red cat sits on a mat.", "A red cube / a blue ball.")
    for name in ("stage1", "stage1-strict"):
        score(recipe(name), make_item(text), cos_of)
    assert asked == ["A red cube/a blue ball.", "A red cube / a blue ball."]


def test_strict_takes_no_answer_from_elsewhere() -> None:
    assert score(recipe("sampling"), make_item("7"))[0] == 1.0
    reward, _, scores = score(recipe("sampling-strict"), make_item("7"))
    assert reward == 0.0
    assert scores["accuracy"].details["status"] == "no_answer"


def test_strict_refuses_several_images() -> None:
    item = make_item().model_copy(update={"images": [IMAGE, "1" * 64]})
    with pytest.raises(Fault, match="one image") as caught:
        score(recipe("stage1-strict"), item)
    assert (caught.value.code, caught.value.field) == (Code.INVALID_ITEM, "images")
    score(recipe("stage1"), item)


@pytest.mark.parametrize("name", ["stage1", "stage1-strict"])
def test_all_components_at_their_best_are_exactly_one(name: str) -> None:
    assert score(recipe(name), make_item(), lambda _: 0.4)[0] == 1.0


@pytest.mark.parametrize("name", ["stage1", "stage1-strict"])
def test_accuracy_is_reported_in_stage_1_and_does_not_enter_the_reward(name: str) -> None:
    right = score(recipe(name), make_item())
    wrong = score(recipe(name), make_item(GOOD.replace("7", "8")))
    assert (right[1]["accuracy"], wrong[1]["accuracy"]) == (1.0, 0.0)
    assert right[0] == wrong[0]
    assert [term.name for term in recipe(name).terms if not term.enters_reward] == ["accuracy"]


def test_the_length_of_the_trainer_is_needed_and_never_guessed() -> None:
    item = make_item().model_copy(update={"completion_tokens": None})
    with pytest.raises(Fault) as caught:
        score(recipe("stage1"), item)
    assert (caught.value.code, caught.value.field) == (Code.MISSING_FIELD, "completion_tokens")
