"""Images to the service and packed labels into a data set, before training.

For trainers that hand no image to a reward: the digest travels in the label, and the service holds the image.
"""

import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx

from visreward.access import authorized
from visreward.adapters.labels import MARK, merge_labels, pack_label
from visreward.adapters.pictures import Pictures
from visreward.answers import error_of, read_model
from visreward.core import choose_urls
from visreward.errors import ConnectionFailedError
from visreward.images import ImageInput, ImageStore
from visreward.protocol import Limits, MissingImages

BATCH_ROWS = 64
NUM_UPLOADS = 8
"""Images on their way at once."""
TIMEOUT_SECONDS = 60.0


def upload(images: Sequence[ImageInput], *, url: str | None = None) -> list[str]:
    """Return the digests of images, in order, after sending those that a service lacks to each service.

    Raises ImageError for an image that cannot be read, RewardError where a service does not take one. What
    has arrived stays: another run sends the rest.
    """
    store = ImageStore(max_image_bytes=Limits().max_image_bytes)
    digests = [store.add(image) for image in Pictures().read(list(images))]
    if store.data:
        for base_url in choose_urls(url, None):
            headers = authorized(None, None)
            with httpx.Client(base_url=base_url, timeout=TIMEOUT_SECONDS, headers=headers) as http:
                _send(http, store.data)
    return digests


def write_labels(
    rows: Iterable[Mapping[str, Any]],
    *,
    to: str,
    images: str | None = "images",
    reference: Mapping[str, str] | None = None,
    prompt: str | None = None,
    group: str | None = None,
    source: str | None = None,
    url: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows with a packed label in the column `to`, their images uploaded.

    Parameters
    ----------
    to:
        `extra_info` (verl), `label` (OpenRLHF, slime), `ground_truth` (EasyR1), `metadata` (NeMo-RL). A
        mapping that stands there gets the label under `visreward`; a plain answer goes into the label's
        reference.
    images:
        Column with one image or several, as paths, bytes, Pillow images or `{"bytes", "path"}`, or None.
    reference:
        Column by field of the reference, such as `{"answer": "solution", "key_words": "words"}`.
    prompt, group, source:
        Columns of these fields.
    """
    columns = {"prompt": prompt, "group": group, "source": source}
    for batch in _batched(rows):
        pictures = [Pictures().read(row[images]) if images else [] for row in batch]
        digests = iter(upload([picture for of_row in pictures for picture in of_row], url=url))
        for row, of_row in zip(batch, pictures):
            names = list(itertools.islice(digests, len(of_row)))
            given = {name: str(row[column]) for name, column in columns.items() if column is not None}
            answers = {field: row[column] for field, column in (reference or {}).items()}
            yield {**row, to: _label(row.get(to), names, given, answers)}


def _label(
    standing: Any, digests: list[str], given: Mapping[str, str], reference: Mapping[str, Any]
) -> str | dict[str, Any]:
    known = merge_labels(standing, standing if isinstance(standing, Mapping) else None)
    known |= {**given, "images": digests} if digests else given
    known["reference"] = {**known.get("reference", {}), **reference}
    label = pack_label(**known)
    return {**standing, MARK: label} if isinstance(standing, Mapping) else label


def _batched(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], ...]]:
    remaining = iter(rows)
    while batch := tuple(itertools.islice(remaining, BATCH_ROWS)):
        yield batch


def _send(http: httpx.Client, images: Mapping[str, bytes]) -> None:
    body = MissingImages(digests=list(images)).model_dump()
    missing = read_model(_ask(http, "POST", "/images/missing", json=body), MissingImages).digests
    with ThreadPoolExecutor(NUM_UPLOADS, thread_name_prefix="visreward-upload") as pool:
        sent = [
            pool.submit(_ask, http, "PUT", f"/images/{digest}", content=images[digest]) for digest in missing
        ]
    for one in sent:
        one.result()


def _ask(http: httpx.Client, method: str, path: str, **content: Any) -> httpx.Response:
    request_id = uuid.uuid4().hex
    try:
        response = http.request(method, path, headers={"x-request-id": request_id}, **content)
    except httpx.HTTPError as error:
        raise ConnectionFailedError(f"cannot send images to the reward service: {error!r}") from error
    if not response.is_success:
        raise error_of(response, request_id=request_id, now=datetime.now(UTC))
    return response
