"""What an operator sets of access: keys, certificates, origins. Reads no file."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from visreward_service.access.keys import HASH

Count = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeySettings(_Table):
    """One `[keys.NAME]` table. With any of them, whoever shows no key is refused."""

    hash: str
    """`sha256:` and 64 hexadecimal digits, as `visreward keys new` prints them."""
    requests_per_minute: Count | None = None
    """None for as many as the queue takes."""
    recipes: tuple[str, ...] | None = None
    """Recipes that it may use, `*` standing for anything; also `inline`, and `encoder.NAME` for embeddings.
    None for all of them."""

    @field_validator("hash")
    @classmethod
    def _is_hash(cls, value: str) -> str:
        if not HASH.fullmatch(value):
            raise ValueError("must be sha256: and 64 hexadecimal digits; `visreward keys new` makes a key")
        return value


class TlsSettings(_Table):
    """The table `[tls]`: HTTP and gRPC are encrypted, each on its own port."""

    certificate: Path
    """The server's certificate and those between it and a root, in PEM."""
    key: Path
    """The certificate's private key, in PEM."""
    client_ca: Path | None = None
    """Roots in PEM: only clients with a certificate of theirs are let in (mutual TLS)."""

    @model_validator(mode="after")
    def _are_files(self) -> "TlsSettings":
        for name in ("certificate", "key", "client_ca"):
            file = getattr(self, name)
            if file is not None and not file.is_file():
                raise ValueError(f"{name}: there is no file {file}")
        return self


class CorsSettings(_Table):
    """The table `[cors]`: pages of which other origins may ask. None, unless they are named."""

    origins: tuple[str, ...] = ()
    """Such as `https://lab.example`: scheme, host and port, without a path."""

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or set(host) & set("/*?# "):
                raise ValueError(f"{origin!r} is no origin: write https://host or https://host:port")
        return origins
