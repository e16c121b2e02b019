"""Who may ask, how often and for what. Knows no transport: `rest` and `grpc` hand over the key they get."""

from visreward_service.access.guard import ANYONE, Caller, Guard, find_idle_patterns
from visreward_service.access.keys import hash_key, new_key
from visreward_service.access.settings import CorsSettings, KeySettings, TlsSettings

__all__ = [
    "ANYONE",
    "Caller",
    "CorsSettings",
    "Guard",
    "KeySettings",
    "TlsSettings",
    "find_idle_patterns",
    "hash_key",
    "new_key",
]
