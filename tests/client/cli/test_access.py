"""The program's way to a service that asks for keys and certificates."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.small_service import SmallService, running_service
from tests.service.access.certificates import Certificates, make_certificates
from visreward.cli.program import run_program

SCORE = ["score", "--recipe", "lengths", "--completion", "four", "--timeout", "5"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def service(certificates: Certificates) -> Iterator[SmallService]:
    """A service that lets in clients with a certificate of the authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.issue("server"))
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    with running_service(context) as service:
        yield service


def test_certificates_and_key_are_named_as_files(
    service: SmallService, certificates: Certificates, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("vr_abc\n", encoding="utf-8")
    shown = certificates.issue("client")
    options = ["--url", service.url, "--ca", str(certificates.ca), "--certificate", str(shown)]
    for more in ([], ["--key", str(shown)]):
        assert run_program([*SCORE, *options, *more, "--api-key-file", str(key)]) == 0
        assert "4.0000" in capsys.readouterr().out
    sent = {name.lower(): value for name, value in service.scored[-1].headers.items()}
    assert sent["authorization"] == "Bearer vr_abc"


@pytest.mark.slow
def test_without_them_nobody_is_reached(
    service: SmallService, certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ([], ["--ca", str(certificates.ca)]):
        assert run_program([*SCORE, "--url", service.url, *options]) == 2
        assert "visreward score: " in capsys.readouterr().err
    assert service.scored == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ca", "nowhere.pem"], "--ca: there is no file nowhere.pem."),
        (["--key", "KEY"], "--key is the private key of --certificate, which is missing."),
        (["--ca", "EMPTY"], "The certificates cannot be used: "),
        (["--api-key-file", "EMPTY"], "There is no key in "),
        (["--api-key-file", "nowhere"], "nowhere: No such file or directory"),
    ],
)
def test_files_that_cannot_be_used_are_said_to_be_so(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KEY", "EMPTY"):
        (tmp_path / name).write_text("\n", encoding="utf-8")
    named = [str(tmp_path / option) if option.isupper() else option for option in options]
    assert run_program([*SCORE, "--url", "https://127.0.0.1:9", *named]) == 2
    assert said in capsys.readouterr().err
