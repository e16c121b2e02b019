"""From the `source` of a setting to a folder on this machine, and how sure one can be that it stays the same.

Knows the hub and nothing of what is in the files. Only weights, JSON and text are ever downloaded: never
code.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from visreward_service.models.errors import ModelError

BUNDLED = Path(__file__).parent / "bundled"
COMMIT = re.compile(r"[0-9a-f]{40}")
SAFE_PATTERNS = ("*.safetensors", "*.json", "*.txt", "README.md")
PICKLE_PATTERNS = ("*.bin", "*.pth")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with a model in it."""

    folder: Path
    pinned: bool
    """Whether the source names these very files: a hub commit, or files of this machine."""
    commit: str | None = None
    """The hub's commit; None for a folder."""


def find_checkpoint(source: str, *, allow_pickle: bool = False) -> Checkpoint:
    """Return the folder that a source names, downloading it where it is `hf:<repo>@<revision>`."""
    scheme, _, rest = source.partition(":")
    if scheme == "hf" and rest:
        return download(rest, allow_pickle=allow_pickle)
    if scheme == "bundled" and rest:
        return Checkpoint(
            _existing(BUNDLED / rest, f"no model named {rest!r} comes with this package"), pinned=True
        )
    path = Path(rest if scheme == "local-dir" else source).expanduser()
    unknown = f"{path} is no folder; a source is a folder, hf:<repo>@<revision> or bundled:<name>"
    return Checkpoint(_existing(path, unknown), pinned=True)


def _existing(folder: Path, otherwise: str) -> Path:
    if not folder.is_dir():
        raise ModelError(otherwise)
    return folder


def download(address: str, *, allow_pickle: bool) -> Checkpoint:
    """Return the snapshot of `<repo>@<revision>` in the hub's cache, downloading what is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repo, _, revision = address.partition("@")
    patterns = [*SAFE_PATTERNS, *(PICKLE_PATTERNS if allow_pickle else ())]
    try:
        folder = Path(snapshot_download(repo, revision=revision or None, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"hf:{address} is not in the hub's cache, and the hub cannot be reached (HF_HUB_OFFLINE, or no "
            f"network): run `hf download {repo}{f' --revision {revision}' if revision else ''}` where there "
            "is one, or name a folder"
        ) from error
    except HFValidationError as error:
        raise ModelError(f"hf:{address} is no hub address; write hf:<owner>/<name>@<commit>") from error
    except (OSError, ValueError) as error:  # what the hub answers: no such repository, revision or access
        raise ModelError(f"hf:{address} cannot be downloaded: {str(error).splitlines()[0]}") from error
    commit = folder.name if COMMIT.fullmatch(folder.name) else None
    return Checkpoint(folder, pinned=bool(COMMIT.fullmatch(revision)), commit=commit)
