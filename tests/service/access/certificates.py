"""Real certificates, made for one test: an authority, a server's, clients', and an expired one."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import trustme

TODAY = dt.datetime.now(tz=dt.UTC)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM."""

    folder: Path
    authority: trustme.CA

    @property
    def ca(self) -> Path:
        file = self.folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(file))
        return file

    def issue(self, name: str, *, expired: bool = False, by: trustme.CA | None = None) -> Path:
        """Return a file with a key and a certificate for this machine."""
        leaf = (by or self.authority).issue_cert(
            "127.0.0.1", "localhost", not_after=TODAY - dt.timedelta(days=1) if expired else None
        )
        file = self.folder / f"{name}.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(str(file))
        return file


def make_certificates(folder: Path) -> Certificates:
    """Return a new authority that keeps its files in a folder."""
    return Certificates(folder, trustme.CA(key_type=trustme.KeyType.ECDSA))
