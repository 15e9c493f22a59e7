"""What docker-compose.yml, k8s/ and the Dockerfile say, against what the code takes, offers and needs."""

import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from blocks.catalogue import Catalogue
from dataflows.kafka.connection import Kafka
from icefloe.cli.entry import commands
from icefloe.settings import Settings, strangers
from tests.deploy.manifests import (
    IMAGE,
    ROOT,
    Process,
    compose_processes,
    compose_services,
    image_environment,
    objects,
    one,
    pod_processes,
    pods,
)

COMPOSE, PODS = compose_processes(), pod_processes()
processes = pytest.mark.parametrize("process", COMPOSE + PODS, ids=lambda it: it.name)


@pytest.fixture
def settings(process: Process, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a process, read as it reads them."""
    for name, value in process.settings.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


@processes
def test_every_variable_is_a_setting_with_a_value_that_it_takes(process: Process, settings: Settings) -> None:
    assert strangers(Catalogue.load().values(), process.environment) == {}
    assert settings.store.startswith("mongodb://")
    assert Kafka(settings).servers == "kafka:9092"


@processes
def test_every_command_is_one_that_there_is(process: Process) -> None:
    group = typer.main.get_command(commands())
    assert isinstance(group, TyperGroup)
    context = group.make_context("icefloe", list(process.arguments))
    name, command, rest = group.resolve_command(context, list(process.arguments))
    assert command is not None
    command.make_context(name, rest, parent=context)  # fails if it doesn't take what the rest is


@pytest.mark.parametrize("process", [it for it in COMPOSE + PODS if it.name != "topics"], ids=lambda it: it.name)
def test_calls_in_flight_get_their_time_before_the_process_is_killed(process: Process, settings: Settings) -> None:
    assert process.grace is not None
    assert process.grace >= settings.drain + 10
    assert process.grace >= settings.api_drain + 10


def test_all_that_there_is_runs_from_one_image_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"icefloe:{project['version']}" == IMAGE
    assert sorted(process.arguments[0] for process in COMPOSE) == ["api", "engine", "engine", "relay", "topics"]
    assert sorted(process.arguments[0] for process in PODS) == ["api", "engine", "relay", "topics"]


@pytest.mark.parametrize("image", [it["image"] for it in compose_services().values()])
def test_every_image_has_a_version(image: str) -> None:
    name, _, tag = image.partition(":")
    assert name
    assert tag.removeprefix("v")[:1].isdigit()


@pytest.mark.parametrize("name", [process.name for process in COMPOSE])
def test_a_service_has_no_rights_and_nothing_to_write_to_but_its_memory(name: str) -> None:
    service = compose_services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp", "/data:mode=1777"]  # noqa: S108 - the container's
    assert service.keys().isdisjoint({"volumes", "privileged", "user", "cap_add"})
    assert name == "api" or "ports" not in service


def test_a_service_starts_when_all_it_needs_is_well_and_starts_again_however_it_ended() -> None:
    services = compose_services()
    assert list(services)[:3] == ["kafka", "mongo", "topics"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed == "topics" else "service_healthy"
            assert how == {"condition": wanted}
            assert needed == "topics" or "healthcheck" in services[needed]
        assert service["restart"] == ("on-failure:5" if name == "topics" else "unless-stopped")


def test_the_ports_that_compose_opens_can_be_reached_from_this_machine_only() -> None:
    ports = [port for service in compose_services().values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", list(pods()))
def test_a_pod_has_no_rights_and_no_volume(name: str) -> None:
    pod = pods()[name]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in _dockerfile()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert "volumes" not in pod
    assert container["image"] == IMAGE
    assert {"requests", "limits"} == container["resources"].keys()


@pytest.mark.parametrize("name", ["icefloe-engine", "icefloe-relay"])
def test_a_pod_is_asked_how_it_is_where_it_answers(name: str) -> None:
    [container] = pods()[name]["containers"]
    port = int(one("ConfigMap", "icefloe")["data"]["ICEFLOE_HEALTH_PORT"])
    assert container["ports"] == [{"name": "health", "containerPort": port}]
    assert {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "startupProbe": {"path": "/healthz", "port": "health"},
        "livenessProbe": {"path": "/healthz", "port": "health"},
        "readinessProbe": {"path": "/readyz", "port": "health"},
    }
    deployment = one("Deployment", name)["spec"]
    assert deployment["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(port)
    [rule] = one("NetworkPolicy", "icefloe")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    assert image_environment()["ICEFLOE_HEALTH_PORT"] == str(port)
    assert port in _exposed()


def test_the_api_is_asked_how_it_is_and_everything_else_on_its_own_port() -> None:
    pod = pods()["icefloe-api"]
    [container] = pod["containers"]
    port = int(one("ConfigMap", "icefloe")["data"]["ICEFLOE_API_PORT"])
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    service = one("Service", "icefloe-api")["spec"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    assert service["selector"] == one("Deployment", "icefloe-api")["spec"]["selector"]["matchLabels"]
    [rule] = one("NetworkPolicy", "icefloe-api")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    assert image_environment()["ICEFLOE_API_PORT"] == str(port)
    assert port in _exposed()
    assert compose_services()["api"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_an_api_that_is_to_end_gets_no_new_requests_before_and_its_time_for_the_others() -> None:
    pod = pods()["icefloe-api"]
    [container] = pod["containers"]
    *_, code = container["lifecycle"]["preStop"]["exec"]["command"]
    [seconds] = re.findall(r"sleep\((\d+)\)", code)
    drain = float(one("ConfigMap", "icefloe")["data"]["ICEFLOE_API_DRAIN"])
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + drain + 10
    rolling = one("Deployment", "icefloe-api")["spec"]
    assert rolling["replicas"] >= 2
    assert rolling["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert one("PodDisruptionBudget", "icefloe-api")["spec"]["maxUnavailable"] < rolling["replicas"]


def test_the_api_asks_who_calls_and_links_are_signed_with_the_key_that_it_knows() -> None:
    assert one("ConfigMap", "icefloe")["data"]["ICEFLOE_API_AUTH"] == "keys"
    links = {"secretRef": {"name": "icefloe-links", "optional": True}}
    assert all(links in pods()[name]["containers"][0]["envFrom"] for name in ("icefloe-engine", "icefloe-api"))
    assert all("ICEFLOE_API_AUTH" not in process.environment for process in COMPOSE)  # so it is the default, `keys`


def test_whatever_selects_pods_finds_them() -> None:
    templates = [it["spec"]["template"]["metadata"]["labels"] for it in objects() if "template" in it.get("spec", {})]
    selectors = [labels for it in objects() for labels in _selectors(it)]
    assert len(selectors) == 9  # three Deployments, two each of spreads, disruption budgets and network policies
    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in templates)


def test_nothing_secret_is_deployed_and_no_secret_must_be_there() -> None:
    kustomization = yaml.safe_load((ROOT / "k8s/kustomization.yaml").read_text())
    files = {path.name for path in (ROOT / "k8s").glob("*.yaml")}
    assert set(kustomization["resources"]) == files - {"kustomization.yaml", "secrets.example.yaml"}
    sources = [source for pod in pods().values() for source in pod["containers"][0]["envFrom"]]
    assert all(source["secretRef"]["optional"] for source in sources if "secretRef" in source)


def test_engines_are_counted_by_what_their_consumer_groups_have_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in one("ConfigMap", "icefloe")["data"].items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    kafka = Kafka(settings)
    scaling = one("ScaledObject", "icefloe-engine")
    assert scaling["apiVersion"] == "keda.sh/v1alpha1"
    spec = scaling["spec"]
    assert spec["scaleTargetRef"] == {"name": one("Deployment", "icefloe-engine")["metadata"]["name"]}
    assert "replicas" not in one("Deployment", "icefloe-engine")["spec"]
    assert 2 <= spec["minReplicaCount"] < spec["maxReplicaCount"] == settings.partitions
    assert {trigger["type"] for trigger in spec["triggers"]} == {"kafka"}
    read = {(trigger["metadata"]["topic"], trigger["metadata"]["consumerGroup"]) for trigger in spec["triggers"]}
    [triggers] = kafka.triggers
    assert read == {(kafka.changes, kafka.engines_group), (triggers, kafka.triggers_group)}
    for trigger in spec["triggers"]:
        assert int(trigger["metadata"]["lagThreshold"]) > 0  # KEDA wants texts
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        assert trigger["metadata"]["offsetResetPolicy"] == "earliest"  # as the engines begin


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_the_scaler_asks_the_brokers_of_the_config_map() -> None:
    done = subprocess.run(["kubectl", "kustomize", str(ROOT / "k8s")], check=True, capture_output=True, text=True)
    rendered = list(yaml.safe_load_all(done.stdout))
    [scaling] = [it for it in rendered if it["kind"] == "ScaledObject"]
    servers = one("ConfigMap", "icefloe")["data"]["ICEFLOE_EVENTS"].removeprefix("kafka://")
    assert {trigger["metadata"]["bootstrapServers"] for trigger in scaling["spec"]["triggers"]} == {servers}
    assert all(it["metadata"].get("namespace") == "icefloe" for it in rendered if it["kind"] != "Namespace")


def _dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def _exposed() -> set[int]:
    [ports] = re.findall(r"^EXPOSE (.*)$", _dockerfile(), re.MULTILINE)
    return set(map(int, ports.split()))


def _selectors(value: Any) -> list[dict[str, str]]:
    """Every `matchLabels` in an object."""
    match value:
        case {"matchLabels": labels}:
            return [labels]
        case dict():
            return [labels for part in value.values() for labels in _selectors(part)]
        case list():
            return [labels for part in value for labels in _selectors(part)]
        case _:
            return []
