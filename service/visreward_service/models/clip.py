"""Kind `clip`: checkpoints of transformers' `CLIPModel`, whatever their number of text positions."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

# The schemas come before transformers, whose CLIP classes import torchvision.
from visreward import torchvision_schemas  # noqa: F401
from visreward_service.models.base import Model, Pixels
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.folder import Folder, open_folder, read_preprocessing, refuse_type
from visreward_service.models.networks.fgclip import run_block
from visreward_service.models.networks.packed import encode_packed
from visreward_service.models.settings import ModelSettings
from visreward_service.models.tokens import TextReader, check_vocabulary, read_tokenizer

from transformers import CLIPConfig, CLIPModel  # isort: skip

LEGACY_EOS = 2
"""Configs written before transformers 4.31 hold this wrong id; the end token is then the highest id."""


class ClipEncoder(Encoder):
    """One text branch, `short`, and the pooled view."""

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        del view
        network = cast("Any", self.module)
        vision = network.vision_model
        hidden = vision.pre_layrnorm(vision.embeddings(self.stack(batch)))
        *layers, last = vision.encoder.layers
        for layer in layers:
            hidden = run_block(layer, hidden)
        # Of the last layer only the class token's state is read.
        pooled = vision.post_layernorm(run_block(last, hidden, num_queries=1)[:, 0])
        return cast("Tensor", network.visual_projection(pooled))

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        """Padding behind the end changes nothing: attention is causal, pooling takes the first end."""
        del branch
        network = cast("Any", self.module)
        return cast("Tensor", network.text_projection(network.text_model(input_ids=ids).pooler_output))

    packs_texts = True

    def packed_text_features(self, texts: Sequence[Sequence[int]], branch: str) -> Tensor:
        """A text is pooled at its first end token, behind which nothing is read."""
        del branch
        network = cast("Any", self.module)
        text = network.text_model
        tables = text.embeddings.token_embedding.weight, text.embeddings.position_embedding.weight
        hidden = encode_packed(text.encoder.layers, *tables, cut_at_end(texts, self.parts.readers["short"]))
        return cast("Tensor", network.text_projection(text.final_layer_norm(hidden)))


def cut_at_end(texts: Sequence[Sequence[int]], reader: TextReader) -> list[Sequence[int]]:
    """Return the texts up to their first end token. Raise `ValueError` for one without."""
    if not all(reader.end in text for text in texts):
        raise ValueError(f"a text without the end token {reader.end}")
    return [text[: text.index(reader.end) + 1] for text in texts]


def load(name: str, settings: ModelSettings) -> Model:
    """Return the model. Raises `ModelError`."""
    folder = open_folder(name, settings)
    refuse_type(folder, {"clip": "clip"})
    config = CLIPConfig.from_dict(folder.config)
    refuse_gelu(folder, config)
    preprocessing = read_preprocessing(folder)
    text: Any = config.text_config
    reader = read_clip_texts(folder, text, limit=text.max_position_embeddings)
    network = CLIPModel(config)
    folder.fill(network)
    return ClipEncoder(
        folder.build_parts(
            network,
            dim=config.projection_dim,
            prepare=preprocessing,
            readers={"short": reader},
            pad=reader.end,
            pads_to_limit=False,
        )
    )


def read_clip_texts(folder: Folder, text: Any, *, limit: int) -> TextReader:
    """Return the reader of a CLIP text tower, from the folder's tokenizer and `CLIPTextConfig`."""
    tokenizer = read_tokenizer(folder.path)
    end = int(text.eos_token_id)
    if end == LEGACY_EOS:
        end = int(text.vocab_size) - 1
    check_vocabulary(tokenizer, rows=int(text.vocab_size), end=end, folder=folder.path)
    return TextReader(tokenizer=tokenizer, limit=limit, end=end, stops_at_end=True)


def refuse_gelu(folder: Folder, config: Any) -> None:
    """Raise `ModelError` where weights by OpenAI are about to run with another activation than QuickGELU."""
    origin = f"{folder.settings.source} {folder.config.get('_name_or_path', '')}".lower()
    activations = {config.text_config.hidden_act, config.vision_config.hidden_act}
    if "openai" in origin and activations != {"quick_gelu"}:
        raise ModelError(
            f"OpenAI's weights need hidden_act quick_gelu, {folder.path / 'config.json'} has "
            f"{', '.join(sorted(activations))}: correct it in text_config and vision_config"
        )
