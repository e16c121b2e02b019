"""The certificate that a port shows, read anew when its files change. Knows neither HTTP nor gRPC."""

import logging
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from visreward_service.access import TlsSettings
from visreward_service.metrics import Metrics
from visreward_service.settings import SettingsError

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What one reading of the files gave: files that belong together."""

    context: ssl.SSLContext
    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


class Certificates:
    """The files of `[tls]`: what was good in them last.

    A renewal is looked for when a client connects, which costs a look at the files' dates. Files that cannot
    be used, such as a certificate without its key, change nothing: what was shown before is shown on, the log
    says why, and `visreward_certificates_total` counts it. Threads may share it.
    """

    def __init__(self, tls: TlsSettings, metrics: Metrics, *, port: str) -> None:
        """`port` is what metrics and log call the port. Raises `SettingsError` where the files do not fit."""
        self._tls = tls
        self._metrics = metrics
        self._port = port
        self._lock = threading.Lock()
        self._seen = _stamp(tls)
        self._shown = read_certificates(tls)

    def renewed(self) -> Shown:
        """Return what is to be shown now."""
        with self._lock:
            seen = _stamp(self._tls)
            if seen != self._seen:
                self._read(seen)
            return self._shown

    def _read(self, seen: Stamp) -> None:
        found, reason = None, ""
        try:
            found = read_certificates(self._tls)
        except SettingsError as error:
            reason = str(error)
        if _stamp(self._tls) != seen:
            return  # written to meanwhile: the next client's turn
        self._seen = seen
        if found is None:
            self._count("refused")
            log.warning("certificate refused", extra={"port": self._port, "reason": reason})
        else:
            self._shown = found
            self._count("renewed")
            log.info("certificate renewed", extra={"port": self._port})

    def _count(self, outcome: str) -> None:
        self._metrics.certificates.labels(self._port, outcome).inc()


def read_certificates(tls: TlsSettings) -> Shown:
    """Read the files of `[tls]`; TLS 1.2 at least. Raises `SettingsError` where they do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password to give, a key that has one is refused and not asked about on a terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
        certificate, key = tls.certificate.read_bytes(), tls.key.read_bytes()
    except (ssl.SSLError, OSError) as error:
        message = f"tls: {tls.key} is not the key of the certificate in {tls.certificate} ({_reason(error)})"
        raise SettingsError(message) from None
    client_ca = None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
            client_ca = tls.client_ca.read_bytes()
        except (ssl.SSLError, OSError) as error:
            message = f"tls.client_ca: {tls.client_ca} holds no certificates ({_reason(error)})"
            raise SettingsError(message) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return Shown(context, certificate, key, client_ca)


def _reason(error: OSError) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or type(error).__name__


def _stamp(tls: TlsSettings) -> Stamp:
    files = (tls.certificate, tls.key, tls.client_ca)
    return tuple(_stamp_of(file) for file in files if file is not None)


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file: a Secret is renewed by a link to another one."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
