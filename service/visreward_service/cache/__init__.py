"""Embeddings that were computed before, by content: in memory, and in Redis for replicas to share."""

from visreward_service.cache.memory import MemoryCache
from visreward_service.cache.shared import SharedCache
from visreward_service.cache.tiers import Tiers

__all__ = ["MemoryCache", "SharedCache", "Tiers"]
