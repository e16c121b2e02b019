"""What can be wrong with a recipe, and the known names near an unknown one."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError


class ExpressionError(ValueError):
    """An expression that cannot be read, with the place."""

    def __init__(self, message: str, column: int, nearest: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message} at column {column}{suggest(nearest)}")
        self.column = column
        self.nearest = nearest


class RecipeError(ValueError):
    """A recipe that cannot be read or bound. The text is `file:line: message`, as far as they are known."""

    def __init__(
        self,
        message: str,
        file: Path | None = None,
        line: int | None = None,
        *,
        path: str = "",
        nearest: tuple[str, ...] = (),
    ) -> None:
        place = "" if file is None else f"{file.name}: " if line is None else f"{file.name}:{line}: "
        super().__init__(place + message)
        self.message = message
        """The sentence without the place."""
        self.file = file
        self.line = line
        self.path = path
        """The field at fault, such as `terms.clip.model`; empty where it is the recipe as a whole."""
        self.nearest = nearest
        """Known names near an unknown one."""


def find_nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three known names that look like `name`, best first."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    return tuple(by_folded[folded] for folded in close)


def explain_params(error: ValidationError, known: Iterable[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return message, field and near names of the first thing that is wrong with parameters.

    The field is empty where one is missing.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        nearest = find_nearest(where, known)
        return f'unknown parameter "{where}"{suggest(nearest)}', where, nearest
    if first["type"] == "missing":
        return f'needs the parameter "{where}"', "", ()
    message = first["msg"].removeprefix("Value error, ")
    prefix = f"{where}: " if where else ""
    return prefix + message[:1].lower() + message[1:], where, ()


def suggest(nearest: Iterable[str]) -> str:
    """Return the end of a message that names near names, or nothing."""
    names = ", ".join(nearest)
    return f"; nearest: {names}" if names else ""
