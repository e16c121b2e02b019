"""How a client shows who it is: a key in a header, a certificate in TLS. Sends nothing."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc

KEY_VARIABLE = "VISREWARD_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Certificates of `https://` and `grpcs://`. Without any the servers' are checked as everybody's are."""

    ca: str | Path | None = None
    """Roots in PEM, in the place of the system's: those of a service with certificates of its own."""
    certificate: str | Path | None = None
    """The client's own certificate in PEM, for a service that asks for one."""
    key: str | Path | None = None
    """The certificate's private key in PEM; None where it stands in the same file."""

    def __post_init__(self) -> None:
        if self.key is not None and self.certificate is None:
            raise ValueError("a key in Tls needs its certificate")

    def context(self) -> ssl.SSLContext:
        """Return the settings for HTTP. Raise OSError for a file that is missing or wrong."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def credentials(self) -> "grpc.ChannelCredentials":
        """Return the settings for gRPC. Raise OSError for a file that is not there."""
        import grpc

        certificate, key = self.certificate, self.key or self.certificate
        return grpc.ssl_channel_credentials(
            root_certificates=None if self.ca is None else Path(self.ca).read_bytes(),
            private_key=None if key is None else Path(key).read_bytes(),
            certificate_chain=None if certificate is None else Path(certificate).read_bytes(),
        )


def authorized(headers: Mapping[str, str] | None, api_key: str | None) -> dict[str, str]:
    """Return the headers with the key: the argument's, else that of `VISREWARD_API_KEY`, else none.

    Raise ValueError for a key that cannot stand in a header; the message does not hold it.
    """
    found = dict(headers or {})
    key = api_key or os.environ.get(KEY_VARIABLE)
    if not key or "authorization" in {name.lower() for name in found}:
        return found
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("the API key holds characters that no key has; is there a line break at its end?")
    return {**found, "authorization": f"Bearer {key}"}
