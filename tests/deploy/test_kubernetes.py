"""k8s/: the objects that the overlays make fit together, and no probe ends a pod that loads or drains."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import (
    K8S,
    MONITORING,
    OVERLAYS,
    Object,
    image_environment,
    only,
    overlay,
    read_yaml,
    run_tool,
    settings_in,
)
from visreward_service.settings import Settings, SettingsError

CUSTOM = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus Operator, which the schemas of Kubernetes do not know."""


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return overlay(request.param)


def pod(objects: tuple[Object, ...], name: str = "visreward") -> Object:
    found: Object = only(objects, "Deployment", name)["spec"]["template"]["spec"]
    return found


def container(objects: tuple[Object, ...]) -> Object:
    (found,) = pod(objects)["containers"]
    assert isinstance(found, dict)
    return found


def settings_of(objects: tuple[Object, ...], file: Path) -> Settings:
    """Return the settings that a pod starts with: the mounted file and the variables over it."""
    text = only(objects, "ConfigMap", "visreward-settings")["data"]["settings.toml"]
    file.write_text(text, encoding="utf-8")
    variables = {variable["name"]: variable["value"] for variable in container(objects)["env"]}
    return settings_in(image_environment() | variables, file)


def labels(objects: tuple[Object, ...]) -> Object:
    found: Object = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    return found


def selects(selector: Object, labelled: Object) -> bool:
    return selector.items() <= labelled.items() and bool(selector)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_object_fits_the_schema_of_its_kind(name: str, tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    known = [one for one in overlay(name) if one["kind"] not in CUSTOM]
    file.write_text(yaml.safe_dump_all(known), encoding="utf-8")
    written = run_tool("kubernetes-validate", "--strict", file)
    assert written.count("passed") == len(known)


def test_a_loading_pod_is_given_ten_minutes(objects: tuple[Object, ...]) -> None:
    probe = container(objects)["startupProbe"]
    assert probe["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


def test_a_draining_pod_is_given_the_time_that_a_drain_takes(
    objects: tuple[Object, ...], tmp_path: Path
) -> None:
    drain = settings_of(objects, tmp_path / "settings.toml").shutdown_seconds
    word, pause = container(objects)["lifecycle"]["preStop"]["exec"]["command"]
    assert word == "sleep"
    assert pod(objects)["terminationGracePeriodSeconds"] >= int(pause) + drain + 10


def test_liveness_asks_for_the_process_alone_and_outlasts_a_drain(
    objects: tuple[Object, ...], tmp_path: Path
) -> None:
    probe = container(objects)["livenessProbe"]
    drain = settings_of(objects, tmp_path / "settings.toml").shutdown_seconds
    assert probe["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert probe["periodSeconds"] * probe["failureThreshold"] > drain


def test_a_pod_takes_traffic_only_when_it_is_ready(objects: tuple[Object, ...]) -> None:
    assert container(objects)["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_the_ports_are_those_that_the_settings_open(objects: tuple[Object, ...], tmp_path: Path) -> None:
    settings = settings_of(objects, tmp_path / "settings.toml")
    opened = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
    assert opened == {"http": settings.port, "grpc": settings.grpc.port, "metrics": settings.metrics.port}
    assert settings.host == settings.grpc.host == settings.metrics.host == "0.0.0.0"  # noqa: S104 - a pod's own network
    service = only(objects, "Service")["spec"]
    assert {port["targetPort"] for port in service["ports"]} == set(opened)


def test_the_variables_of_a_service_named_visreward_stay_out_of_the_settings(
    objects: tuple[Object, ...],
) -> None:
    injected = {"VISREWARD_PORT": "tcp://10.0.0.1:8000", "VISREWARD_SERVICE_HOST": "10.0.0.1"}
    with pytest.raises(SettingsError):
        settings_in(injected, None)
    assert pod(objects)["enableServiceLinks"] is False


def test_every_pod_is_restricted(objects: tuple[Object, ...]) -> None:
    deployments = [one for one in objects if one["kind"] == "Deployment"]
    assert deployments
    for one in deployments:
        spec = one["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in spec["containers"]:
            assert each["securityContext"]["readOnlyRootFilesystem"] is True
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert each["resources"]["limits"]["memory"]


def test_what_is_written_lands_in_the_volumes(objects: tuple[Object, ...]) -> None:
    mounts = {mount["name"]: mount for mount in container(objects)["volumeMounts"]}
    writable = {mount["mountPath"] for mount in mounts.values() if not mount.get("readOnly")}
    variables = image_environment()
    assert writable == {variables["HF_HOME"], variables["HOME"]}
    assert mounts["settings"]["mountPath"] == str(Path(variables["VISREWARD_CONFIG"]).parent)
    assert {volume["name"] for volume in pod(objects)["volumes"]} == set(mounts)


def test_everything_that_selects_the_pods_selects_them(objects: tuple[Object, ...]) -> None:
    ours = labels(objects)
    selectors = [
        only(objects, "Deployment")["spec"]["selector"]["matchLabels"],
        only(objects, "Service")["spec"]["selector"],
        only(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selects(selector, ours) for selector in selectors)


def test_a_pod_may_speak_to_names_and_to_the_shared_cache_alone(objects: tuple[Object, ...]) -> None:
    rules = only(objects, "NetworkPolicy")["spec"]["egress"]
    allowed = {
        next(iter(rule["to"][0]["podSelector"]["matchLabels"].values())): {
            port["port"] for port in rule["ports"]
        }
        for rule in rules
    }
    assert allowed == {"kube-dns": {53}, "visreward-redis": {6379}}


def test_the_gpu_overlay_opens_downloads_and_no_private_address() -> None:
    (rule,) = only(overlay("gpu"), "NetworkPolicy", "visreward-downloads")["spec"]["egress"]
    assert [port["port"] for port in rule["ports"]] == [443]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        rule["to"][0]["ipBlock"]["except"]
    )


def test_the_shared_cache_is_found_and_takes_no_other_callers(tmp_path: Path) -> None:
    objects = overlay("gpu")
    settings = settings_of(objects, tmp_path / "settings.toml")
    service = only(objects, "Service", "visreward-redis")
    assert settings.redis is not None
    assert (
        settings.redis.url == f"redis://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/0"
    )
    (rule,) = only(objects, "NetworkPolicy", "visreward-redis")["spec"]["ingress"]
    assert selects(rule["from"][0]["podSelector"]["matchLabels"], labels(objects))
    redis = only(objects, "Deployment", "visreward-redis")["spec"]["template"]["metadata"]["labels"]
    assert selects(service["spec"]["selector"], redis)


def test_a_gpu_pod_takes_one_gpu_and_the_image_for_it() -> None:
    found = container(overlay("gpu"))
    assert found["image"] == "visreward:cuda"
    assert found["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container(overlay("cpu-dev"))["image"] == "visreward:cpu"


def test_the_small_overlay_needs_no_operator_and_no_volume() -> None:
    kinds = {one["kind"] for one in overlay("cpu-dev")}
    assert not kinds & {
        "ServiceMonitor",
        "PrometheusRule",
        "HorizontalPodAutoscaler",
        "PersistentVolumeClaim",
    }
    assert only(overlay("cpu-dev"), "Deployment")["spec"]["replicas"] == 1


def test_the_autoscaler_alone_sets_the_number_of_replicas() -> None:
    objects = overlay("gpu")
    scaler = only(objects, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == only(objects, "Deployment")["metadata"]["name"]
    assert "replicas" not in only(objects, "Deployment")["spec"]
    budget = only(objects, "PodDisruptionBudget")["spec"]
    assert scaler["minReplicas"] > budget["maxUnavailable"]


def test_the_adapter_serves_the_number_that_the_autoscaler_reads() -> None:
    (metric,) = only(overlay("gpu"), "HorizontalPodAutoscaler")["spec"]["metrics"]
    (rule,) = read_yaml(K8S / "components" / "autoscaling" / "prometheus-adapter.yaml")["rules"]["custom"]
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"] == rule["seriesQuery"].split("{")[0]


def test_prometheus_finds_the_service_by_its_labels() -> None:
    objects = overlay("gpu")
    monitor = only(objects, "ServiceMonitor")["spec"]
    service = only(objects, "Service")
    (endpoint,) = monitor["endpoints"]
    assert selects(monitor["selector"]["matchLabels"], service["metadata"]["labels"])
    assert endpoint["port"] == "metrics"
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"
    others = [one for one in objects if one["kind"] == "Service" and one is not service]
    assert not any(selects(monitor["selector"]["matchLabels"], one["metadata"]["labels"]) for one in others)


def test_clients_do_not_reach_the_port_of_the_metrics(objects: tuple[Object, ...]) -> None:
    clients, prometheus = only(objects, "NetworkPolicy")["spec"]["ingress"]
    assert {port["port"] for port in clients["ports"]} == {"http", "grpc"}
    assert {port["port"] for port in prometheus["ports"]} == {"metrics"}


def test_the_triton_overlay_asks_for_keys_and_reaches_its_encoder(tmp_path: Path) -> None:
    objects = overlay("triton")
    (secret,) = container(objects)["envFrom"]
    assert secret["secretRef"] == {"name": "visreward-keys"}  # not optional: without keys no pod starts
    triton = settings_of(objects, tmp_path / "settings.toml").models["clip"].triton
    assert triton is not None
    service = only(objects, "Service", "visreward-triton")
    (port,) = service["spec"]["ports"]
    assert list(triton.urls) == [f"{service['metadata']['name']}:{port['port']}"]
    encoder = only(objects, "Deployment", "visreward-triton")["spec"]["template"]["metadata"]["labels"]
    assert selects(service["spec"]["selector"], encoder)
    (way,) = only(objects, "NetworkPolicy", "visreward-to-triton")["spec"]["egress"]
    assert selects(way["to"][0]["podSelector"]["matchLabels"], encoder)
    (door,) = only(objects, "NetworkPolicy", "visreward-triton")["spec"]["ingress"]
    assert selects(door["from"][0]["podSelector"]["matchLabels"], labels(objects))
    assert {port["port"] for port in door["ports"]} == {port["port"] for port in way["ports"]} == {8001}


def test_the_operator_is_given_the_same_alerts_as_prometheus() -> None:
    rule = read_yaml(MONITORING / "prometheusrule.yaml")
    assert rule["spec"] == read_yaml(MONITORING / "alerts.yml")


def test_every_settings_file_names_only_known_settings() -> None:
    files = sorted(K8S.rglob("settings.toml"))
    assert len(files) == 3
    for file in files:
        tables: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        assert settings_in({}, file).log_format == tables["log_format"] == "json"
