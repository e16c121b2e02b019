"""Admit, plan, do, combine: from a decoded request to its answer. Knows no HTTP, no gRPC and no torch."""
