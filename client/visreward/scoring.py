"""One chunk of a call scored by one server, with as few image bytes as that server needs.

An image is sent once to each server and named by its digest afterwards. A server that no longer holds an
image says so in its answer, and the chunk is sent again with all of its images: the caller notices nothing.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import replace

from visreward.answers import read_model
from visreward.core import Core, Plan, blame
from visreward.errors import ServiceError
from visreward.exchange import Attempt, Steps, send
from visreward.protocol import MissingImages
from visreward.result import Answered
from visreward.servers import Server
from visreward.split import Chunk

ASK_BYTES = 2**18
"""From so many bytes of images on, a server is asked what it holds; less is sent as quickly."""


def scoring(core: Core, plan: Plan, chunk: Chunk) -> Attempt[Answered]:
    """Return the attempt that scores a chunk."""

    request_id = uuid.uuid4().hex

    def attempt(server: Server, seconds: float) -> Steps[Answered]:
        needed = yield from _choose_images(core, plan, chunk, server, seconds)
        answered = yield from _score(core, plan, chunk, needed, server, seconds, request_id)
        unsent = chunk.digests.keys() - set(needed)
        if unsent.intersection(answered.response.missing_images):
            server.holdings.confirm(unsent, unsent.intersection(answered.response.missing_images))
            # With all images, for behind one address there may be several servers.
            every = chunk.digests
            answered = yield from _score(core, plan, chunk, every, server, seconds, request_id)
        server.holdings.add(_kept(chunk, answered))
        return answered

    return attempt


def _choose_images(
    core: Core, plan: Plan, chunk: Chunk, server: Server, seconds: float
) -> Steps[Collection[str]]:
    """Return the chunk's images that the server has to be sent, asking it where that is worth a question."""
    holdings = server.holdings
    unknown = holdings.unknown(chunk.digests)
    asked = list(chunk.digests) if holdings.doubtful else unknown
    num_bytes = sum(len(plan.prepared.images[digest]) for digest in asked)
    if not asked or (num_bytes < ASK_BYTES and not holdings.doubtful):
        return unknown
    response = yield from send(server, core.missing(asked), seconds)
    missing = set(read_model(response, MissingImages).digests)
    holdings.confirm(asked, missing)
    return [digest for digest in asked if digest in missing]


def _score(
    core: Core,
    plan: Plan,
    chunk: Chunk,
    digests: Iterable[str],
    server: Server,
    seconds: float,
    request_id: str,
) -> Steps[Answered]:
    sent = replace(chunk, digests=dict.fromkeys(digests))
    try:
        response = yield from send(server, core.score(plan, sent, request_id), seconds)
    except ServiceError as error:
        raise blame(error, sent) from error.__cause__
    return plan.read(sent, response)


def _kept(chunk: Chunk, answered: Answered) -> list[str]:
    """Return the images that the server surely keeps: it keeps none that is broken."""
    results = zip(chunk.items, answered.response.items, strict=True)
    good = {digest for item, result in results if result.error is None for digest in item.digests}
    return [digest for digest in chunk.digests if digest in good]
