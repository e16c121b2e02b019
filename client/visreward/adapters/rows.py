"""Items from the columns of a data set, for trainers that hand whole rows to a reward.

Owns which column is which field. Knows no trainer.
"""

from collections.abc import Mapping
from typing import Any

from visreward.adapters.labels import MARK, read_label, to_plain, without_absent
from visreward.adapters.pictures import Pictures
from visreward.protocol import Reference

REFERENCE_FIELDS = tuple(Reference.model_fields)
PLAIN_FIELDS = ("images", "group", "source", "prompt")
COLUMNS: dict[str, tuple[str, ...]] = {"images": ("images", "image")}
"""Fields that are looked for under more than their own name, first match first."""


def check_columns(columns: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Return the mapping from field to column; raise ValueError for a field that an item does not have."""
    known = (*PLAIN_FIELDS, "reference", "label", *REFERENCE_FIELDS)
    unknown = sorted(set(columns or {}) - set(known))
    if unknown:
        raise ValueError(f"columns names the unknown field {unknown[0]!r}; there are {', '.join(known)}")
    return dict(columns or {})


def read_row(row: Mapping[str, Any], columns: Mapping[str, str | None], pictures: Pictures) -> dict[str, Any]:
    """Return the fields of an item that stand in a row.

    A field is read from the column that `columns` names, else from the column of its own name (`images`
    from `image` too); a column of None leaves the field out. `reference` may be one column with a mapping
    or with the answer itself, and every field of a reference may be a column. A packed label (column
    `visreward`) gives what no other column does.
    """
    found = read_label({MARK: _take(row, "label", columns, (MARK,))})
    reference = dict(found.pop("reference", {}))
    whole = _take(row, "reference", columns, ("reference",))
    if whole is not None:
        reference |= without_absent(whole) if isinstance(whole, Mapping) else {"answer": str(whole)}
    for name in REFERENCE_FIELDS:
        value = without_absent(_take(row, name, columns, (name,)))
        if value is not None:
            reference[name] = str(value) if name == "answer" else value
    for name in PLAIN_FIELDS:
        value = _take(row, name, columns, COLUMNS.get(name, (name,)))
        if value is not None:
            found[name] = value if name == "images" else str(value)
    if "images" in found:
        found["images"] = pictures.read(found["images"])
    return {**found, "reference": reference} if reference else found


def _take(
    row: Mapping[str, Any], field: str, columns: Mapping[str, str | None], names: tuple[str, ...]
) -> Any:
    if field in columns:
        column = columns[field]
        if column is not None and column not in row:
            raise ValueError(f"columns names {column!r} for {field}, and the data has no such column")
        return None if column is None else to_plain(row[column])
    return next((to_plain(row[name]) for name in names if row.get(name) is not None), None)


def split_columns(columns: Mapping[str, Any], num_rows: int, given: Any = ()) -> list[dict[str, Any]]:
    """Return the rows of columns that hold one value per row; what holds none of that shape is left out.

    Raises ValueError where a column that must be there, one of `given`, has another length.
    """
    for name in given:
        if len(columns[name]) != num_rows:
            raise ValueError(f"{name} has {len(columns[name])} values for {num_rows} completions")
    per_row = {
        name: values
        for name, values in columns.items()
        if isinstance(values, list | tuple) and len(values) == num_rows
    }
    return [{name: values[place] for name, values in per_row.items()} for place in range(num_rows)]
