"""TLS and mutual TLS on both ports, with real certificates."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from tests.service.access.certificates import Certificates, make_certificates
from tests.service.grpc.conftest import Service, serving
from tests.service.scenes_data import item
from visreward import AsyncRewardClient, RewardClient, Tls
from visreward.errors import ConnectionFailedError
from visreward.retry import NEVER
from visreward_service.access import TlsSettings
from visreward_service.certificates import read_certificates
from visreward_service.settings import SettingsError, load_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = "pebr-r1/stage2"
ITEM = {**item(1), "images": []}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mutual(certificates: Certificates) -> AsyncIterator[Service]:
    server = certificates.issue("server")
    tls = TlsSettings(certificate=server, key=server, client_ca=certificates.ca)
    async with serving(tls=tls) as service:
        yield service


def urls(service: Service) -> list[str]:
    return [f"https://{service.http}", f"grpcs://{service.grpc}"]


async def test_a_client_with_a_certificate_of_the_authority_gets_its_rewards_over_both(
    mutual: Service, certificates: Certificates
) -> None:
    tls = Tls(ca=certificates.ca, certificate=certificates.issue("client"))
    for url in urls(mutual):
        async with AsyncRewardClient(url=url, tls=tls, retry=NEVER) as client:
            assert (await client.score([ITEM], recipe=RULES)).rewards == [1.0]


async def test_the_blocking_client_does_as_well(mutual: Service, certificates: Certificates) -> None:
    import asyncio

    tls = Tls(ca=certificates.ca, certificate=certificates.issue("client"))

    def ask(url: str) -> list[float | None]:
        with RewardClient(url=url, tls=tls, retry=NEVER) as client:
            return client.score([ITEM], recipe=RULES).rewards

    assert [await asyncio.to_thread(ask, url) for url in urls(mutual)] == [[1.0], [1.0]]


@pytest.mark.parametrize("kind", ["none", "expired", "of another authority"])
async def test_a_client_without_a_good_certificate_is_not_let_in(
    mutual: Service, certificates: Certificates, kind: str
) -> None:
    shown = None
    if kind == "expired":
        shown = certificates.issue("expired", expired=True)
    if kind == "of another authority":
        shown = certificates.issue("foreign", by=trustme.CA(key_type=trustme.KeyType.ECDSA))
    for url in urls(mutual):
        tls = Tls(ca=certificates.ca, certificate=shown)
        async with AsyncRewardClient(url=url, tls=tls, retry=NEVER) as client:
            with pytest.raises(ConnectionFailedError):
                await client.limits()


async def test_a_client_does_not_speak_to_a_server_of_an_authority_it_does_not_know(
    mutual: Service, certificates: Certificates
) -> None:
    other = make_certificates(certificates.folder)
    file = certificates.folder / "other.pem"
    other.authority.cert_pem.write_to_path(str(file))
    for url in urls(mutual):
        tls = Tls(ca=file, certificate=certificates.issue("client"))
        async with AsyncRewardClient(url=url, tls=tls, retry=NEVER) as client:
            with pytest.raises(ConnectionFailedError):
                await client.limits()


async def test_a_plain_connection_to_an_encrypted_port_fails(mutual: Service) -> None:
    for url in (f"http://{mutual.http}", f"grpc://{mutual.grpc}"):
        async with AsyncRewardClient(url=url, retry=NEVER, timeout_seconds=5) as client:
            with pytest.raises(ConnectionFailedError):
                await client.limits()


async def test_a_server_with_an_expired_certificate_is_refused_by_clients(
    certificates: Certificates,
) -> None:
    expired = certificates.issue("expired-server", expired=True)
    async with serving(tls=TlsSettings(certificate=expired, key=expired)) as service:
        for url in urls(service):
            async with AsyncRewardClient(url=url, tls=Tls(ca=certificates.ca), retry=NEVER) as client:
                with pytest.raises(ConnectionFailedError):
                    await client.limits()


async def test_files_that_are_not_there_or_do_not_fit_stop_the_start(
    certificates: Certificates, tmp_path: Path
) -> None:
    one, other, junk = certificates.issue("one"), certificates.issue("other"), tmp_path / "junk.pem"
    junk.write_text("no certificate", encoding="utf-8")
    key = tmp_path / "key.pem"
    other_leaf = certificates.authority.issue_cert("localhost")
    other_leaf.private_key_pem.write_to_path(str(key))
    for tls in (TlsSettings(certificate=one, key=key), TlsSettings(certificate=junk, key=other)):
        with pytest.raises(SettingsError, match="is not the key of the certificate"):
            read_certificates(tls)
    with pytest.raises(SettingsError, match=r"tls\.client_ca: .*junk\.pem holds no certificates"):
        read_certificates(TlsSettings(certificate=one, key=one, client_ca=junk))
    file = tmp_path / "settings.toml"
    file.write_text('[tls]\ncertificate = "/nowhere/tls.crt"\nkey = "/nowhere/tls.key"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="certificate: there is no file"):
        load_settings(file)
