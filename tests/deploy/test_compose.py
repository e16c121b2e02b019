"""docker-compose.yml: what it starts, how little each container may do, and that its parts fit together."""

import re
from argparse import ArgumentParser
from typing import Any

import pytest

from tests.deploy.files import (
    MONITORING,
    ROOT,
    compose,
    find_tool,
    image_environment,
    read_yaml,
    run_tool,
    settings_in,
)
from visreward_service.settings import Settings
from visreward_trainer.commands.options import read_overrides
from visreward_trainer.commands.train import COMMAND as TRAIN
from visreward_trainer.config import TrainConfig
from visreward_trainer.config_file import load_config

SERVICES = (
    "visreward", "visreward-gpu", "visreward-triton", "triton", "trainer", "vllm",
    "redis", "prometheus", "grafana",
)  # fmt: skip
OURS = ("visreward", "visreward-gpu", "visreward-triton")
BUILT = (*OURS, "trainer")
PROFILES = {
    "visreward-gpu": ["gpu"],
    "visreward-triton": ["triton"],
    "triton": ["triton"],
    "trainer": ["trainer"],
    "vllm": ["trainer"],
}
TAGGED_HERE = {
    "triton": r"\$\{TRITON_IMAGE:-tritonserver:\d+\.\d+-py3\}",
    "vllm": r"\$\{VLLM_IMAGE:-vllm:\d+\.\d+\.\d+\}",
}
"""Images of others under a name of this machine."""


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def test_the_services_are_those_that_are_tested_here() -> None:
    assert set(compose()["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_change_nothing_but_its_volumes(name: str) -> None:
    one = service(name)
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & set(one)
    for mount in binds(one):
        assert mount.endswith(":ro"), mount


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_bounds_and_a_health_check(name: str) -> None:
    one = service(name)
    assert re.fullmatch(r"\d+g", one["mem_limit"])
    assert one["pids_limit"] > 0
    # The image of the service brings its own, and a run of the trainer ends by itself.
    assert name in BUILT or "healthcheck" in one


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_release(name: str) -> None:
    image = service(name)["image"]
    if name in BUILT:
        assert service(name)["build"]["target"] == image.split(":")[1]
    elif name in TAGGED_HERE:
        assert re.fullmatch(TAGGED_HERE[name], image)
        image = name
    else:
        assert re.search(r":v?\d+\.\d+\.\d+(-\w+)?$", image)
    assert "." not in image.split("/")[0].split(":")[0], "the image names a registry"


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_file_is_there(name: str) -> None:
    for mount in binds(service(name)):
        if mount.startswith(("./triton-repository:", "./data:")):
            continue  # what `visreward export` writes, and what a run trains on
        assert (ROOT / mount.split(":")[0]).exists(), mount


@pytest.mark.parametrize("name", OURS)
def test_the_service_starts_with_valid_settings_and_finds_its_cache(name: str) -> None:
    settings = settings_of(name)
    assert settings.host == settings.grpc.host == "0.0.0.0"  # noqa: S104 - a container's own network
    inside = {int(port.rsplit(":", 1)[1]) for port in service(name)["ports"]}
    assert inside == {settings.port, settings.grpc.port}
    assert settings.redis is not None
    assert re.fullmatch(r"redis://(\w+):6379/0", settings.redis.url).group(1) in SERVICES  # type: ignore[union-attr]


@pytest.mark.parametrize("name", OURS)
def test_a_stopped_service_is_given_the_time_to_drain(name: str) -> None:
    grace = int(service(name)["stop_grace_period"].removesuffix("s"))
    assert grace >= settings_in({}).shutdown_seconds + 10


def test_one_command_starts_the_service_on_the_processor_and_a_profile_on_a_gpu() -> None:
    assert {name: service(name)["profiles"] for name in SERVICES if "profiles" in service(name)} == PROFILES
    (device,) = service("visreward-gpu")["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_service_and_run_can_each_be_given_a_gpu_that_nothing_else_computes_on() -> None:
    chosen = [
        device["device_ids"]
        for name in ("visreward-gpu", "trainer", "vllm")
        for device in service(name)["deploy"]["resources"]["reservations"]["devices"]
    ]
    assert chosen == [["${SERVICE_GPU:-0}"], ["${TRAINER_GPU:-1}"], ["${VLLM_GPU:-0}"]]


def test_ports_are_published_on_this_machine_alone_and_once() -> None:
    published = [port for name in SERVICES for port in service(name).get("ports", [])]
    assert len(published) == 8
    for port in published:
        assert port.startswith(("127.0.0.1:", "${BIND_ADDRESS:-127.0.0.1}:")), port
    outside = [re.search(r":-(\d+)\}:\d+$", port).group(1) for port in published]  # type: ignore[union-attr]
    assert len(set(outside)) == len(outside)


def test_prometheus_scrapes_the_services_where_they_listen() -> None:
    config = read_yaml(MONITORING / "compose" / "prometheus.yml")
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (found,) = jobs["visreward"]["dns_sd_configs"]
    assert found["names"] == list(OURS)
    assert found["port"] == settings_in({}).port
    mounted = [mount.split(":")[1] for mount in binds(service("prometheus"))]
    assert set(config["rule_files"]) <= set(mounted)


def test_grafana_finds_its_data_and_its_dashboard() -> None:
    (source,) = read_yaml(MONITORING / "compose" / "grafana" / "datasources" / "prometheus.yml")[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    scraped = read_yaml(MONITORING / "compose" / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    (provider,) = read_yaml(MONITORING / "compose" / "grafana" / "dashboards" / "visreward.yml")["providers"]
    mounted = [mount.split(":")[1] for mount in binds(service("grafana"))]
    assert f"{provider['options']['path']}/visreward.json" in mounted
    assert service("grafana")["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounted


def test_triton_is_reached_by_the_service_alone_under_the_name_that_its_settings_have() -> None:
    triton = settings_of("visreward-triton").models["clip"].triton
    assert triton is not None
    assert triton.urls == ("triton:8001",)
    assert "ports" not in service("triton")


def test_a_run_starts_with_valid_settings_and_finds_service_and_rollouts() -> None:
    config = run_config()
    assert config.reward.url == "http://visreward:8000"
    assert config.rollouts.url == "http://vllm:8000"
    assert config.syncs_adapters
    folders = [str(place) for place in (config.output.folder, config.adapter_folder, config.data.path)]
    mounted = {
        mount.split(":")[-2 if mount.endswith(":ro") else -1] for mount in service("trainer")["volumes"]
    }
    assert all(f"/{folder.split('/')[1]}" in mounted for folder in folders)


def test_vllm_is_started_as_the_run_wants_it() -> None:
    vllm, config = service("vllm"), run_config()
    model, *options = map(plain, vllm["command"])
    given = dict(option.removeprefix("--").split("=") for option in options if "=" in option)
    assert model == config.model.path
    assert given["served-model-name"] == config.rollouts.model
    assert given["logprobs-mode"] == "processed_logprobs"
    assert int(given["max-lora-rank"]) >= config.lora.rank
    assert "--enable-lora" in options
    assert vllm["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert vllm["environment"]["VLLM_SERVER_DEV_MODE"] == "1"
    # It reads adapters where the trainer writes them.
    assert "runs:/runs:ro" in vllm["volumes"]
    assert "runs:/runs" in service("trainer")["volumes"]


def test_vllm_is_reached_by_the_trainer_alone() -> None:
    assert "ports" not in service("vllm")
    (private,) = service("vllm")["networks"]
    assert private in compose()["networks"]
    members = [name for name in SERVICES if private in service(name).get("networks", ["default"])]
    assert members == ["trainer", "vllm"]


def test_trainer_and_vllm_have_each_a_gpu_of_its_own() -> None:
    found = [
        device
        for name in ("trainer", "vllm")
        for device in service(name)["deploy"]["resources"]["reservations"]["devices"]
    ]
    assert all(device["capabilities"] == ["gpu"] for device in found)
    assert [[plain(name) for name in device["device_ids"]] for device in found] == [["1"], ["0"]]


def test_a_run_that_has_ended_is_not_started_again() -> None:
    assert service("trainer")["restart"] == "no"
    assert service("trainer")["depends_on"] == {
        name: {"condition": "service_healthy"} for name in ("visreward", "vllm")
    }


@pytest.mark.parametrize("profile", [None, "gpu", "triton", "trainer"])
def test_compose_itself_accepts_the_file(profile: str | None) -> None:
    arguments = () if profile is None else ("--profile", profile)
    find_tool("docker-compose")
    listed = run_tool(
        "docker-compose", "--file", "docker-compose.yml", *arguments, "config", "--services"
    ).split()
    off = {name for name, profiles in PROFILES.items() if profile not in profiles}
    assert set(listed) == set(SERVICES) - off


def test_the_linter_of_compose_files_finds_nothing_grave() -> None:
    run_tool("compose-lint", "--fail-on", "high", "docker-compose.yml")


def test_prometheus_accepts_its_configuration(tmp_path: Any) -> None:
    text = (MONITORING / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    mounted = text.replace("/etc/prometheus/alerts.yml", str(MONITORING / "alerts.yml"))
    config = tmp_path / "prometheus.yml"
    config.write_text(mounted, encoding="utf-8")
    assert "SUCCESS" in run_tool("promtool", "check", "config", config)


def settings_of(name: str) -> Settings:
    """Return the settings that a service starts with: the mounted file and the variables over it."""
    one = service(name)
    (file,) = [mount.split(":")[0] for mount in binds(one) if "settings.toml" in mount]
    return settings_in(image_environment() | one["environment"], ROOT / file)


def run_config() -> TrainConfig:
    """Return what a run is told: the mounted file, and the container's command line over it."""
    one = service("trainer")
    (mount,) = [mount for mount in binds(one) if "train.toml" in mount]
    here, there, _ = mount.split(":")
    parser = ArgumentParser()
    TRAIN.add_arguments(parser)
    args = parser.parse_args([plain(argument) for argument in one["command"]])
    assert args.config == [there]
    return load_config(TrainConfig, [ROOT / here], read_overrides(args))


def plain(text: str) -> str:
    """Return a text of the file as compose reads it where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def binds(one: dict[str, Any]) -> list[str]:
    """Return the mounts of files of this repository."""
    return [mount for mount in map(plain, one.get("volumes", [])) if mount.startswith("./")]
