"""What every answer tells a browser: guess no type, keep nothing, show it in no frame."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, encrypted: bool, shared: bool) -> None:
        """`encrypted`: the service speaks TLS itself. `shared`: pages of other origins may ask it."""
        self._app = app
        headers = {**HEADERS, **(ENCRYPTED if encrypted else {}), **(CROSS_ORIGIN if shared else {})}
        self._headers = _encode(headers)
        self._page_headers = _encode({**headers, "content-security-policy": PAGE_POLICY})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                present = dict(own)
                is_page = present.get(b"content-type", b"").startswith(b"text/html")
                more = self._page_headers if is_page else self._headers
                message["headers"] = own + [pair for pair in more if pair[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
