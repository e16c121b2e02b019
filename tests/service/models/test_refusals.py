"""What would silently be wrong does not start, and the message says what to do."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.service.models import checkpoints
from tests.service.models.conftest import MAKERS, Pairs
from visreward_service.models import ModelError, ModelSettings, devices, load_model, load_models


def load(kind: str, source: Path | str, **settings: Any) -> Any:
    return load_model("mine", ModelSettings(kind=kind, source=str(source), device="cpu", **settings))


@pytest.fixture
def copy(pairs: Pairs, tmp_path: Path) -> Callable[[str], tuple[str, Path]]:
    """A model's kind and a copy of its folder to spoil."""

    def copied(key: str) -> tuple[str, Path]:
        folder = tmp_path / key
        shutil.copytree(pairs(key).folder, folder)
        return MAKERS[key][0], folder

    return copied


Copy = Callable[[str], tuple[str, Path]]


def weights_of(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


def respell(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file or a weight file in place."""
    if path.suffix == ".json":
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))
    else:
        state: dict[str, Tensor] = load_file(path)
        change(state)
        save_file(state, path)


@pytest.mark.parametrize("key", list(MAKERS))
def test_absent_weights_are_refused(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    weights_of(folder).unlink()
    with pytest.raises(
        ModelError, match=r"models\.mine: .* holds no weights: expected one of model\.safetensors"
    ):
        load(kind, folder)


@pytest.mark.parametrize("key", list(MAKERS))
def test_a_missing_tensor_is_refused_by_name(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    name = next(name for name in load_file(weights_of(folder)) if name.endswith("bias"))
    respell(weights_of(folder), lambda state: state.pop(name))
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        load(kind, folder)


@pytest.mark.parametrize("key", list(MAKERS))
def test_a_tensor_left_over_is_refused_by_name(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    respell(weights_of(folder), lambda state: state.update({"adapter.weight": torch.zeros(2)}))
    with pytest.raises(ModelError, match=r"adapter\.weight"):
        load(kind, folder)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("clip", "text_model.embeddings.position_embedding.weight"),
        ("fgclip", "text_filip_projection.weight"),
        ("siglip2", "vision_model.embeddings.position_embedding.weight"),
        ("open_clip", "positional_embedding"),
    ],
)
def test_a_tensor_of_another_shape_is_refused_and_never_resized(copy: Copy, key: str, name: str) -> None:
    kind, folder = copy(key)
    respell(weights_of(folder), lambda state: state.update({name: state[name][:-1].contiguous()}))
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        load(kind, folder)


def test_position_ids_of_older_transformers_are_taken_where_they_count_up(copy: Copy) -> None:
    kind, folder = copy("clip")
    key = "text_model.embeddings.position_ids"
    respell(weights_of(folder), lambda state: state.update({key: torch.arange(77)[None]}))
    assert load(kind, folder).info.branches == {"short": 77}
    respell(
        weights_of(folder), lambda state: state.update({key: torch.arange(77).flip(0)[None].contiguous()})
    )
    with pytest.raises(ModelError, match="position_ids is not 0, 1, 2"):
        load(kind, folder)


def test_weights_that_are_not_finite_are_refused(copy: Copy) -> None:
    kind, folder = copy("clip")

    def spoil(state: dict[str, Tensor]) -> None:
        state["text_projection.weight"][0, 0] = torch.nan

    respell(weights_of(folder), spoil)
    with pytest.raises(ModelError, match=r"text_projection\.weight .* holds NaN"):
        load(kind, folder)


@pytest.mark.parametrize("key", ["clip", "open_clip"])
def test_a_damaged_weight_file_is_refused(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    path = weights_of(folder)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read as weights"):
        load(kind, folder)


@pytest.mark.parametrize("key", ["clip", "fgclip", "fgclip2", "siglip2"])
def test_absent_tokenizers_are_refused(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer: add tokenizer\.json"):
        load(kind, folder)


def test_a_tokenizer_of_another_checkpoint_is_refused(copy: Copy) -> None:
    kind, folder = copy("clip")
    checkpoints.gemma_tokenizer().save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelError, match="ends a text with id"):
        load(kind, folder)
    kind, folder = copy("siglip2")
    checkpoints.clip_tokenizer().save_pretrained(folder)
    with pytest.raises(ModelError, match="has ids up to 49407, the model has 600"):
        load(kind, folder)


@pytest.mark.parametrize("key", ["clip", "siglip2", "naflex", "fgclip2"])
def test_absent_preprocessing_is_refused(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json"):
        load(kind, folder)


def test_preprocessing_in_processor_config_is_found(copy: Copy) -> None:
    kind, folder = copy("clip")
    config = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": config}))
    assert load(kind, folder).info.image_size == (32, 32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"do_normalize": False}, "do_normalize = False"),
        ({"rescale_factor": 1.0}, r"rescale_factor 1\.0"),
        ({"resample": 5}, "resample 5"),
        ({"do_center_crop": False}, "images of many sizes"),
    ],
)
def test_preprocessing_that_is_not_rebuilt_here_is_refused(
    copy: Copy, change: dict[str, Any], said: str
) -> None:
    kind, folder = copy("clip")
    respell(folder / "preprocessor_config.json", lambda config: config.update(change))
    with pytest.raises(ModelError, match=said):
        load(kind, folder)


@pytest.mark.parametrize(
    ("key", "kind", "said"),
    [
        ("fgclip2", "siglip2", 'set kind = "fgclip2"'),
        ("naflex", "fgclip2", 'set kind = "siglip2"'),
        ("siglip2", "clip", "model type 'siglip'; this kind loads clip"),
        ("clip", "fgclip", r"missing .*text_filip_projection"),
        ("fgclip", "clip", r"left over .*position_embedding_ori"),
    ],
)
def test_another_kind_of_folder_is_refused(pairs: Pairs, key: str, kind: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(kind, pairs(key).folder)


def test_openais_weights_under_another_activation_are_refused(
    pairs: Pairs, copy: Copy, tmp_path: Path
) -> None:
    folder = tmp_path / "openai-clip-vit-base-patch32"
    shutil.copytree(pairs("clip").folder, folder)
    assert load("clip", folder)
    respell(folder / "config.json", lambda config: config["text_config"].update(hidden_act="gelu"))
    with pytest.raises(ModelError, match="OpenAI's weights need hidden_act quick_gelu"):
        load("clip", folder)


def test_openais_weights_in_an_open_clip_folder_without_quick_gelu_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "ViT-B-32-openai"
    checkpoints.make_open_clip(folder, quick_gelu=False)
    with pytest.raises(
        ModelError, match=r"trained with QuickGELU, .* set quick_gelu to true in .*open_clip_config"
    ):
        load("open_clip", folder)


def test_the_open_clip_name_of_openais_weights_is_refused_before_any_download() -> None:
    import open_clip

    from visreward_service.models import openclip

    settings = ModelSettings(kind="open_clip", source="ViT-B-32", pretrained="openai")
    assert open_clip.get_pretrained_cfg("ViT-B-32", "openai")["quick_gelu"]
    origin = openclip.Origin(name="ViT-B-32", pretrained="openai", files=[], config=None, pinned=False)
    with pytest.raises(ModelError, match='use source = "ViT-B-32-quickgelu" or force_quick_gelu = true'):
        openclip.refuse_gelu(settings, origin)
    openclip.refuse_gelu(settings.model_copy(update={"force_quick_gelu": True}), origin)
    laion = settings.model_copy(update={"pretrained": "laion2b_s34b_b79k", "force_quick_gelu": True})
    with pytest.raises(ModelError, match="trained with GELU, and the config builds QuickGELU"):
        openclip.refuse_gelu(laion, origin)


def test_quick_gelu_and_gelu_are_not_the_same_number(pairs: Pairs, tmp_path: Path) -> None:
    """Why the wrong activation is refused and not warned of."""
    from tests.service.models.pictures import picture

    checkpoints.make_open_clip(tmp_path / "gelu", quick_gelu=False)
    quick, plain = pairs("open_clip").model, load("open_clip", tmp_path / "gelu")
    rows = [model.encode_images([model.prepare_image(picture())], "pooled")[0] for model in (quick, plain)]
    assert float(rows[0] @ rows[1]) < 1 - 1e-5


def test_an_architecture_without_weights_is_refused_and_never_random() -> None:
    for pretrained in (None, "no_such_tag"):
        with pytest.raises(
            ModelError, match="ViT-B-32 is an architecture; its weights are named by pretrained"
        ):
            load("open_clip", "ViT-B-32", pretrained=pretrained)


def test_a_tag_that_cannot_be_downloaded_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cannot be downloaded .* name a folder with open_clip_config"):
        load("open_clip", "ViT-B-32", pretrained="laion2b_s34b_b79k")


def test_pretrained_beside_a_folder_is_refused(pairs: Pairs) -> None:
    with pytest.raises(ModelError, match="is for names of the library"):
        load("open_clip", pairs("open_clip").folder, pretrained="laion2b_s34b_b79k")


def test_open_clip_folders_without_their_config_or_tokenizer_are_refused(copy: Copy) -> None:
    kind, folder = copy("open_clip")
    respell(
        folder / "open_clip_config.json",
        lambda config: config["model_cfg"]["text_cfg"].update(hf_tokenizer_name="timm/ViT-B-16-SigLIP2"),
    )
    with pytest.raises(ModelError, match="put its files into the folder"):
        load(kind, folder)
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(ModelError, match=r"open_clip_config\.json is missing"):
        load(kind, folder)


@pytest.mark.parametrize("key", ["clip", "open_clip"])
def test_pickles_are_read_only_where_the_setting_allows(copy: Copy, key: str) -> None:
    kind, folder = copy(key)
    path = weights_of(folder)
    pickled = folder / ("pytorch_model.bin" if key == "clip" else "open_clip_pytorch_model.bin")
    torch.save(load_file(path), pickled)
    path.unlink()
    with pytest.raises(ModelError, match=r"is a pickle, .* allow_pickle_weights = true"):
        load(kind, folder)
    assert load(kind, folder, allow_pickle_weights=True).info.dim == 24


class Payload:
    """Code in a pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("executed",))


def test_code_in_a_pickle_is_never_executed(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    kind, folder = copy("clip")
    weights_of(folder).unlink()
    torch.save({"text_projection.weight": Payload()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read as weights"):
        load(kind, folder, allow_pickle_weights=True)
    assert "executed" not in capsys.readouterr().out


def test_remote_code_named_by_a_folder_is_never_imported(copy: Copy) -> None:
    kind, folder = copy("clip")
    (folder / "modeling_evil.py").write_text("raise SystemExit('executed')")
    respell(
        folder / "config.json", lambda config: config.update(auto_map={"AutoModel": "modeling_evil.Evil"})
    )
    assert load(kind, folder).info.dim == 24


def test_shards_are_read_and_a_missing_one_is_named(copy: Copy) -> None:
    kind, folder = copy("clip")
    state = load_file(weights_of(folder))
    weights_of(folder).unlink()
    halves = {"model-00001-of-00002.safetensors": {}, "model-00002-of-00002.safetensors": {}}  # type: ignore[var-annotated]
    for index, (name, value) in enumerate(state.items()):
        list(halves.values())[index % 2][name] = value
    for file, part in halves.items():
        save_file(part, folder / file)
    places = {name: file for file, part in halves.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert load(kind, folder).info.dim == 24
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks the weight shards model-00002-of-00002\.safetensors"):
        load(kind, folder)
    escape = {"weight_map": {"a": "../../secrets.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(escape))
    with pytest.raises(ModelError, match="is no safetensors file beside it"):
        load(kind, folder)


def test_a_dtype_that_the_cpu_emulates_is_refused(pairs: Pairs) -> None:
    with pytest.raises(ModelError, match="float16 is not for the CPU"):
        load("clip", pairs("clip").folder, dtype="float16")


@pytest.mark.parametrize("device", ["cuda:7", "mps", "tpu"])
def test_a_device_that_is_not_there_is_refused(pairs: Pairs, device: str) -> None:
    settings = ModelSettings(kind="clip", source=str(pairs("clip").folder), device=device)
    with pytest.raises(ModelError, match=f"device '{device}' .*use auto"):
        load_model("mine", settings)


def test_a_model_larger_than_the_memory_is_refused(
    pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    with pytest.raises(ModelError, match=r"M parameters in float32 need about .* GiB, cpu has 0\.0 GiB free"):
        load("clip", pairs("clip").folder)
    (tmp_path / "memory.max").write_text("max\n")
    assert load("clip", pairs("clip").folder).info.dim == 24


def test_a_source_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path / "absent", "bundled:absent", "hf:", "qihoo360/fg-clip-base"):
        with pytest.raises(ModelError, match=r"no folder|no model named"):
            load("fgclip", source)


@pytest.mark.parametrize(
    "address", ["qihoo360/fg-clip-large@5a8f0f23b5a06dc92310e907599b2a0c2d58fe6f", "a/b"]
)
def test_a_repository_that_is_not_at_hand_is_refused_with_the_command(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=rf"run `hf download {address.split('@')[0]}"):
        load("fgclip", f"hf:{address}")


def cached_repository(cache: Path, folder: Path, revision: str, ref: str | None = None) -> None:
    """Put a folder into a hub cache as `a/b` at a commit."""
    target = cache / "models--a--b" / "snapshots" / revision
    shutil.copytree(folder, target)
    refs = cache / "models--a--b" / "refs"
    refs.mkdir()
    (refs / (ref or "unused")).write_text(revision)


def test_a_pinned_repository_is_read_from_the_hubs_cache(
    pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached_repository(tmp_path, pairs("clip").folder, commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    info = load("clip", f"hf:a/b@{commit}").info
    assert (info.revision, info.pinned) == (commit, True)


def test_a_repository_without_a_commit_is_told_and_warned_of(
    pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached_repository(tmp_path, pairs("clip").folder, commit, ref="main")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        info = load("clip", "hf:a/b").info
    assert (info.revision, info.pinned) == (commit, False)
    assert "not pinned" in caplog.text


def test_the_revision_of_a_folder_follows_weights_and_config(copy: Copy) -> None:
    kind, folder = copy("clip")
    first = load(kind, folder).info
    assert first.pinned
    assert first.revision.startswith("sha256:")
    assert load(kind, folder).info.revision == first.revision
    respell(folder / "config.json", lambda config: config.update(comment="changed"))
    second = load(kind, folder).info.revision
    respell(weights_of(folder), lambda state: state["logit_scale"].add_(0.5))
    assert len({first.revision, second, load(kind, folder).info.revision}) == 3


def test_the_first_model_that_must_not_start_stops_all(pairs: Pairs, tmp_path: Path) -> None:
    good = ModelSettings(kind="clip", source=str(pairs("clip").folder), device="cpu")
    assert list(load_models({"one": good, "two": good})) == ["one", "two"]
    bad = ModelSettings(kind="clip", source=str(tmp_path / "absent"))
    with pytest.raises(ModelError, match=r"^models\.two: "):
        load_models({"one": good, "two": bad})


def test_the_license_is_the_model_cards(copy: Copy) -> None:
    kind, folder = copy("clip")
    assert load(kind, folder).info.license is None
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\ntags:\n- vision\n---\n# A model\nlicense: no\n"
    )
    assert load(kind, folder).info.license == "apache-2.0"
