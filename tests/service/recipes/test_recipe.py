"""Recipes: what a bound one computes, in which order, and where a wrong one is wrong."""

from pathlib import Path
from typing import Any

import pytest

from tests.service.recipes.scoring import CATALOG, IMAGE, bind, score
from visreward.protocol import Code, Item, RecipeSpec, Reference
from visreward_service.recipes import Recipe, RecipeError, load_recipes, read_recipe
from visreward_service.scorers.base import Catalog, Fault, Score

FILE = Path("recipes/pebr.toml")

TEXT = r"""name = "lab/demo"
summary = "A demonstration."
paper = "arXiv:2509.13031"

[extract.response]
whole = true
replace = ['\s*(<|>|/)\s*', '\1']

[terms.both]
scorer = "sections"
text = "response"
require = ["### A:", "### B:"]
value = "fraction * length"

[terms.length]
scorer = "length"
shape = "ratio"
expected_tokens = 512

[reward]
expression = "0.5*both + length"
"""


def test_a_recipe_gives_reward_and_parts() -> None:
    recipe = bind(read_recipe(TEXT))
    item = Item(id="1", completion="### A: a ###b: b", completion_tokens=1024)
    reward, parts, _ = score(recipe, item)
    length = 512 / (1024 + 1e-5)
    assert parts == {"both": 1.0 * length, "length": length}
    assert reward == 0.5 * length + length


def test_terms_come_after_those_that_their_values_read() -> None:
    recipe = bind(read_recipe(TEXT))
    assert recipe.names == ("both", "length")
    assert [term.name for term in recipe.terms] == ["length", "both"]
    assert all(term.enters_reward for term in recipe.terms)


def test_a_term_enters_the_reward_through_another_terms_value_too() -> None:
    recipe = bind(read_recipe(TEXT.replace("0.5*both + length", "both")))
    assert all(term.enters_reward for term in recipe.terms)
    recipe = bind(read_recipe(TEXT.replace("0.5*both + length", "length")))
    assert {term.name: term.enters_reward for term in recipe.terms} == {"both": False, "length": True}


def test_a_recipe_says_what_it_needs_before_any_model_is_there() -> None:
    recipes = load_recipes()
    assert recipes["pebr-r1/stage1"].needs == (
        "completion_tokens",
        "images",
        "reference.answer",
        "reference.key_words",
    )
    assert recipes["clipscore"].needs == ("images",)
    prompt = TEXT.replace("whole = true", 'whole = true\nfrom = "prompt"')
    assert read_recipe(prompt).needs == ("completion_tokens", "prompt")


def test_every_recipe_of_the_package_names_its_source_and_its_quirks() -> None:
    recipes = load_recipes()
    assert {
        "clipscore",
        *(f"pebr-r1/{stage}{twin}" for stage in ("stage1", "stage2", "sampling") for twin in ("", "-strict")),
    } <= set(recipes)
    for name, recipe in recipes.items():
        assert recipe.name == name
        assert recipe.file is not None
        assert recipe.file.as_posix().endswith(f"recipes/files/{name}.toml")
        assert recipe.summary
        assert recipe.paper or recipe.code, name
        assert (recipe.profile == "strict") == name.endswith("-strict"), name
        assert recipe.quirks or recipe.profile is None, name
        assert recipe.formula.split("; ")[0] in recipe.source


def test_the_examples_of_the_package_are_items() -> None:
    for recipe in load_recipes().values():
        if recipe.example is not None:
            Item.model_validate({"id": "example", **recipe.example})


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("require =", "requir =", 'pebr.toml:12: term "both": unknown parameter "requir"; nearest: require'),
        ('"sections"', '"section"', 'pebr.toml:10: term "both": unknown scorer "section"; nearest: sections'),
        ("fraction *", "fracton *", 'pebr.toml:13: term "both": value: unknown name "fracton" at column 1'),
        ("fraction *", "both *", 'pebr.toml:13: term "both": cycle: both -> both'),
        ("fraction *", "fraction +*", 'pebr.toml:13: term "both": value: expected a number'),
        ("0.5*both", "0.5*bth", 'pebr.toml:21: reward: unknown name "bth" at column 5; nearest: both'),
        ("+ length", "+ min()", "pebr.toml:21: reward: min takes at least 1 argument, has 0 at column 12"),
        ('"response"', '"respons"', 'pebr.toml:11: term "both": unknown piece "respons"; nearest: response'),
        ("whole = true", "hole = true", 'pebr.toml:6: unknown field "extract.response.hole"; nearest: whole'),
        ("whole = true", "whole = tru", "pebr.toml:6: not TOML"),
        ("whole = true", "line = true", "pebr.toml:5: extract.response: needs exactly one of"),
        ("(<|>|/)", "(<|>|/", 'pebr.toml:5: extractor "response": not a pattern'),
        ("[terms.both]", '[terms."both of them"]', 'pebr.toml:9: term "both of them": a name is letters'),
        ("[terms.both]", "[terms.and]", 'pebr.toml:9: term "and": a name'),
        (
            "512",
            "0",
            'pebr.toml:18: term "length": expected_tokens: input should be greater than or equal to 1',
        ),
        ("512", "true", 'pebr.toml:18: term "length": expected_tokens: input should be a valid integer'),
        ('shape = "ratio"', "", 'pebr.toml:15: term "length": needs the parameter "shape"'),
        ("expected_tokens = 512", "", 'pebr.toml:15: term "length": shape "ratio" needs expected_tokens'),
        ('scorer = "length"\n', "", 'pebr.toml:15: term "length": needs a scorer'),
        ("summary", "sumary", 'pebr.toml:2: unknown field "sumary"; nearest: summary'),
        ("lab/demo", "Lab demo", "pebr.toml:1: name: string should match pattern"),
        ('paper = "arXiv:2509.13031"', "paper = 7", "pebr.toml:3: paper: input should be a valid string"),
        ('expression = "', 'value = "', 'pebr.toml:21: unknown field "reward.value"'),
        ("### A:", "", 'pebr.toml:9: term "both": an empty heading'),
    ],
)
def test_a_wrong_recipe_is_named_by_file_and_line(good: str, bad: str, message: str) -> None:
    assert good in TEXT
    with pytest.raises(RecipeError) as caught:
        read_recipe(TEXT.replace(good, bad, 1), FILE)
    assert str(caught.value).startswith(message)


def test_values_may_not_go_round_in_a_circle() -> None:
    text = TEXT.replace("expected_tokens = 512", 'expected_tokens = 512\nvalue = "both"')
    with pytest.raises(RecipeError, match=r'pebr.toml:13: term "both": cycle: both -> length -> both'):
        read_recipe(text, FILE)


def test_a_name_that_could_be_an_output_or_a_term_is_refused() -> None:
    text = TEXT.replace("[terms.length]", "[terms.fraction]").replace("fraction * length", "fraction")
    text = text.replace("0.5*both + length", "both")
    with pytest.raises(RecipeError, match=r'"fraction" is an output of the scorer and a term'):
        read_recipe(text, FILE)


def test_an_unknown_model_is_found_when_a_recipe_is_bound_and_near_ones_are_named() -> None:
    recipe = load_recipes()["clipscore"]
    with pytest.raises(
        RecipeError, match=r'clipscore.toml:[0-9]+: term "clip": unknown model "fgclip"'
    ) as caught:
        recipe.bind(Catalog(models={"fg-clip": CATALOG.models["fgclip"]}))
    assert caught.value.nearest == ("fg-clip",)
    assert caught.value.path == "terms.clip.model"


def test_a_model_without_the_branch_is_refused_when_a_recipe_is_bound() -> None:
    recipe = read_recipe(
        'name = "a"\nsummary = "a"\n[terms.clip]\nscorer = "alignment"\ntext = "completion"\nbranch = "box"\n'
        '[reward]\nexpression = "clip"\n',
        FILE,
    )
    with pytest.raises(RecipeError, match=r"no box texts; it has long, short"):
        recipe.bind(CATALOG)


def test_a_folder_of_recipes_is_read_and_a_name_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "demo.toml").write_text(TEXT)
    assert load_recipes([tmp_path])["lab/demo"].formula == "0.5*both + length"
    (tmp_path / "again.toml").write_text(TEXT)
    with pytest.raises(RecipeError, match=r'demo.toml:1: the name "lab/demo" is taken by .*again.toml'):
        load_recipes([tmp_path])


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such folder"):
        load_recipes([tmp_path / "nowhere"])
    (tmp_path / "bad.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(RecipeError, match=r"bad.toml: not UTF-8"):
        load_recipes([tmp_path])


# --- recipes written in a request ------------------------------------------------------------------------


def write(**terms: dict[str, Any]) -> RecipeSpec:
    return RecipeSpec(terms=terms, reward=" + ".join(terms))


def test_a_recipe_written_in_a_request_is_bound_like_one_in_a_file() -> None:
    spec = RecipeSpec.model_validate(
        {
            "extract": {"answer": {"tag": "answer"}},
            "terms": {"words": {"scorer": "keywords", "text": "answer", "match": "word"}},
            "reward": {"expression": "2*words"},
        }
    )
    recipe = bind(Recipe.from_spec(spec))
    item = Item(id="1", completion="<answer>a cat</answer>", reference=Reference(key_words=["cat", "dog"]))
    assert score(recipe, item)[:2] == (1.0, {"words": 0.5})


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (write(a={"scorer": "section"}), "terms.a.scorer"),
        (write(a={"scorer": 7}), "terms.a"),
        (
            write(a={"scorer": "length", "shape": "ratio", "expected_tokens": "512"}),
            "terms.a.expected_tokens",
        ),
        (write(a={"scorer": "length", "value": 7}), "terms.a.value"),
        (write(a={"scorer": "alignment", "model": "clip", "text": "completion"}), "terms.a.model"),
        (RecipeSpec(terms={"a": {"scorer": "keywords"}}, reward="b"), "reward"),
        (RecipeSpec(terms={}, reward="1"), "terms"),
        (write(**{f"t{index}": {"scorer": "keywords"} for index in range(33)}), "terms"),
        (write(a={"scorer": "keywords", "text": "x" * 30_000}), ""),
    ],
)
def test_a_wrong_recipe_in_a_request_is_named_by_its_field(spec: RecipeSpec, path: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_spec(spec).bind(CATALOG)
    assert caught.value.path == path
    assert caught.value.file is None


def test_a_recipe_nested_without_end_is_refused() -> None:
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(RecipeError, match=r"nested"):
        Recipe.from_spec(write(a={"scorer": "keywords", "text": deep}))


# --- values ----------------------------------------------------------------------------------------------


def test_a_value_without_the_output_it_reads_is_not_applicable() -> None:
    item = Item(id="1", images=[IMAGE], completion="a cat")
    spec = write(a={"scorer": "clipscore", "value": "refclipscore"})
    with pytest.raises(Fault) as caught:
        score(bind(Recipe.from_spec(spec)), item)
    assert caught.value.code is Code.NOT_APPLICABLE
    with_captions = item.model_copy(update={"reference": Reference(captions=["a cat"])})
    assert score(bind(Recipe.from_spec(spec)), with_captions, lambda _: 1.0)[0] > 0


def test_a_value_that_reads_a_term_without_a_value_has_none_itself() -> None:
    spec = RecipeSpec(
        terms={
            "words": {"scorer": "keywords", "empty": "not_applicable"},
            "twice": {"scorer": "length", "shape": "ratio", "expected_tokens": 9, "value": "length * words"},
        },
        reward="mean(words, twice, 1)",
    )
    reward, parts, _ = score(bind(Recipe.from_spec(spec)), Item(id="1", completion="", completion_tokens=3))
    assert parts == {"words": None, "twice": None}
    assert reward == 1.0


def test_a_scorer_that_gives_no_finite_number_is_a_fault_and_never_a_value() -> None:
    (term,) = bind(Recipe.from_spec(write(a={"scorer": "keywords"}))).terms
    for number in (float("nan"), float("inf")):
        with pytest.raises(Fault, match=r'term "a"') as caught:
            term.value(Score({"fraction": number, "hits": 0.0}), {})
        assert caught.value.code is Code.NOT_FINITE
