"""The bundled model's tokenizer: byte-level BPE over the words of the scene grammar, in lower case.

Every word of the grammar is one token; any other text falls into smaller pieces, at worst bytes, so that a
misspelt word is not the same as another. It knows no model.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from visreward_service.scenes.samples import build_sample

START, END = "<|startoftext|>", "<|endoftext|>"
VOCABULARY = 1024
"""An upper limit; the merges run out before it, when every word of the corpus is one token."""

CORPUS_SCENES = 4000
SHORT_POSITIONS = 77


def corpus() -> Iterator[str]:
    """Texts of every kind of the first scenes."""
    for seed in range(CORPUS_SCENES):
        sample = build_sample(seed)
        yield sample.caption.text
        yield sample.description.text
        yield from (negative.text for negative in sample.negatives.values())
        yield from (phrase.text for phrase in sample.phrases)
        yield sample.question.text


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer. Start and end tokens are added to every text; the end token is the padding, as
    in CLIP.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=1,
        special_tokens=[START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ids)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=SHORT_POSITIONS,
    )


def save_tokenizer(folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`, which `AutoTokenizer.from_pretrained` reads."""
    build_tokenizer().save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(config, indent=2) + "\n")
