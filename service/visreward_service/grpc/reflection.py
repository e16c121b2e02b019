"""What `grpcurl` and its kin ask a server: which services there are, and how their messages look."""

from collections.abc import Iterable

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from visreward.protocol.proto import reward_pb2
from visreward_service.grpc.proto import inference_pb2

FILES: tuple[FileDescriptor, ...] = (
    reward_pb2.DESCRIPTOR,
    inference_pb2.DESCRIPTOR,
    health_pb2.DESCRIPTOR,
    reflection_pb2.DESCRIPTOR,
)


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Let callers list the services and read their descriptors, which live in several pools here."""
    pool = DescriptorPool()
    for file in FILES:
        pool.AddSerializedFile(file.serialized_pb)
    reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server, pool=pool)
