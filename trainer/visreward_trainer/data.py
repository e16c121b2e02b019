"""The questions: read from where they are, checked, and laid out as TRL wants them.

Each row has `row` (its number), `prompt` (messages) and `images` (decoded when the row is read). By that
number the rest is found: the question with its reference, and the encoded images, so that the service gets
the bytes of the file and nothing is encoded twice. It knows no model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Image, List, concatenate_datasets, load_dataset, load_from_disk

from visreward_trainer.config import DataConfig
from visreward_trainer.errors import DataError
from visreward_trainer.prompt import Prompt

FORMATS = {".json": "json", ".jsonl": "json", ".parquet": "parquet"}
ONE_IMAGE = "image"

EncodedImage = Path | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is known of a row beside its images."""

    id: str
    source: str
    """The data set that it comes from."""
    text: str
    reference: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Questions:
    """Rows for the trainer, and what stands behind them."""

    rows: Dataset
    """`row`, `prompt`, `images`."""
    known: list[Question]
    """By `row`, as is `encoded`."""
    encoded: Dataset
    """`images` as `{"bytes", "path"}`."""

    def __len__(self) -> int:
        return len(self.rows)

    def images_of(self, row: int) -> list[EncodedImage]:
        """Return a row's images as files or encoded bytes, for the service and for a rollout server."""
        found = self.encoded[row]["images"]
        return [image["bytes"] if image["bytes"] is not None else Path(image["path"]) for image in found]

    def keep(self, is_wanted: Callable[[dict[str, Any]], bool]) -> "Questions":
        """Return the questions whose row is wanted; `row` goes on naming the same question."""
        places = [place for place in range(len(self.rows)) if is_wanted(self.rows[place])]
        return Questions(self.rows.select(places), self.known, self.encoded)


def load_questions(config: DataConfig, prompt: Prompt) -> Questions:
    """Read the data of a config.

    Raises `DataError` that names the file, and the row or the column at fault.
    """
    table = read_table(config)
    if config.max_rows is not None:
        table = table.select(range(min(config.max_rows, len(table))))
    if len(table) == 0:
        raise DataError(f"{config.path}: there are no rows")
    if config.question not in table.column_names:
        raise DataError(
            f"{config.path}: no column {config.question!r} for the question (data.question); "
            f"there are {', '.join(table.column_names)}"
        )
    column = image_column(table, config)
    plain = table.remove_columns([column] if column is not None else [])
    known = [to_question(row, index, config) for index, row in enumerate(plain)]
    prompts = [prompt.messages(question.text) for question in known]
    rows = Dataset.from_dict({"row": list(range(len(known))), "prompt": prompts})
    if column is None:
        return Questions(rows, known, Dataset.from_dict({"images": [[] for _ in known]}))
    listed = list_images(table, column, config)
    decoded = listed.cast_column("images", List(Image(mode="RGB")))
    return Questions(
        concatenate_datasets([rows, decoded], axis=1),
        known,
        listed.cast_column("images", List(Image(decode=False))),
    )


def read_table(config: DataConfig) -> Dataset:
    """Return the rows as they are written."""
    path = config.path
    if not path.exists():
        raise DataError(f"{path}: no such file or folder (data.path)")
    try:
        if path.is_dir():
            loaded = load_from_disk(str(path))
        elif path.suffix in FORMATS:
            loaded = load_dataset(FORMATS[path.suffix], data_files=str(path), keep_in_memory=True)
        else:
            raise DataError(f"{path}: a {path.suffix or 'nameless'} file; known: {', '.join(FORMATS)}")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return choose_split(loaded, config)


def choose_split(loaded: Dataset | DatasetDict, config: DataConfig) -> Dataset:
    if isinstance(loaded, Dataset):
        return loaded
    names = list(loaded)
    if config.split is None and len(names) == 1:
        return loaded[names[0]]
    if config.split not in loaded:
        raise DataError(f"{config.path}: data.split is {config.split}; there are {', '.join(names)}")
    return loaded[config.split]


def to_question(row: Mapping[str, Any], index: int, config: DataConfig) -> Question:
    """Return what is known of a row; raise `DataError` where its question is no text."""
    text = row[config.question]
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{config.path}: row {index}: {config.question} is not a text")
    given = row.get(config.id)
    return Question(
        id=str(index if given is None else given),
        source=str(row.get(config.source) or config.path.stem),
        text=text,
        reference={
            name: row[column] for name, column in config.reference.items() if row.get(column) is not None
        },
    )


def image_column(table: Dataset, config: DataConfig) -> str | None:
    for name in (config.images, ONE_IMAGE):
        if name in table.column_names:
            return name
    return None


def list_images(table: Dataset, column: str, config: DataConfig) -> Dataset:
    """Return one column, `images`: a list per row, of paths that exist or of what the data set holds
    itself."""
    feature = table.features[column]
    alone = table.select_columns([column])
    inner = getattr(feature, "feature", feature)
    if isinstance(inner, Image):
        as_bytes = Image(decode=False)
        undecoded = alone.cast_column(column, as_bytes if inner is feature else List(as_bytes))
        return Dataset.from_dict({"images": [as_list(row[column]) for row in undecoded]})
    folder = config.image_folder or (config.path if config.path.is_dir() else config.path.parent)
    found = []
    for index, row in enumerate(alone):
        paths = [folder / str(path) for path in as_list(row[column])]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataError(f"{config.path}: row {index}: no image {missing[0]}")
        found.append([str(path) for path in paths])
    return Dataset.from_dict({"images": found})


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
