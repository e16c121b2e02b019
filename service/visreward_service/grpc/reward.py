"""`visreward.v1.RewardService`: the JSON wire in protocol buffers."""

import asyncio
from itertools import count

from visreward.protocol import Code
from visreward.protocol.proto import answer, request
from visreward.protocol.proto import reward_pb2 as pb
from visreward_service.access import Guard
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.grpc.call import Call, parse, stream_handler, unary_handler
from visreward_service.grpc.faults import to_error
from visreward_service.grpc.stubs import Context, Handler

SERVICE = "visreward.v1.RewardService"


class UnreadError(Exception):
    """The caller of a stream does not take its answers."""


class RewardService:
    """The methods of the service."""

    def __init__(
        self, engine: Engine, guard: Guard, *, stream_requests: int, stream_idle_seconds: float
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._stream_requests = stream_requests
        self._stream_idle_seconds = stream_idle_seconds

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by method name."""
        unary = {
            "Score": self.score,
            "MissingImages": self.missing_images,
            "PutImage": self.put_image,
            "GetLimits": self.get_limits,
        }
        metrics = self._engine.metrics
        handlers = {
            name: unary_handler(f"/{SERVICE}/{name}", method, metrics) for name, method in unary.items()
        }
        handlers["ScoreStream"] = stream_handler(f"/{SERVICE}/ScoreStream", self.score_stream, metrics)
        return handlers

    async def score(self, raw: bytes, call: Call) -> pb.ScoreResponse:
        """Score items with a recipe."""
        scored = await self._engine.score(
            lambda: self._document(parse(pb.ScoreRequest, raw), call),
            request_id=call.request_id,
            num_bytes=len(raw),
        )
        return await asyncio.to_thread(answer.to_message, scored)

    def _document(self, message: pb.ScoreRequest, call: Call) -> dict[str, object]:
        try:
            document = request.to_document(message)
        except ValueError as error:
            raise RequestFault(Code.INVALID_RECIPE, str(error), field="inline_recipe") from None
        deadline_ms = document.get("deadline_ms")
        if deadline_ms is None or deadline_ms > 0:
            document["deadline_ms"] = call.within(deadline_ms, self._engine.limits)
        self._guard.identify(call.authorization).permit_document(document)
        return document

    async def missing_images(self, raw: bytes, call: Call) -> pb.MissingImagesResponse:
        """Of the images asked about, list those that have to be sent."""
        del call
        asked = parse(pb.MissingImagesRequest, raw)
        return pb.MissingImagesResponse(digests=self._engine.missing_images(list(asked.digests)))

    async def put_image(self, raw: bytes, call: Call) -> pb.PutImageResponse:
        """Keep an image for later requests to name by its SHA-256."""
        del call
        image = parse(pb.PutImageRequest, raw).image
        await self._engine.keep_image(image.digest, image.data)
        return pb.PutImageResponse()

    async def get_limits(self, raw: bytes, call: Call) -> pb.GetLimitsResponse:
        """Show what one request may hold."""
        del call
        parse(pb.GetLimitsRequest, raw)
        return pb.GetLimitsResponse(limits=self._engine.limits.model_dump_json())

    async def score_stream(self, context: Context, call: Call) -> None:
        """Score requests as they come, a bounded number at a time, and answer each when it is ready.

        While that many are under way nothing is read, so that a caller who sends faster than it reads is held
        up by gRPC's flow control. One that does not read at all is given up, with all that it has asked.
        """
        free = asyncio.Semaphore(self._stream_requests)
        turn = asyncio.Lock()

        async def respond(index: int, message: pb.ScoreRequest, num_bytes: int) -> None:
            try:
                response = await self._outcome(index, message, num_bytes, call)
                await turn.acquire()
                await self._write(context, response.SerializeToString())
                turn.release()  # behind an answer that is not taken it is nobody's turn
            finally:
                free.release()

        refusal: RequestFault | None = None
        first: pb.ScoreRequest | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for index in count():
                    await free.acquire()
                    try:
                        raw = await self._read(context)
                        if raw is None:
                            break
                        message = await asyncio.to_thread(parse, pb.ScoreRequest, raw)
                    except RequestFault as fault:
                        refusal = fault
                        break
                    first = first or message
                    inherit(message, first)
                    await self._keep_images(message)
                    tasks.create_task(respond(index, message, len(raw)))
        except* UnreadError:
            told = f"an answer was not taken within {self._stream_idle_seconds:g} seconds"
            refusal = RequestFault(Code.DEADLINE_EXCEEDED, told)
        if refusal is not None:
            raise refusal

    async def _read(self, context: Context) -> bytes | None:
        try:
            async with asyncio.timeout(self._stream_idle_seconds):
                raw = await context.read()
        except TimeoutError:
            message = f"no request came within {self._stream_idle_seconds:g} seconds"
            raise RequestFault(Code.DEADLINE_EXCEEDED, message) from None
        return raw if isinstance(raw, bytes) else None

    async def _write(self, context: Context, raw: bytes) -> None:
        try:
            async with asyncio.timeout(self._stream_idle_seconds):
                await context.write(raw)
        except TimeoutError:
            raise UnreadError from None

    async def _keep_images(self, message: pb.ScoreRequest) -> None:
        """Store the images before the next request is read. What is wrong with one is said by its items."""
        for image in message.images:
            try:
                await self._engine.keep_image(image.digest, image.data)
            except RequestFault:
                continue

    async def _outcome(
        self, index: int, message: pb.ScoreRequest, num_bytes: int, call: Call
    ) -> pb.ScoreStreamResponse:
        request_id = f"{call.request_id}-{index}"
        try:
            if index:  # the first request was counted with the call
                self._guard.identify(call.authorization).spend()
            scored = await self._engine.score(
                lambda: self._document(message, call), request_id=request_id, num_bytes=num_bytes
            )
        except RequestFault as fault:
            return pb.ScoreStreamResponse(index=index, error=answer.to_error(to_error(fault, request_id)))
        return pb.ScoreStreamResponse(
            index=index, response=await asyncio.to_thread(answer.to_message, scored)
        )


def inherit(message: pb.ScoreRequest, first: pb.ScoreRequest) -> None:
    """Fill what a later request of a stream leaves out with what the first one said."""
    if message.WhichOneof("recipe_choice") is None:
        if first.HasField("recipe"):
            message.recipe = first.recipe
        if first.HasField("inline_recipe"):
            message.inline_recipe = first.inline_recipe
    if first.HasField("details") and not message.HasField("details"):
        message.details = first.details
    if first.HasField("deadline_ms") and not message.HasField("deadline_ms"):
        message.deadline_ms = first.deadline_ms
