"""A renewed certificate is shown by both ports without a restart, and a broken one changes nothing."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.service.access.certificates import Certificates, make_certificates
from tests.service.access.test_tls import ITEM, RULES, urls
from tests.service.grpc.conftest import Service, serving
from visreward import AsyncRewardClient, Tls
from visreward.errors import ConnectionFailedError
from visreward.retry import NEVER
from visreward_service.access import TlsSettings

PORTS = ("http", "grpc")


@dataclass(frozen=True)
class Renewed:
    """A service whose certificate stands in `file`, and what its clients trust."""

    service: Service
    certificates: Certificates
    file: Path

    def replace(self) -> None:
        """Put a new key and certificate in the place of the old ones, as a Secret's mount does: at once."""
        self.certificates.issue("next").replace(self.file)

    async def shown(self) -> list[bytes | None]:
        """Return the certificate that each port shows to a new connection."""
        return [
            await certificate_at(place, self.certificates.ca)
            for place in (self.service.http, self.service.grpc)
        ]

    def counted(self, outcome: str) -> list[float | None]:
        """Return how often each port has had that outcome."""
        read = self.service.engine.metrics.registry.get_sample_value
        return [read("visreward_certificates_total", {"port": port, "outcome": outcome}) for port in PORTS]


@asynccontextmanager
async def renewable(folder: Path, *, mutual: bool = False) -> AsyncIterator[Renewed]:
    certificates = make_certificates(folder)
    file = certificates.issue("shown")
    tls = TlsSettings(certificate=file, key=file, client_ca=certificates.ca if mutual else None)
    async with serving(tls=tls) as service:
        yield Renewed(service, certificates, file)


async def certificate_at(place: str, ca: Path) -> bytes | None:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, _, port = place.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.close()


async def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_live_on(tmp_path: Path) -> None:
    async with renewable(tmp_path) as renewed:
        before = await renewed.shown()
        assert before[0] == before[1]
        tls = Tls(ca=renewed.certificates.ca)
        for url in urls(renewed.service):
            async with AsyncRewardClient(url=url, tls=tls, retry=NEVER) as client:
                await client.limits()
                renewed.replace()
                assert (await client.score([ITEM], recipe=RULES)).rewards == [1.0]
        after = await renewed.shown()
        assert after[0] == after[1]
        assert after[0] != before[0]
        assert await renewed.shown() == after
        assert all(count and count >= 1 for count in renewed.counted("renewed"))
        assert renewed.counted("refused") == [0, 0]


@pytest.mark.parametrize("broken", ["junk", "a certificate without its key", "gone"])
async def test_files_that_cannot_be_used_leave_the_old_certificate_shown(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="visreward_service.certificates")
    async with renewable(tmp_path) as renewed:
        before = await renewed.shown()
        if broken == "junk":
            renewed.file.write_text("no certificate", encoding="utf-8")
        elif broken == "gone":
            renewed.file.unlink()
        else:
            issued = renewed.certificates.authority.issue_cert("127.0.0.1")
            issued.cert_chain_pems[0].write_to_path(str(renewed.file))
        for _ in range(2):
            assert await renewed.shown() == before
        assert renewed.counted("refused") == [1, 1]
        refusals = [record for record in caplog.records if record.message == "certificate refused"]
        assert [vars(record)["port"] for record in refusals] == list(PORTS)
        assert all("is not the key of the certificate" in vars(record)["reason"] for record in refusals)
        renewed.replace()
        after = await renewed.shown()
        assert after[0] == after[1]
        assert after[0] != before[0]
        assert renewed.counted("renewed") == [1, 1]


async def test_renewed_roots_decide_which_clients_are_let_in(tmp_path: Path) -> None:
    async with renewable(tmp_path, mutual=True) as renewed:
        server_ca, known = tmp_path / "server-ca.pem", renewed.certificates.issue("known")
        server_ca.write_bytes(renewed.certificates.ca.read_bytes())
        other = trustme.CA(key_type=trustme.KeyType.ECDSA)
        foreign = renewed.certificates.issue("foreign", by=other)

        async def let_in(certificate: Path) -> list[bool]:
            found = []
            for url in urls(renewed.service):
                tls = Tls(ca=server_ca, certificate=certificate)
                async with AsyncRewardClient(url=url, tls=tls, retry=NEVER) as client:
                    try:
                        await client.limits()
                    except ConnectionFailedError:
                        found.append(False)
                    else:
                        found.append(True)
            return found

        assert (await let_in(known), await let_in(foreign)) == ([True, True], [False, False])
        other.cert_pem.write_to_path(str(renewed.certificates.folder / "ca.pem"))
        assert (await let_in(known), await let_in(foreign)) == ([False, False], [True, True])
