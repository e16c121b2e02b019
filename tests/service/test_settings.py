"""Settings: a file, variables over it, and names that are checked."""

import os
from pathlib import Path

import pytest

from visreward_service.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("VISREWARD_")]:
        monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_defaults_bundle_one_model_and_stay_on_this_machine() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.models["fgclip"].source == "bundled:scenes-fgclip"


def test_a_file_sets_tables_and_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    file = write(
        tmp_path, 'port = 9000\n[limits]\nmax_items = 10\n[models.clip]\nkind = "clip"\nsource = "here"\n'
    )
    settings = load_settings(file)
    assert settings.port == 9000
    assert settings.limits.max_items == 10
    assert settings.limits.max_images == 1024
    assert set(settings.models) == {"clip"}


def test_a_variable_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISREWARD_PORT", "9001")
    monkeypatch.setenv("VISREWARD_LIMITS__MAX_ITEMS", "11")
    settings = load_settings(write(tmp_path, "port = 9000\n[limits]\nmax_images = 5\n"))
    assert (settings.port, settings.limits.max_items, settings.limits.max_images) == (9001, 11, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "prot: no such setting; nearest: port"),
        ("[limits]\nmax_itms = 1", "limits.max_itms: no such setting; nearest: max_items"),
        ("[limits]\nmax_items = 0", "limits.max_items"),
        ('[models.a]\nkind = "clip"\nsoruce = "x"', "nearest: source"),
        ('port = "many"', "port"),
        ("port = ", "not valid TOML"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_an_unknown_variable_stops_the_start_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISREWARD_PROT", "1")
    with pytest.raises(SettingsError, match="VISREWARD_PROT: no such setting; nearest: port"):
        load_settings()


def test_the_clients_variables_are_not_the_services_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISREWARD_URL", "http://elsewhere")
    load_settings()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
