"""The Open Inference Protocol (KServe v2): every recipe and every encoder as a model.

What the models are and how tensors are checked stands here once for both transports; `http` adds the routes,
and `visreward_service.grpc.inference` the gRPC methods.
"""

from visreward_service.oip.http import error_response, install

__all__ = ["error_response", "install"]
