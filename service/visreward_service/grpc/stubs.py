"""gRPC's types for calls of bytes. They take parameters in the stubs and not at run time."""

from typing import TYPE_CHECKING, TypeAlias

import grpc

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]
    Handler: TypeAlias = grpc.RpcMethodHandler[bytes, bytes]
else:
    Context = grpc.aio.ServicerContext
    Handler = grpc.RpcMethodHandler
