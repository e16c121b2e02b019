"""What every answer tells a browser: guess no type, keep nothing, show it in no frame."""

from collections.abc import Mapping

Header = tuple[bytes, bytes]

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""An answer that sets one of these itself keeps its own: a page needs another policy than JSON."""
ENCRYPTED = {"strict-transport-security": "max-age=31536000"}
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
CROSS_ORIGIN = {"cross-origin-resource-policy": "cross-origin"}


class SecurityHeaders:
    """The headers that answers of a service get."""

    def __init__(self, *, encrypted: bool, shared: bool) -> None:
        """`encrypted`: the service speaks TLS itself. `shared`: pages of other origins may ask it."""
        headers = {**HEADERS, **(ENCRYPTED if encrypted else {}), **(CROSS_ORIGIN if shared else {})}
        self._headers = _encode(headers)
        self._names = frozenset(name for name, _ in self._headers)
        self._page_headers = _encode({**headers, "content-security-policy": PAGE_POLICY})

    def missing(self, own: Mapping[bytes, bytes]) -> list[Header]:
        """Return those that an answer does not have of itself, by its own headers."""
        is_page = own.get(b"content-type", b"").startswith(b"text/html")
        headers = self._page_headers if is_page else self._headers
        if self._names.isdisjoint(own):
            return headers
        return [pair for pair in headers if pair[0] not in own]


def _encode(headers: Mapping[str, str]) -> list[Header]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
