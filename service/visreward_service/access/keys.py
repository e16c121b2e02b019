"""Keys: 256 random bits that a client shows, of which the settings hold a hash.

A plain SHA-256 is enough: nobody can search 2^256 keys for one with a given hash. It would not be for a
password, which is why a key is always made here and never chosen.
"""

import hashlib
import re
import secrets

PREFIX = "vr_"
"""By which people and scanners for leaked secrets recognise a key."""
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def new_key() -> str:
    """Return a new key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return what the settings hold of a key."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
