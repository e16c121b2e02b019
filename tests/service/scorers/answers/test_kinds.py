"""Each kind of answer, by tables of given and gold."""

import json
import random
from typing import Any

import pytest

from visreward_service.scorers.answers import KINDS, UnreadableGold, Verdict, judge
from visreward_service.scorers.answers.auto import kind_of
from visreward_service.scorers.answers.text import edit_distance


def verdict(kind: str, given: str, gold: str, **options: Any) -> Verdict:
    """Return the verdict; the shortcut, where it settles, must say the same."""
    chosen = KINDS[kind]
    built = chosen.options(**options)
    found = chosen.judge(given, gold, built)
    settled = chosen.settle(given, gold, built)
    assert settled is None or settled.score == found.score
    return found


def score(kind: str, given: str, gold: str, **options: Any) -> float:
    return verdict(kind, given, gold, **options).score


NUMBERS: list[tuple[str, str, float, dict[str, Any]]] = [
    ("1,234", "1234", 1, {}),
    ("50%", "0.5", 1, {}),
    ("50%", "50", 0, {}),
    ("50%", "50", 1, {"percent": "ignore"}),
    ("-5", "-5%", 1, {"percent": "ignore"}),
    ("five", "5", 1, {}),
    ("two hundred and five", "205", 1, {}),
    ("twenty-one thousand", "21000", 1, {}),
    ("about 5.2 cm", "5.2", 1, {}),
    ("The answer is 12.", "12", 1, {}),
    ("12 apples and 12 pears", "12", 1, {}),
    ("5 or 6", "5", 0, {}),
    ("3/4", "0.75", 1, {}),
    ("1 1/2", "1.5", 1, {}),
    ("3:2", "1.5", 1, {}),
    ("1e3", "1000", 1, {}),
    ("x = 5", "5", 1, {}),
    ("−5", "-5", 1, {}),
    ("９", "9", 1, {}),
    ("$3.50", "3.5", 1, {}),
    ("1.2 million", "1200000", 1, {}),
    ("100 cm", "1 m", 1, {}),
    ("5 kg", "5 m", 0, {}),
    ("5 kg", "5 m", 1, {"units": "ignore"}),
    ("5", "5 cm", 0, {"units": "require"}),
    ("5 cm", "5 cm", 1, {"units": "require"}),
    ("10.5", "10", 1, {"relative": 0.05}),
    ("10.51", "10", 0, {"relative": 0.05}),
    ("-9.5", "-10", 1, {"relative": 0.05}),
    ("0", "0", 1, {"relative": 0.05}),
    ("0.3", "0.1", 1, {"absolute": 0.2}),
    ("0.31", "0.1", 0, {"absolute": 0.2}),
    ("2\\sqrt{2}", "2.83", 1, {"absolute": 0.01}),
    ("3.14", "\\pi", 1, {"absolute": 0.01}),
    ("3.14", "\\pi", 0, {}),
    ("3,14", "3.14", 1, {"decimal_comma": True}),
    ("1,234", "1234", 1, {"decimal_comma": True}),
    ("180^\\circ", "\\pi \\text{ rad}", 1, {}),
    ("", "5", 0, {}),
    ("x", "5", 0, {}),
    ("9**9**9**9", "5", 0, {}),
    ("1/0", "5", 0, {}),
    ("i", "5", 0, {}),
    ("nan", "5", 0, {}),
    ("9" * 100_000, "5", 0, {}),
]


@pytest.mark.parametrize(("given", "gold", "expected", "options"), NUMBERS)
def test_numbers(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("number", given, gold, **options) == expected


@pytest.mark.parametrize("gold", ["x", "", "5 or 6", "nan", "1/0", "the red one"])
def test_a_gold_answer_that_is_no_number_is_unreadable(gold: str) -> None:
    with pytest.raises(UnreadableGold):
        score("number", "5", gold)


def test_a_tolerance_is_the_decimal_that_the_recipe_says() -> None:
    # In binary floating point 1.1 - 1.0 is more than 0.1.
    assert score("number", "1.1", "1.0", absolute=0.1) == 1


COLOURS = ("blue", "red", "green")
CHOICES: list[tuple[str, str, float, dict[str, Any]]] = [
    ("B", "B", 1, {}),
    ("(b)", "B", 1, {}),
    ("B.", "B", 1, {}),
    ("B. red", "B", 1, {}),
    ("The answer is B", "B", 1, {}),
    ("**B**", "B", 1, {}),
    ("Option C", "C", 1, {}),
    ("\\text{B}", "B", 1, {}),
    ("\\boxed{B}", "B", 1, {}),
    ("Ｂ", "B", 1, {}),
    ("C: 5 cm", "C", 1, {}),
    ("I think B", "B", 1, {}),
    ("answer: A", "A", 1, {}),
    ("A) the red one", "A", 1, {}),
    ("A cat", "A", 0, {}),
    ("I", "A", 0, {}),
    ("A or B", "A", 0, {}),
    ("A or B", "B", 0, {}),
    ("A is right", "A", 1, {}),
    ("A red ball, so B", "B", 1, {}),
    ("(A) or (B)", "A", 0, {}),
    ("A. B", "A", 0, {}),
    ("None", "A", 0, {}),
    ("K", "A", 0, {}),
    ("", "A", 0, {}),
    ("red", "B", 1, {"choices": COLOURS}),
    ("Red.", "red", 1, {"choices": COLOURS}),
    ("B. red", "B", 1, {"choices": COLOURS}),
    ("A. red", "B", 0, {"choices": COLOURS}),
    ("A. red", "A", 0, {"choices": COLOURS}),
    ("D", "B", 0, {"choices": COLOURS}),
    ("A, C", "AC", 1, {"several": True}),
    ("A and C", "AC", 1, {"several": True}),
    ("(A) (C)", "A,C", 1, {"several": True}),
    ("A", "AC", 0, {"several": True}),
    ("ABC", "AC", 0, {"several": True}),
    ("A", "AC", 0.5, {"several": True, "partial": True}),
    ("ABC", "AC", 2 / 3, {"several": True, "partial": True}),
]


@pytest.mark.parametrize(("given", "gold", "expected", "options"), CHOICES)
def test_choices(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("choice", given, gold, **options) == pytest.approx(expected)


@pytest.mark.parametrize("gold", ["", "Z", "none of them", "A or B"])
def test_a_gold_answer_that_names_no_option_is_unreadable(gold: str) -> None:
    with pytest.raises(UnreadableGold):
        score("choice", "A", gold)


@pytest.mark.parametrize(
    ("given", "gold", "expected", "options"),
    [
        ("Yes", "yes", 1, {}),
        ("no", "yes", 0, {}),
        ("It is not correct", "no", 1, {}),
        ("True.", "yes", 1, {}),
        ("1", "true", 1, {}),
        ("maybe", "yes", 0, {}),
        ("maybe", "no", 0, {}),
        ("", "no", 0, {}),
        ("notable", "no", 0, {}),
        ("yes and no", "yes", 0, {}),
        ("yes, no", "yes", 1, {"which": "first"}),
        ("yes, no", "no", 1, {"which": "last"}),
    ],
)
def test_yes_and_no(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("yes_no", given, gold, **options) == expected


@pytest.mark.parametrize(
    ("given", "gold", "measure", "expected"),
    [
        ("The Cat.", "cat", "normalised", 1),
        ("ＣＡＴ\u200b", "cat", "normalised", 1),
        ("", "cat", "normalised", 0),
        ("the", "cat", "normalised", 0),
        ("The cat", "the cat", "exact", 0),
        (" cat ", "cat", "exact", 1),
        ("a red cat", "red cat sat", "token_f1", 0.8),
        ("hello", "hallo", "anls", 0.8),
        ("xyz", "hallo", "anls", 0),
        ("kitten", "sitting", "edit", 1 - 3 / 7),
        ("car, dog", "dog,cat", "jaccard", 1 / 3),
        ("猫，狗", "狗、猫", "jaccard", 1),
        ("cat", "a cat sat", "contained", 1),
        ("at", "a cat sat", "contained", 0),
        ("", "a cat sat", "contained", 0),
        ("I see a cat here", "cat", "contains", 1),
    ],
)
def test_texts(given: str, gold: str, measure: str, expected: float) -> None:
    assert score("text", given, gold, measure=measure) == pytest.approx(expected)


def test_the_edit_distance_is_that_of_the_textbook() -> None:
    def textbook(left: str, right: str) -> int:
        row = list(range(len(right) + 1))
        for place, character in enumerate(left, start=1):
            previous, row = row, [place]
            for other, candidate in enumerate(right):
                row.append(
                    min(row[-1] + 1, previous[other + 1] + 1, previous[other] + (character != candidate))
                )
        return row[-1]

    rng = random.Random(2)
    for _ in range(200):
        left, right = ("".join(rng.choices("abc", k=rng.randint(0, 70))) for _ in range(2))
        assert edit_distance(left, right) == textbook(left, right)


@pytest.mark.parametrize(
    ("given", "gold", "expected", "options"),
    [
        ("red, blue and green", "green, red, blue", 1, {}),
        ("red", "red, blue", 0, {}),
        ("a, a", "a, b", 0, {}),
        ('["a", "b"]', "b, a", 1, {}),
        ("- red\n- blue", "blue\nred", 1, {}),
        ("1. x\n2. y", "x; y", 1, {}),
        ("red, blue", "blue, red", 0, {"ordered": True}),
        ("a, b, c", "a, b", 0.8, {"measure": "f1"}),
        ("a, b, c", "a, b", 1, {"measure": "recall"}),
        ("a, b, c", "a, b", 2 / 3, {"measure": "precision"}),
        ("a, b, c", "a, b", 2 / 3, {"measure": "jaccard"}),
        ("0.5, 2", "1/2, \\sqrt{4}", 1, {"items": "math"}),
        ("0.5; 2", "1/2; 2.0", 1, {"items": "number"}),
        ("", "a", 0, {}),
        (",,,", "a", 0, {}),
        ("a," * 30_000, "a", 0, {}),
    ],
)
def test_lists(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("list", given, gold, **options) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "gold", "expected", "options"),
    [
        ('{"a": 1, "b": "X"}', '{"a": 1.0, "b": "x"}', 1, {}),
        ('```json\n{"a": 1}\n```', '{"a": 1}', 1, {}),
        ('so: {"a": "}"} indeed', '{"a": "}"}', 1, {}),
        ('{"a": 1}', '{"a": 1, "b": 2}', 0.5, {}),
        ('{"a": 1, "c": 2}', '{"a": 1, "b": 3}', 1, {"fields": ("a",)}),
        ('{"a": 1.05}', '{"a": 1}', 1, {"absolute": 0.05}),
        ('{"a": 1, "z": 2}', '{"a": 1}', 0, {"extra_fields": False}),
        ('{"a": [1, {"b": 2}]}', '{"a": [1, {"b": 2}]}', 1, {}),
        ('{"a": true}', '{"a": 1}', 0, {}),
        ('{"a": NaN}', '{"a": 1}', 0, {}),
        ('{"a": 1e400}', '{"a": 1}', 0, {}),
        ("none", '{"a": 1}', 0, {}),
        ('{"a":' * 10_000, '{"a": 1}', 0, {}),
        ("{" * 90_000, '{"a": 1}', 0, {}),
    ],
)
def test_json_fields(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("json", given, gold, **options) == expected


@pytest.mark.parametrize(
    ("given", "gold", "expected", "options"),
    [
        ("March 5, 2024", "2024-03-05", 1, {}),
        ("5th of March, 2024", "2024-03-05", 1, {}),
        ("5 Mar 2024", "March 5 2024", 1, {}),
        ("2024年3月5日", "2024-03-05", 1, {}),
        ("03/05/2024", "2024-03-05", 1, {}),
        ("03/05/2024", "2024-05-03", 1, {"order": "dmy"}),
        ("13/05/2024", "2024-05-13", 1, {}),
        ("March 2024", "2024-03", 1, {}),
        ("2024-03-05", "2024", 1, {}),
        ("2024-03-05", "2024", 0, {"finer": False}),
        ("2024", "2024-03-05", 0, {}),
        ("2024-02-30", "2024-03-01", 0, {}),
        ("2024-03-05 or 2024-03-06", "2024-03-05", 0, {}),
        ("soon", "2024", 0, {}),
    ],
)
def test_dates(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("date", given, gold, **options) == expected


CAPTION = "There is a red ball on the green grass"


@pytest.mark.parametrize(
    ("given", "gold", "expected", "options"),
    [
        ("red ball", "red ball", 1, {}),
        ("Red Ball.", "red ball", 1, {}),
        ("a red ball", "red ball", 1, {}),
        ("a red ball", "red ball", 0, {"rule": "exact"}),
        (CAPTION, "red ball", 0, {}),
        ("red", "red ball", 0, {}),
        ("", "red ball", 0, {}),
        ("a red ball on", "red ball", 1, {"caption": CAPTION}),
        ("my red ball", "red ball", 0, {"caption": CAPTION}),
        ("something blue", "blue ball", 1, {"rule": "first_token", "original": "red ball"}),
        ("ball", "blue ball", 0, {"rule": "first_token", "original": "red ball"}),
    ],
)
def test_spans(given: str, gold: str, expected: float, options: dict[str, Any]) -> None:
    assert score("span", given, gold, **options) == expected


def test_a_change_that_only_removes_words_has_no_first_changed_word() -> None:
    with pytest.raises(UnreadableGold):
        score("span", "ball", "ball", rule="first_token", original="red ball")


LINES = json.dumps(
    {"Line 1": ["Ann", "Bea", "Cat Station"], "Line 2": ["Cat", "Dan"], "Line 3": ["Dan", "Eve"]}
)


def route(*rides: tuple[str, str, str]) -> str:
    return "\n--\n".join(
        f"Route Name: {line}\nDeparture Stop: {a}\nArrival Stop: {b}" for line, a, b in rides
    )


FIRST, SECOND, THIRD = ("Line 1", "Ann", "Cat"), ("Line 2", "Cat Metro", "Dan"), ("Line 3", "Dan", "Eve")


@pytest.mark.parametrize(
    ("profile", "rides", "end", "transfers", "right", "detail"),
    [
        ("paper", [FIRST], "Cat", 0, 1, 1),
        ("paper", [FIRST, SECOND], "Dan", 1, 1, 4),
        ("paper", [FIRST, SECOND, THIRD], "Eve", 2, 1, 8),
        ("strict", [FIRST], "Cat", 0, 1, 6),
        ("strict", [FIRST, SECOND], "Dan", 1, 1, 9),
        ("strict", [FIRST, SECOND, THIRD], "Eve", 2, 1, 10),
        ("strict", [FIRST], "Dan", 1, 0, 0),
        ("strict", [("Line 9", "Ann", "Cat")], "Cat", 0, 0, 2),
        ("strict", [FIRST, ("Line 2", "Dan", "Dan")], "Dan", 1, 0, 8),
        ("paper", [("Line 1", "Ann", "Ann")], "Ann", 0, 1, 1),
        ("strict", [("Line 1", "Ann", "Ann")], "Ann", 0, 0, 6),
    ],
)
def test_routes(
    profile: str, rides: list[tuple[str, str, str]], end: str, transfers: int, right: float, detail: float
) -> None:
    found = verdict(
        "route",
        route(*rides),
        "",
        profile=profile,
        lines=LINES,
        station_1="Ann",
        station_2=end,
        question_transfer_count=transfers,
    )
    assert (found.score, found.values) == (right, {"detail": detail})


def test_no_route_at_all_has_no_detail_either() -> None:
    options = {"lines": LINES, "station_1": "Ann", "station_2": "Cat", "question_transfer_count": 0}
    found = verdict("route", "take the bus", "", **options)
    assert (found.score, found.values) == (0, {"detail": 0})


@pytest.mark.parametrize(
    ("gold", "kind"),
    [
        ("B", "choice"),
        ("(C)", "choice"),
        ("A, C", "choice"),
        ("12", "number"),
        ("-1,234.5", "number"),
        ("12%", "number"),
        ("Yes", "yes_no"),
        ("false", "yes_no"),
        ('{"a": 1}', "json"),
        ("2024-03-05", "date"),
        ("March 5, 2024", "date"),
        ("\\frac{1}{2}", "math"),
        ("x", "math"),
        ("3 cm", "math"),
        ("{1, 2}", "math"),
        ("a red cat", "text"),
    ],
)
def test_auto_takes_the_kind_that_the_gold_answer_has(gold: str, kind: str) -> None:
    assert kind_of(gold) == kind
    assert score("auto", gold, gold) == 1


def test_auto_reads_options_where_the_item_has_them() -> None:
    assert score("auto", "red", "B", choices=COLOURS) == 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"math", "route"}))
def test_nothing_empty_is_ever_right(kind: str) -> None:
    golds = {"json": '{"a": 1}', "date": "2024", "yes_no": "no", "choice": "A", "number": "0"}
    for given in ("", " ", "\u200b", ".", "\n"):
        assert score(kind, given, golds.get(kind, "cat")) == 0
    with pytest.raises(UnreadableGold):
        score(kind, "cat", "")


def test_the_rule_of_the_pool_returns_plain_data() -> None:
    assert judge("number", "5", "5", ()) == {
        "score": 1.0,
        "how": "numbers",
        "facts": {"given": "5", "gold": "5"},
        "values": {},
    }
    assert set(judge("number", "5", "five or so", ())) == {"unreadable"}
