"""Texts to token ids, truncated as the models' references truncate them, with the count before truncation.

Stands on the `tokenizers` library alone: files in, ids out, linear time on any text. It knows no model and no
padding; `encoder` pads.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

from visreward_service.models.base import Tokens
from visreward_service.models.errors import ModelError

CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""What one word is to OpenAI's CLIP (clip/simple_tokenizer.py)."""


@dataclass(frozen=True, kw_only=True)
class TextReader:
    """One text branch of a model: its tokenizer and its limit."""

    tokenizer: Tokenizer
    limit: int
    """Positions of the branch, special tokens included."""
    end: int
    """Id of the end token, which closes every text, cut or whole."""
    stops_at_end: bool
    """Whether the model reads nothing after the first end token; such a text is cut there."""
    clean: Callable[[str], str] | None = None
    """Applied to a text before the tokenizer's own normalisation."""

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        cleaned = texts if self.clean is None else [self.clean(text) for text in texts]
        return [self.cut(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(list(cleaned))]

    def cut(self, ids: Sequence[int]) -> Tokens:
        """Return what the model sees of the ids of a whole text: at most `limit`, the end token last."""
        seen = list(ids)
        if len(seen) > self.limit:
            seen = [*seen[: self.limit - 1], self.end]
        if self.stops_at_end:
            seen = seen[: seen.index(self.end) + 1]
        return Tokens(tuple(seen), len(ids))


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder: `tokenizer.json`, or CLIP's `vocab.json` and `merges.txt`."""
    whole, vocab, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if not whole.is_file() and not (vocab.is_file() and merges.is_file()):
        raise ModelError(
            f"{folder} has no tokenizer: add tokenizer.json, or vocab.json and merges.txt, as published with "
            "the weights"
        )
    try:
        tokenizer = Tokenizer.from_file(str(whole)) if whole.is_file() else _read_clip_pair(vocab, merges)
    except ModelError:
        raise
    except Exception as error:  # the library raises bare Exception for a file it cannot read
        raise ModelError(f"the tokenizer in {folder} cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_clip_pair(vocab: Path, merges: Path) -> Tokenizer:
    pairs = [tuple(line.split()) for line in merges.read_text("utf-8").splitlines()]
    rules = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and pair[0] != "#version:"]
    return build_clip_tokenizer(json.loads(vocab.read_text("utf-8")), rules)


def build_clip_tokenizer(
    vocab: dict[str, int],
    merges: list[tuple[str, str]],
    *,
    start: str = "<|startoftext|>",
    end: str = "<|endoftext|>",
    normalizer: normalizers.Normalizer | None = None,
) -> Tokenizer:
    """Return CLIP's byte-level BPE over a vocabulary and merges; it adds start and end to every text."""
    for token in (start, end):
        if token not in vocab:
            raise ModelError(f"the tokenizer's vocabulary lacks {token}")
    tokenizer = Tokenizer(BPE(vocab, merges, end_of_word_suffix="</w>", unk_token=end))
    tokenizer.normalizer = normalizer or normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        (end, vocab[end]), (start, vocab[start]), trim_offsets=False, add_prefix_space=False
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (start, end)])
    return tokenizer


def check_vocabulary(tokenizer: Tokenizer, *, rows: int, end: int, folder: Path) -> None:
    """Raise `ModelError` where the tokenizer has ids beyond the model's, or ends texts with another."""
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if highest >= rows:
        raise ModelError(
            f"the tokenizer in {folder} has ids up to {highest}, the model has {rows} token embeddings: "
            "these files are not of one checkpoint"
        )
    last = tokenizer.encode("a").ids[-1:]
    if last != [end]:
        raise ModelError(
            f"the tokenizer in {folder} ends a text with id {last}, the model with {end}: "
            "these files are not of one checkpoint"
        )
