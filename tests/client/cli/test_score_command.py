"""`visreward score` and `visreward models` against a small service."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.small_service import Fault, SmallService, running_service
from visreward.cli.program import run_program
from visreward.protocol import Code


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallService]:
    with running_service() as service:
        monkeypatch.setenv("VISREWARD_URL", service.url)
        yield service


def score(*arguments: str) -> int:
    return run_program(["score", "--recipe", "lengths", *arguments])


def sent_item(service: SmallService) -> dict[str, Any]:
    item: dict[str, Any] = service.scored[-1].body["items"][0]
    return item


def test_a_single_completion_is_scored_with_all_that_the_arguments_say(
    service: SmallService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [tmp_path / "a.png", tmp_path / "b.png"]
    for image in images:
        image.write_bytes(image.name.encode())
    arguments = ["--image", *map(str, images), "--completion", "four", "--prompt", "What?", "--answer", "42"]
    more = ["--key-words", "red, cube,", "--tokens", "9", "--reference", '{"captions": ["c"]}']
    assert score(*arguments, *more) == 0
    item = sent_item(service)
    assert len(item.pop("images")) == 2
    assert item == {
        "id": "0",
        "prompt": "What?",
        "completion": "four",
        "completion_tokens": 9,
        "reference": {"captions": ["c"], "answer": "42", "key_words": ["red", "cube"]},
    }
    assert "4.0000" in capsys.readouterr().out


def test_a_completion_is_read_from_a_file(service: SmallService, tmp_path: Path) -> None:
    file = tmp_path / "completion.txt"
    file.write_text("zwölf Zeichen", encoding="utf-8")
    assert score("--completion-file", str(file)) == 0
    assert sent_item(service)["completion"] == "zwölf Zeichen"


def test_a_file_of_items_is_scored_with_images_relative_to_it(
    service: SmallService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    items = tmp_path / "items.jsonl"
    lines = [
        {"id": "x", "completion": "one\u2028line", "images": ["a.png"]},
        {"id": "y", "completion": "three"},
    ]
    items.write_text(
        "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n", encoding="utf-8"
    )
    assert score("--items", str(items), "--json") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["id"], line["reward"], line["error"]) for line in printed] == [
        ("x", 8.0, None),
        ("y", 5.0, None),
    ]
    assert service.scored[0].body["images"][0]["data"] == b"pixels"


def test_items_are_read_from_standard_input(
    service: SmallService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"completion": "abc"}\n'))
    assert score("--items", "-", "--json") == 0
    assert json.loads(capsys.readouterr().out)["reward"] == 3.0


def test_failed_items_are_told_on_stderr_and_by_the_exit_code(
    service: SmallService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(
        '{"id": "a", "completion": "x", "images": ["gone.png"]}\n{"id": "b", "completion": "yy"}\n'
    )
    assert score("--items", str(items)) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("a: image_invalid: cannot read ")
    assert shown.err.rstrip().endswith("gone.png: No such file or directory (items[0].images[0])")
    assert "2.0000" in shown.out
    assert "image_invalid" in shown.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Nothing to score"),
        (["--items", "x.jsonl", "--answer", "42"], "either --items, or"),
        (["--completion", "x", "--reference", "{"], "--reference is not JSON"),
        (["--completion", "x", "--reference", "[]"], "--reference is not an object"),
        (["--items", "nowhere.jsonl"], "nowhere.jsonl: No such file"),
        (["--completion", "x", "--url", "localhost"], "must start with http(s)://"),
        (["--completion", "x", "--timeout", "0"], "positive"),
    ],
)
def test_wrong_arguments_are_answered_with_what_to_do(
    service: SmallService, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert score(*arguments) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1
    assert service.seen == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("\n", "no items"), ('{"completion": "x"}\n{', ":2 is not JSON"), ("[]", ":1 is not an object")],
)
def test_a_file_that_holds_no_items_is_said_to(
    service: SmallService, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(text)
    assert score("--items", str(file)) == 2
    assert sentence in capsys.readouterr().err


def test_an_unknown_recipe_is_answered_with_the_nearest_names(
    service: SmallService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["score", "--recipe", "lenghts", "--completion", "x"]) == 2
    assert "nearest: lengths" in capsys.readouterr().err


def test_without_a_service_people_are_told_how_to_start_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISREWARD_URL", "http://127.0.0.1:9")
    assert score("--completion", "x", "--timeout", "1") == 2
    assert "Start a service with `visreward serve`" in capsys.readouterr().err


def test_groups_are_shown_where_there_are_any(
    service: SmallService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text("".join(json.dumps({"completion": "x" * n, "group": "g"}) + "\n" for n in (2, 4)))
    assert score("--items", str(items), "--progress") == 0
    shown = capsys.readouterr()
    assert "3.0000" in shown.out
    assert "2/2" in shown.err


def test_markup_in_an_id_is_printed_as_it_is(
    service: SmallService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"id": "[red]a[/blue]", "completion": "x"}')
    assert score("--items", str(items)) == 0
    assert "[red]a[/blue]" in capsys.readouterr().out


def test_a_single_item_file_of_a_busy_service_is_tried_again(service: SmallService) -> None:
    service.faults.append(Fault.of(Code.OVERLOADED, headers={"retry-after": "0"}))
    assert score("--completion", "x") == 0


def test_models_are_listed_for_people_and_for_programs(
    service: SmallService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["models"]) == 0
    assert "clip" in capsys.readouterr().out
    assert run_program(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "clip", "revision": "r1"}]
