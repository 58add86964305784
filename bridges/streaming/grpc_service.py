"""The gRPC service chat4all.v1.Chat: Send, Stream, Acknowledge. Stream sends bytes that were serialised once, before."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

import grpc
import msgspec

from bridges.streaming.authentication import CLOSED, Authenticator, MustEnd, NotAdmitted, WorkspaceClosed
from bridges.streaming.cursor import Cursor
from bridges.streaming.frames import Frame
from bridges.streaming.sessions import Closing, CutOff, NotAllowed, Sessions, left
from bridges.streaming.stream_metrics import Streams
from bridges.streaming.times import TIMES
from chat4all.model.content import Text
from chat4all.model.content_proto import as_shown
from chat4all.model.drafts import Draft, MediaDraft, Refused, Sendable, WrongPayload, read_payload
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.messages import INTERNAL
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.access.rate_limits import TooMany
from chat4all.telemetry import metrics, trace_context, tracing
from chat4all.v1 import chat_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["Chat"].full_name
CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}

# By the code of what ends a stream, where that is not for want of a good token.
ENDS = {"unavailable": grpc.StatusCode.UNAVAILABLE} | dict.fromkeys(CLOSED, grpc.StatusCode.PERMISSION_DENIED)

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]


class Chat:
    """The methods of the service. `log` is the identity of the log that cursors belong to; `pool` is for what blocks."""

    def __init__(
        self,
        acceptors: Acceptors,
        sessions: Sessions,
        authenticator: Authenticator,
        log: str,
        pool: Executor,
        write_s: float = TIMES.write_s,
    ) -> None:
        self._acceptors, self._write_s = acceptors, write_s
        self._sessions = sessions
        self._authenticator = authenticator
        self._log = log
        self._pool = pool
        self._streams = Streams("grpc")

    def handler(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """The handler to register with a server."""
        one = grpc.unary_unary_rpc_method_handler
        methods = {
            "Send": one(self.send, pb.SendRequest.FromString, pb.SendResponse.SerializeToString),
            "Acknowledge": one(self.acknowledge, pb.AcknowledgeRequest.FromString, pb.AcknowledgeResponse.SerializeToString),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream, pb.StreamRequest.FromString, None),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def send(self, request: pb.SendRequest, context: Context) -> pb.SendResponse:
        """Accept a message: the same rules as POST /v1/messages."""
        authenticated = await admitted(self._authenticator.call, context)
        try:
            draft = draft_of(request, _metadata(context).get("idempotency-key"))
        except ValueError as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "invalid", str(error))
        headers = _trace(context)
        acceptor = self._acceptors.of(authenticated.caller.workspace)
        [answer] = await self._off_loop(lambda: acceptor.accept(authenticated.caller, [draft], headers))
        if isinstance(answer, Refused):
            await _refuse(context, answer)
        return pb.SendResponse(message_id=answer.message_id, conversation_id=answer.conversation_id, status=answer.status)

    async def acknowledge(self, request: pb.AcknowledgeRequest, context: Context) -> pb.AcknowledgeResponse:
        """Note how far the caller has come in a conversation."""
        authenticated = await admitted(self._authenticator.call, context)
        chosen = (request.conversation_id, request.kind, request.up_to)
        headers = _trace(context)
        acceptor = self._acceptors.of(authenticated.caller.workspace)
        refused = await self._off_loop(lambda: acceptor.acknowledge(authenticated.caller, *chosen, headers))
        if refused:
            await _refuse(context, refused)
        return pb.AcknowledgeResponse()

    async def stream(self, request: pb.StreamRequest, context: Context) -> None:
        """The caller's events from the cursor on, until either side goes or the token ends."""
        authenticated = await admitted(self._authenticator.stream, context)
        try:
            frames = self._sessions.of(authenticated.caller, Cursor.decode(request.cursor, self._log), request.all)
        except ValueError as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "bad_cursor", str(error))
        except NotAllowed as error:
            metrics.REQUESTS_REFUSED.of_reason("scope_needed").add()
            await _abort(context, grpc.StatusCode.PERMISSION_DENIED, "scope_needed", str(error))
        try:
            with self._streams.one():
                async with self._authenticator.hold(authenticated):
                    await self._stream(frames, context)
        except MustEnd as end:
            self._streams.cut_off(end.code)
            await _abort(context, ENDS.get(end.code, grpc.StatusCode.UNAUTHENTICATED), end.code, str(end))
        except CutOff:
            self._streams.cut_off("too_slow")
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "too_slow", "resume with the last cursor")
        except (Closing, Temporary):
            self._streams.cut_off("unavailable")
            await _abort(context, grpc.StatusCode.UNAVAILABLE, "unavailable", "resume with the last cursor")

    async def _stream(self, begun: AsyncGenerator[Frame], context: Context) -> None:
        async with aclosing(begun) as frames:
            async for frame in frames:
                encoded = frame.encoded()
                try:
                    async with asyncio.timeout(self._write_s) as limit:
                        await context.write(encoded)
                    self._streams.sent(len(frame.events))
                except TimeoutError:
                    if limit.expired():
                        raise CutOff from None
                    raise
                except grpc.aio.InternalError:
                    # The reader went away while we wrote: there is nobody to tell.
                    return
                left(frame, "grpc")

    async def _off_loop(self, blocking: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, blocking)


async def admitted(ask: Callable[[str], Awaitable[T]], context: Context) -> T:
    """What the authenticator answers to the call's authorization; else the call ends."""
    try:
        return await ask(_metadata(context).get("authorization", ""))
    except WorkspaceClosed as error:
        metrics.REQUESTS_REFUSED.of_reason(error.code).add()
        await _abort(context, grpc.StatusCode.PERMISSION_DENIED, error.code, str(error))
    except NotAdmitted as error:
        metrics.REQUESTS_REFUSED.of_reason(error.code).add()
        await _abort(context, grpc.StatusCode.UNAUTHENTICATED, error.code, str(error))
    except TooMany as error:
        metrics.REQUESTS_REFUSED.of_reason("rate_limited").add()
        extra = {"retry-after": str(error.retry_after)}
        await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limited", str(error), extra)
    except (Temporary, Unknown) as error:
        metrics.REQUESTS_REFUSED.of_reason("unavailable").add()
        await _abort(context, grpc.StatusCode.UNAVAILABLE, "unavailable", error.reason)


def _metadata(context: Context) -> dict[str, str]:
    return {str(name): str(value) for name, value in context.invocation_metadata() or ()}


def draft_of(request: pb.SendRequest, key: str | None = None) -> Draft:
    """The draft that a SendRequest is, said under this Idempotency-Key.

    ValueError when its metadata is no JSON object, or its content is nothing to be sent.
    """
    try:
        metadata = msgspec.json.decode(request.metadata_json or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("metadata_json: a JSON object is needed") from None
    return Draft(
        payload=_payload(request),
        message_id=request.message_id or None,
        conversation_id=request.conversation_id or None,
        to=list(request.to) or None,
        sender=getattr(request, "from") or None,
        channels=list(request.channels) or None,
        metadata=metadata,
        key=key,
        reply_to=request.reply_to,
        adapt=request.adapt if request.HasField("adapt") else True,
        visibility=_visibility(request.visibility),
        via=request.via,
        send_at=request.send_at_ms,
    )


def _visibility(given: str) -> str:
    if given not in ("", "all", INTERNAL):
        raise ValueError("visibility: all or internal")
    return INTERNAL if given == INTERNAL else ""


def _payload(request: pb.SendRequest) -> Sendable:
    if not request.HasField("content"):
        return MediaDraft(request.file_id, request.text) if request.file_id else Text(request.text)
    if request.text or request.file_id:
        raise ValueError("content: in place of text and file_id, not beside them")
    try:
        return read_payload(as_shown(request.content))
    except WrongPayload as wrong:
        raise ValueError(f"{'.'.join(filter(None, ('payload', wrong.field)))}: {wrong.detail}") from None


def _trace(context: Context) -> dict[str, str]:
    """The trace context of this call. Taken on the loop: the threads of the pool know nothing of it."""
    return tracing.request_headers(_metadata(context).get(trace_context.HEADER, ""))


async def _refuse(context: Context, refused: Refused) -> NoReturn:
    metrics.REQUESTS_REFUSED.of_reason(refused.code).add()
    details = f"{refused.field}: {refused.detail}" if refused.field else refused.detail
    extra = {"message-id": refused.message_id, "retry-after": str(refused.retry_after or "")}
    await _abort(context, CODES.get(refused.status, grpc.StatusCode.INVALID_ARGUMENT), refused.code, details, extra)


async def _abort(
    context: Context, status: grpc.StatusCode, code: str, detail: str, extra: dict[str, str] | None = None
) -> NoReturn:
    """End the call. The trailing metadata `code` has the same stable code as the REST API's problems."""
    trailing = {"code": code, **(extra or {})}
    await context.abort(status, detail, tuple((name, value) for name, value in trailing.items() if value))
    raise AssertionError("abort returned")
