"""Peers: other people's ways to the same scores, each in its own environment, on the same checkpoint."""
