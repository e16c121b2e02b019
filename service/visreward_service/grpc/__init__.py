"""gRPC: translates to and from the engine, and holds no logic."""

from visreward_service.grpc.server import GrpcServer, serve_beside

__all__ = ["GrpcServer", "serve_beside"]
