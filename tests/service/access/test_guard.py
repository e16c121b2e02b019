"""Keys, rates and allow-lists, without a transport."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from visreward.protocol import Code
from visreward_service.access import Guard, KeySettings, hash_key, new_key
from visreward_service.engine.faults import RequestFault
from visreward_service.settings import load_settings

PROGRAM = Path(sys.executable).parent / "visreward"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def guard_of(clock: Clock | None = None, **changes: Any) -> tuple[Guard, str]:
    key = new_key()
    settings = {"lab": KeySettings(hash=hash_key(key), **changes)}
    return Guard(settings, clock=clock or Clock()), f"Bearer {key}"


def test_a_key_is_known_by_its_hash_alone() -> None:
    guard, shown = guard_of()
    assert guard.identify(shown).name == "lab"
    assert shown.removeprefix("Bearer ") not in repr(guard.__dict__)


def test_several_keys_are_told_apart() -> None:
    keys = {name: new_key() for name in ("first", "second", "third")}
    guard = Guard({name: KeySettings(hash=hash_key(key)) for name, key in keys.items()})
    assert [guard.identify(f"bearer {key}").name for key in keys.values()] == list(keys)


@pytest.mark.parametrize("pair", [":{}", "anybody:{}", "{}:", "{}"])
def test_a_key_may_come_as_the_password_of_a_url_or_as_its_user(pair: str) -> None:
    guard, shown = guard_of()
    given = pair.format(shown.removeprefix("Bearer "))
    for scheme in ("Basic", "basic"):
        header = f"{scheme} {base64.b64encode(given.encode()).decode()}"
        assert guard.identify(header).name == "lab"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer ",
        "Bearer wrong",
        "Basic dXNlcjpwYXNz",
        "Basic",
        "Basic Og==",
        "Basic no base64",
        "Basic \u043a\u043b\u044e\u0447",
        "Basic //8=",
        "Digest vr_key",
        "Bearer " + "x" * 100_000,
        "Bearer \udcff",
        "Bearer ключ",
        "vr_without_a_scheme",
    ],
)
def test_what_is_no_key_is_refused_as_unauthenticated(header: str | None) -> None:
    guard, _ = guard_of()
    with pytest.raises(RequestFault) as caught:
        guard.identify(header)
    assert caught.value.code == Code.UNAUTHENTICATED


def test_the_hash_itself_is_no_key() -> None:
    guard, shown = guard_of()
    stolen = hash_key(shown.removeprefix("Bearer "))
    with pytest.raises(RequestFault):
        guard.identify(f"Bearer {stolen}")


def test_without_keys_everybody_is_let_in() -> None:
    caller = Guard({}).identify(None)
    caller.spend()
    caller.permit("anything")


def test_a_rate_is_a_minutes_requests_and_says_when_to_come_back() -> None:
    clock = Clock()
    guard, shown = guard_of(clock, requests_per_minute=3)
    for _ in range(3):
        guard.identify(shown).spend()
    with pytest.raises(RequestFault) as caught:
        guard.identify(shown).spend()
    assert caught.value.code == Code.RATE_LIMITED
    assert caught.value.retry_after_seconds == pytest.approx(20)
    clock.now += 20.001
    guard.identify(shown).spend()
    with pytest.raises(RequestFault):
        guard.identify(shown).spend()
    clock.now += 3600
    for _ in range(3):
        guard.identify(shown).spend()
    with pytest.raises(RequestFault):
        guard.identify(shown).spend()


def test_an_allow_list_names_recipes_patterns_inline_ones_and_encoders() -> None:
    guard, shown = guard_of(recipes=("pebr-r1/*", "clipscore"))
    caller = guard.identify(shown)
    for allowed in ("pebr-r1/stage1", "clipscore"):
        assert caller.permit_document({"recipe": allowed}) == {"recipe": allowed}
    for refused in ({"recipe": "clipscore2"}, {"recipe": "PEBR-R1/stage1"}, {"terms": {}, "reward": "x"}, {}):
        with pytest.raises(RequestFault) as caught:
            caller.permit_document(refused)
        assert caught.value.code == Code.FORBIDDEN
    with pytest.raises(RequestFault):
        caller.permit("encoder.fgclip")
    open_guard, shown = guard_of(recipes=("inline", "encoder.*"))
    open_guard.identify(shown).permit("encoder.fgclip")
    open_guard.identify(shown).permit_document({"terms": {}, "reward": "x"})


def test_an_empty_allow_list_allows_nothing() -> None:
    guard, shown = guard_of(recipes=())
    with pytest.raises(RequestFault):
        guard.identify(shown).permit("clipscore")


@pytest.mark.parametrize("wrong", ["secret", "sha256:abc", "sha256:" + "G" * 64, "md5:" + "0" * 64])
def test_a_key_in_plain_text_is_refused_in_the_settings(wrong: str) -> None:
    with pytest.raises(ValidationError, match="visreward keys new"):
        KeySettings(hash=wrong)


def test_the_command_prints_a_key_and_the_settings_that_know_it(tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM, "keys", "new", "lab"], capture_output=True, text=True, check=True)
    (key,) = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("vr_")]
    file = tmp_path / "settings.toml"
    file.write_text(done.stdout[done.stdout.index("[keys.lab]") :], encoding="utf-8")
    assert Guard(load_settings(file).keys).identify(f"Bearer {key}").name == "lab"


def test_a_key_comes_from_a_variable_as_a_secret_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    monkeypatch.setenv("VISREWARD_KEYS__LAB__HASH", hash_key(key))
    monkeypatch.setenv("VISREWARD_KEYS__LAB__RECIPES", '["clipscore"]')
    monkeypatch.setenv("VISREWARD_API_KEY", "the client's, and none of the service's")
    settings = load_settings()
    assert settings.keys["lab"] == KeySettings(hash=hash_key(key), recipes=("clipscore",))
