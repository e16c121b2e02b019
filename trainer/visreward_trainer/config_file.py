"""Reads a config: TOML files, one over the other, and `NAME=VALUE` pairs of the command line over them.

An unknown name is refused with the nearest known ones. It knows nothing of what the values mean.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from visreward_trainer.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def load_config(
    model: type[ConfigT], files: Sequence[str | Path], overrides: Iterable[tuple[str, Any]] = ()
) -> ConfigT:
    """Return the config of the files, later ones over earlier ones, and of the overrides over all of them.

    A file may be the name of one that comes along, such as `pebr-r1-stage1.toml`. An override is a dotted
    name and its value. Raises `ConfigError` that names the field and, for unknown names, the nearest known
    ones.
    """
    tables: dict[str, Any] = {}
    for file in files:
        merge(tables, read_file(file))
    for name, value in overrides:
        put(tables, name, value)
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(model, dict(detail)) for detail in error.errors())) from None


def read_file(file: str | Path) -> dict[str, Any]:
    """Return the tables of a file of the disk, else of one that comes along."""
    path = Path(file)
    bundled = resources.files("visreward_trainer").joinpath("files", path.name)
    try:
        if not path.exists() and path == Path(path.name) and bundled.is_file():
            return tomllib.loads(bundled.read_text(encoding="utf-8"))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def parse_override(text: str) -> tuple[str, Any]:
    """Return the name and value of `NAME=VALUE`.

    The value is read as TOML writes it (`1e-6`, `true`, `["a"]`); what is no TOML value is text. An empty
    one is None: the setting goes back to its default.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"{text!r} is not of the form NAME=VALUE, such as optim.learning_rate=1e-6")
    if not value:
        return name.strip(), None
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value


def merge(tables: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Put `over` into `tables`, table by table."""
    for name, value in over.items():
        if isinstance(value, Mapping) and isinstance(tables.get(name), dict):
            merge(tables[name], value)
        else:
            tables[name] = dict(value) if isinstance(value, Mapping) else value


def put(tables: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted name, or take it out where the value is None.

    Raises `ConfigError` where the name goes through something that is no table.
    """
    *path, last = name.split(".")
    for part in path:
        tables = tables.setdefault(part, {})
        if not isinstance(tables, dict):
            raise ConfigError(f"{name}: {part} is a value, not a table")
    if value is None:
        tables.pop(last, None)
    else:
        tables[last] = value


def explain(model: type[BaseModel], detail: Mapping[str, Any]) -> str:
    """Return one line on what is wrong, for a person."""
    location = [str(part) for part in detail["loc"]]
    path = ".".join(location)
    if detail["type"] == "extra_forbidden":
        return f"{path}: no such setting{nearest(location[-1], names_at(model, location[:-1]))}"
    if detail["type"] == "missing":
        return f"{path}: missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def names_at(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Names of the fields at a path of the config."""
    for part in location:
        field = model.model_fields.get(part)
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(sorted(known))}"
