"""`visreward score`: rewards of one completion, or of a file of items, from a running service."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visreward.cli.command import Command, CommandError
from visreward.cli.service import add_service_arguments, open_client
from visreward.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from visreward.protocol import ItemResult
    from visreward.result import ScoreResult

EXIT_ITEMS_FAILED = 1


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--recipe", required=True, help="name of a recipe; `visreward recipes` lists them")
    batch = parser.add_argument_group("many items")
    batch.add_argument(
        "--items",
        metavar="FILE.jsonl",
        help="one item a line, - for standard input; image paths are relative to the file",
    )
    single = parser.add_argument_group("a single item")
    single.add_argument("--image", metavar="FILE", nargs="+", default=[], help="image files of the prompt")
    text = single.add_mutually_exclusive_group()
    text.add_argument("--completion", metavar="TEXT")
    text.add_argument("--completion-file", metavar="FILE", help="- for standard input")
    single.add_argument("--prompt", metavar="TEXT")
    single.add_argument("--reference", metavar="JSON", help="the whole reference, as an object")
    single.add_argument("--answer", metavar="TEXT", help="the gold answer")
    single.add_argument("--key-words", metavar="A,B", help="key words, separated by commas")
    single.add_argument(
        "--tokens", metavar="N", type=int, help="length of the completion in the policy's tokens"
    )
    parser.add_argument("--json", action="store_true", help="print JSONL: one object for each item, in order")
    parser.add_argument("--progress", action="store_true", help="show a progress bar")
    add_service_arguments(parser)


def run(args: Namespace) -> int:
    items = read_items(args)
    with open_client(args) as client:
        result = client.score(items, recipe=args.recipe, on_item_error="mask", progress=args.progress)
    if args.json:
        for item in result.items:
            print_json(item.model_dump(mode="json"))
    else:
        print_result(result)
    for item in result.failed:
        print(describe(item), file=sys.stderr)
    return EXIT_ITEMS_FAILED if result.failed else 0


def read_items(args: Namespace) -> list[dict[str, Any]]:
    """Return the items that the arguments name; raise CommandError where they name none or two kinds."""
    given = [args.image, args.completion, args.completion_file, args.prompt, args.reference, args.answer]
    is_single = any(value not in (None, []) for value in (*given, args.key_words, args.tokens))
    if args.items is not None:
        if is_single:
            raise CommandError("Give either --items, or the arguments of a single item.")
        return read_file(args.items)
    if args.completion is None and args.completion_file is None:
        raise CommandError("Nothing to score: give --completion, --completion-file or --items.")
    return [build_item(args)]


def read_file(name: str) -> list[dict[str, Any]]:
    """Return the items of a JSONL file (`-`: standard input), their image paths made relative to it."""
    path = Path(name)
    text = sys.stdin.read() if name == "-" else path.read_text(encoding="utf-8")
    folder = Path() if name == "-" else path.parent
    # Split at \n alone: a JSON string may hold other line separators of Unicode as they are.
    lines = enumerate(text.split("\n"), start=1)
    items = [read_line(line, f"{name}:{number}", folder) for number, line in lines if line.strip()]
    if not items:
        raise CommandError(f"There are no items in {name}.")
    return items


def read_line(line: str, place: str, folder: Path) -> dict[str, Any]:
    """Return one line's item; raise CommandError where it is not a JSON object."""
    try:
        item = json.loads(line)
    except ValueError:
        raise CommandError(f"{place} is not JSON. Each line of the file is one item, as an object.") from None
    if not isinstance(item, dict):
        raise CommandError(f"{place} is not an object. Each line of the file is one item, as an object.")
    if isinstance(item.get("images"), list):
        item["images"] = [resolve(image, folder) for image in item["images"]]
    return item


def resolve(image: object, folder: Path) -> object:
    """Return an image of a file's item as the client takes it: a path from the folder, or a digest."""
    from visreward.images import DIGEST

    is_path = isinstance(image, str) and DIGEST.fullmatch(image) is None
    return folder / image if is_path and isinstance(image, str) else image


def build_item(args: Namespace) -> dict[str, Any]:
    """Return the single item that the arguments describe."""
    completion = args.completion if args.completion is not None else read_text(args.completion_file)
    item = {
        "id": "0",
        "images": [Path(image) for image in args.image],
        "prompt": args.prompt,
        "completion": completion,
        "completion_tokens": args.tokens,
        "reference": build_reference(args),
    }
    return {name: value for name, value in item.items() if value is not None}


def build_reference(args: Namespace) -> dict[str, Any]:
    """Return `--reference` with `--answer` and `--key-words` put into it."""
    try:
        reference = json.loads(args.reference or "{}")
    except ValueError:
        raise CommandError('--reference is not JSON; write it like \'{"answer": "42"}\'.') from None
    if not isinstance(reference, dict):
        raise CommandError('--reference is not an object; write it like \'{"answer": "42"}\'.')
    if args.answer is not None:
        reference["answer"] = args.answer
    if args.key_words is not None:
        reference["key_words"] = [word.strip() for word in args.key_words.split(",") if word.strip()]
    return reference


def read_text(name: str) -> str:
    """Return a file's text, `-` for standard input."""
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def print_result(result: "ScoreResult") -> None:
    """Print the rewards with their parts, and the groups where there are any."""
    parts = list(dict.fromkeys(name for item in result.items for name in item.parts))
    has_failed = ["error"] if result.failed else []
    print_table(map(to_row, result.items), ["id", "reward", *parts, *has_failed], title=result.recipe)
    if result.groups:
        columns = ["group", "num_items", "num_scored", "mean", "std", "tied"]
        print_table((group.model_dump() for group in result.groups), columns)


def to_row(item: "ItemResult") -> dict[str, Any]:
    """Return an item's line of the table; a part never hides the item's own columns."""
    error = None if item.error is None else str(item.error.code)
    return {**item.parts, "id": item.id, "reward": item.reward, "error": error}


def describe(item: "ItemResult") -> str:
    """Return one line on a failed item, for stderr."""
    if item.error is None:
        return f"{item.id}: scored"
    field = f" ({item.error.field})" if item.error.field else ""
    return f"{item.id}: {item.error.code}: {item.error.message}{field}"


COMMAND = Command(
    name="score",
    summary="Score completions with a running service.",
    add_arguments=add_arguments,
    run=run,
)
