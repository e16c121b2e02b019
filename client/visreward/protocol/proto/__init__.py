"""The wire in protocol buffers: `reward.proto`, the code generated from it, and conversions to plain values.

Needs the extra `grpc`; nothing else in `visreward.protocol` imports it.
"""
