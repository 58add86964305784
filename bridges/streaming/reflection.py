"""gRPC reflection needs a token, because it shows what could be attacked. Health checks need none, for probes."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from bridges.streaming.authentication import Authenticator
from bridges.streaming.grpc_service import admitted

PREFIX = "/grpc.reflection."


class AuthenticatedReflection(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # is no generic class at run time
    """Asks for a token before reflection answers."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Every call comes by here; only reflection is stopped."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(PREFIX):
            return handler

        async def answer(requests: Any, context: Any) -> Any:
            await admitted(self._authenticator.look, context)
            async for each in handler.stream_stream(requests, context):
                yield each

        return grpc.stream_stream_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)
