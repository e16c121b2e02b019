"""Texts are cut where the reference cuts them, and the count before the cut is told."""

import json
from pathlib import Path

import pytest

from tests.service.models.checkpoints import END, START, clip_tokenizer
from tests.service.models.conftest import Pairs
from tests.service.models.pictures import sentence
from visreward_service.models.errors import ModelError
from visreward_service.models.tokens import TextReader, read_tokenizer


@pytest.mark.parametrize("key", ["clip", "fgclip", "open_clip"])
@pytest.mark.parametrize("num_tokens", [75, 76, 77, 78, 79, 300])
def test_clip_texts_keep_their_end_token(pairs: Pairs, key: str, num_tokens: int) -> None:
    text = sentence(num_tokens - 2, seed=num_tokens)
    [tokens] = pairs(key).model.prepare_texts([text], "short")
    assert tokens.num_tokens == num_tokens
    assert tokens.truncated == (num_tokens > 77)
    expected = clip_tokenizer()(text, truncation=True, max_length=77).input_ids
    assert list(tokens.ids) == expected
    assert tokens.ids[-1] == END
    assert len(tokens.ids) == min(num_tokens, 77)


@pytest.mark.parametrize("num_tokens", [77, 78, 247, 248, 249, 400])
def test_the_long_branch_reads_248_tokens(pairs: Pairs, num_tokens: int) -> None:
    text = sentence(num_tokens - 2)
    [tokens] = pairs("fgclip").model.prepare_texts([text], "long")
    assert tokens.truncated == (num_tokens > 248)
    assert list(tokens.ids) == clip_tokenizer()(text, truncation=True, max_length=248).input_ids


@pytest.mark.parametrize(("branch", "limit"), [("short", 64), ("box", 64), ("long", 196)])
def test_fgclip2_texts_end_with_their_end_token_too(pairs: Pairs, branch: str, limit: int) -> None:
    model = pairs("fgclip2").model
    [whole] = model.prepare_texts(["a red ball"], branch)
    assert whole.ids[-1] == 1
    assert not whole.truncated
    [cut] = model.prepare_texts([sentence(400)], branch)
    assert len(cut.ids) == limit
    assert cut.ids[-1] == 1
    assert cut.truncated


def test_a_spelt_end_token_hides_the_rest_and_counts_as_truncation(pairs: Pairs) -> None:
    """As in the reference, which pools there; but the item can say so."""
    for key, spelt in [("fgclip", "<|endoftext|>"), ("open_clip", "<end_of_text>")]:
        model = pairs(key).model
        honest, hidden = model.prepare_texts(["a red ball", f"a red ball {spelt} and a green dog"], "short")
        assert hidden.ids == honest.ids
        assert hidden.truncated
        assert not honest.truncated


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "it's 5 o'clock",
        "ÀÉÎ naïve ﬁ",
        "日本語のテキスト",
        "🙂🙃" * 9,
        "a" * 3000,
        "1234567890",
        "x_y--z!!",
    ],
)
def test_odd_texts_are_read_as_transformers_reads_them(pairs: Pairs, text: str) -> None:
    [tokens] = pairs("clip").model.prepare_texts([text], "short")
    assert list(tokens.ids) == clip_tokenizer()(text, truncation=True, max_length=77).input_ids


def test_open_clip_texts_are_read_as_the_library_reads_them(pairs: Pairs) -> None:
    import open_clip

    texts = [
        "&lt;b&gt; it's &amp;amp; FINE",
        "schÃ¶n",
        "a  b\u00a0c",
        "!!'s 'LL",
        "<start_of_text>a",
        "12a3 ½",
        "日本 🙂",
        sentence(80),
    ]
    ours = pairs("open_clip").model.prepare_texts(texts, "short")
    for tokens, row in zip(ours, open_clip.tokenize(texts).tolist()):
        assert list(tokens.ids) + [0] * (77 - len(tokens.ids)) == row


def test_one_word_of_a_hundred_thousand_letters_is_read_at_once(pairs: Pairs) -> None:
    """The library's own loop takes time by the square of a word's length."""
    word = "".join(sentence(25_000).split())
    [tokens] = pairs("open_clip").model.prepare_texts([word], "short")
    assert tokens.ids[0] == START
    assert len(tokens.ids) == 77


def test_vocab_and_merges_make_the_same_tokenizer_as_tokenizer_json(pairs: Pairs, tmp_path: Path) -> None:
    whole = json.loads((pairs("clip").folder / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(whole["vocab"]))
    lines = [" ".join(pair) if isinstance(pair, list) else pair for pair in whole["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines))
    ours, theirs = read_tokenizer(tmp_path), read_tokenizer(pairs("clip").folder)
    for text in ["A red Ball, isn't it?", "日本 🙂 ½", "", "<|endoftext|> a", sentence(100)]:
        assert ours.encode(text).ids == theirs.encode(text).ids


def test_truncation_and_padding_written_into_a_tokenizer_file_are_ignored(
    tmp_path: Path, pairs: Pairs
) -> None:
    tokenizer = read_tokenizer(pairs("clip").folder)
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=20)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    reader = TextReader(tokenizer=read_tokenizer(tmp_path), limit=77, end=END, stops_at_end=True)
    [tokens] = reader([sentence(30)])
    assert len(tokens.ids) == tokens.num_tokens == 32


def test_a_folder_without_a_tokenizer_or_with_a_broken_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer: add tokenizer\.json"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        read_tokenizer(tmp_path)
