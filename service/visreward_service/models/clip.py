"""Kind `clip`: checkpoints of transformers' `CLIPModel`, whatever their number of text positions."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

# The schemas come before transformers, whose CLIP classes import torchvision.
from visreward_service.models import torchvision_schemas  # noqa: F401
from visreward_service.models.base import Model, Pixels
from visreward_service.models.encoder import Encoder, Parts
from visreward_service.models.errors import ModelError
from visreward_service.models.folder import Folder, open_folder, read_preprocessing, refuse_type
from visreward_service.models.settings import ModelSettings
from visreward_service.models.tokens import TextReader, check_vocabulary, read_tokenizer
from visreward_service.models.weights import check_module, load_exactly

from transformers import CLIPConfig, CLIPModel  # isort: skip

LEGACY_EOS = 2
"""Configs written before transformers 4.31 hold this wrong id; the end token is then the highest id."""


class ClipEncoder(Encoder):
    """One text branch, `short`, and the pooled view."""

    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        del view
        network = cast("Any", self.module)
        return cast(
            "Tensor", network.visual_projection(network.vision_model(self.stack(batch)).pooler_output)
        )

    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        """Padding behind the end changes nothing: attention is causal, pooling takes the first end."""
        del branch
        network = cast("Any", self.module)
        return cast("Tensor", network.text_projection(network.text_model(input_ids=ids).pooler_output))


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
    load_exactly(network, folder.state(), where=folder.path)
    check_module(network, folder.path)
    info = folder.info(
        dim=config.projection_dim,
        image_size=(preprocessing.width, preprocessing.height),
        views=("pooled",),
        branches={"short": reader.limit},
        preprocessing=preprocessing.version,
        logit_scale=network.logit_scale.exp().item(),
    )
    return ClipEncoder(
        Parts(
            info=info,
            module=folder.place(network),
            prepare=preprocessing,
            mean=preprocessing.mean,
            std=preprocessing.std,
            readers={"short": reader},
            pad=reader.end,
            pads_to_limit=False,
            **folder.limits(),
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
