"""What travels in a label, what is cut out of decoded tokens, and images uploaded before training."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.client.adapters.material import Service, data, pixels, reference
from visreward import InvalidRequestError, NoAnswerError
from visreward.adapters.labels import merge_labels, pack_label, read_label
from visreward.adapters.messages import cut_completion, cut_end
from visreward.adapters.pictures import Pictures
from visreward.adapters.upload import upload, write_labels

DIGEST = "ab" * 32


def test_a_packed_label_comes_back_whole_as_text_and_as_what_a_table_makes_of_it() -> None:
    fields = {
        "images": [DIGEST],
        "reference": {"answer": "4", "key_words": ["é"]},
        "group": "g",
        "prompt": "Q",
    }
    packed = pack_label(**fields)  # type: ignore[arg-type]
    assert read_label(packed) == fields
    filled = {**fields, "source": None, "reference": {"answer": "4", "key_words": ["é"], "boxes": None}}
    assert read_label({"visreward": filled}) == fields
    assert read_label({"visreward": packed, "index": 3}) == fields


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("42", {"reference": {"answer": "42"}}),
        ('{"visreward": 1, "x": 2}', {"reference": {"answer": '{"visreward": 1, "x": 2}'}}),
        ("{visreward", {"reference": {"answer": "{visreward"}}),
        (42, {"reference": {"answer": "42"}}),
        (["a", "b"], {"reference": {"answers": ["a", "b"]}}),
        ({"index": 3}, {}),
        (None, {}),
    ],
)
def test_any_other_label_is_the_answer(label: Any, fields: dict[str, Any]) -> None:
    assert read_label(label) == fields


@pytest.mark.parametrize("packed", ['{"visreward": [1]}', '{"visreward": {"pictures": []}}'])
def test_a_packed_label_of_another_shape_is_refused(packed: str) -> None:
    with pytest.raises(ValueError, match="packed label"):
        read_label(packed)


def test_the_answer_may_stand_apart_from_the_rest() -> None:
    rest = {"visreward": {"images": [DIGEST], "reference": {"key_words": ["a"]}}}
    assert merge_labels("4", rest) == {"images": [DIGEST], "reference": {"answer": "4", "key_words": ["a"]}}


@pytest.mark.parametrize(
    ("text", "prompt", "mark", "completion"),
    [
        ("Q: 2+2? A: 4</s>", "Q: 2+2? A:", None, " 4"),
        (
            "<|im_start|>assistant\nno<|im_end|>\n<|im_start|>assistant\nyes <|im_end|>\n<|endoftext|>",
            "?",
            None,
            "yes ",
        ),
        ("USER: <image> hi ASSISTANT: a ring</s>", "USER: hi ASSISTANT:", None, " a ring"),
        ("<<bot>> a ring", "<<bot>>", "<<bot>>", " a ring"),
    ],
)
def test_the_completion_is_cut_out_of_decoded_tokens(
    text: str, prompt: str, mark: str | None, completion: str
) -> None:
    assert cut_completion(text, prompt, mark) == completion


def test_an_end_mark_inside_a_completion_stays() -> None:
    assert cut_end("say </s> twice</s></s>\n") == "say </s> twice"
    assert cut_end("two lines\n") == "two lines\n"


def test_equal_pixels_are_one_encoding_and_the_memory_is_bounded() -> None:
    pictures = Pictures()
    first, second = pictures.read([pixels(1), pixels(1)])
    assert first is second
    assert pictures.num_encoded == 1
    small = Pictures(max_bytes=1)
    for seed in (1, 2, 1):
        assert small.read(pixels(seed))[0].startswith(b"\x89PNG")
    assert small.num_encoded == 3


def test_pixels_are_told_apart_by_palette_mode_and_size() -> None:
    grey = pixels(1).convert("L")
    palette = pixels(1).convert("P", palette=1, colors=4)
    other = palette.copy()
    other.putpalette([255 - value for value in palette.getpalette()])
    pictures = Pictures()
    assert len(set(pictures.read([grey, grey.resize((5, 7)), grey.resize((7, 5)), palette, other]))) == 5


def test_an_image_without_a_lossless_encoding_is_left_to_the_client() -> None:
    odd = pixels(1).convert("CMYK")
    assert Pictures().read(odd)[0] is odd
    assert Pictures().read({"bytes": None, "path": "a.png"}) == ["a.png"]
    assert Pictures().read(None) == []


def test_rows_get_labels_and_their_images_are_sent_once(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "scene.png"
    path.write_bytes(data(3))
    rows = [
        {"images": [str(path)], "solution": "4", "words": ["ring"], "extra_info": {"index": 7}},
        {
            "images": {"bytes": data(3), "path": None},
            "solution": "5",
            "words": [],
            "extra_info": {"index": 8},
        },
    ]
    columns = {"answer": "solution", "key_words": "words"}
    first, second = write_labels(rows, to="extra_info", reference=columns, source=None, url=service.url)
    assert first["extra_info"]["index"] == 7
    fields = read_label(first["extra_info"])
    assert fields["reference"] == {"answer": "4", "key_words": ["ring"]}
    assert (
        fields["images"] == read_label(second["extra_info"])["images"] == upload([data(3)], url=service.url)
    )


def test_an_answer_that_stands_in_the_column_goes_into_the_label(service: Service) -> None:
    rows = [{"image": data(3), "label": "4", "q": "How many?"}]
    (row,) = write_labels(rows, to="label", images="image", prompt="q", url=service.url)
    fields = read_label(row["label"])
    assert (fields["reference"], fields["prompt"]) == ({"answer": "4"}, "How many?")


def test_an_image_that_the_service_refuses_is_an_error(service: Service, dead_url: str) -> None:
    with pytest.raises(InvalidRequestError):
        upload([b"no image"], url=service.url)
    with pytest.raises(NoAnswerError):
        upload([data(1)], url=dead_url)


ADAPTERS = (
    "areal",
    "easyr1",
    "ms_swift",
    "nemo_rl",
    "openrlhf",
    "slime",
    "trl",
    "upload",
    "verifiers",
    "verl",
)
HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "fastapi",
    "grpc",
    "transformers",
    "trl",
    "verl",
    "ray",
    "swift",
    "verifiers",
)


def test_adapters_load_nothing_heavy_and_nothing_of_a_trainer() -> None:
    code = "\n".join(f"import visreward.adapters.{name}" for name in ADAPTERS)
    code = f"import sys; sys.modules['click'] = None\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(HEAVY)


def test_the_file_of_an_adapter_is_printed() -> None:
    command = [sys.executable, "-m", "visreward.adapters"]
    done = subprocess.run([*command, "easyr1"], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).name == "easyr1.py"
    assert subprocess.run([*command, "nobody"], capture_output=True, check=False).returncode == 2
    assert json.loads(pack_label(reference=reference(1)))
