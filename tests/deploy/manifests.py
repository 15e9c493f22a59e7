"""What is deployed, as the tests read it: the services of docker-compose.yml, the objects and containers of k8s/.

Dockerfile ENV ─┐
compose / k8s  ─┴─► Process: one `icefloe` command with all of its environment
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parent.parent.parent
IMAGE: Final = "icefloe:0.1.0"


class Process(NamedTuple):
    """One `icefloe` command as a container runs it; `grace` is in seconds, from SIGTERM to SIGKILL."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    grace: float | None

    @property
    def settings(self) -> dict[str, str]:
        """The part of its environment that is Icefloe's."""
        return {name: value for name, value in self.environment.items() if name.startswith("ICEFLOE_")}


def image_environment() -> dict[str, str]:
    """What the Dockerfile's last stage sets; paths aside, which a test has its own of."""
    last = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    [block] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", last, re.MULTILINE)
    pairs: list[tuple[str, str]] = re.findall(r"(\w+)=(\S+)", block)
    return {name: value for name, value in pairs if name not in {"PATH", "HOME"}}


def compose() -> dict[str, Any]:
    """docker-compose.yml, with its anchors resolved."""
    file: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return file


def compose_services() -> dict[str, Any]:
    """The services of docker-compose.yml in an order in which each comes after all that it depends on."""
    left: dict[str, Any] = dict(compose()["services"])
    order: dict[str, Any] = {}
    while left:
        name = next(name for name, service in left.items() if service.get("depends_on", {}).keys() <= order.keys())
        order[name] = left.pop(name)
    return order


def compose_processes() -> list[Process]:
    """Icefloe's own services, in that order."""
    return [
        Process(name, service["command"], image_environment() | service["environment"], _seconds(service))
        for name, service in compose_services().items()
        if service["image"] == IMAGE
    ]


def objects() -> Iterator[dict[str, Any]]:
    """Every object of k8s/, also those that are only an example."""
    for path in sorted((ROOT / "k8s").glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def one(kind: str, name: str) -> dict[str, Any]:
    """The object of k8s/ with this kind and name."""
    [found] = [it for it in objects() if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The pods' specifications by the name of what makes them."""
    return {
        it["metadata"]["name"]: it["spec"]["template"]["spec"] for it in objects() if "template" in it.get("spec", {})
    }


def pod_processes() -> list[Process]:
    """The commands that the pods run, with the settings of the ConfigMap and of the example's Secrets."""
    return [
        Process(
            pod["containers"][0]["name"],
            pod["containers"][0]["args"],
            image_environment() | _given(pod["containers"][0]),
            pod.get("terminationGracePeriodSeconds"),
        )
        for pod in pods().values()
    ]


def _given(container: dict[str, Any]) -> dict[str, str]:
    given: dict[str, str] = {}
    for source in container["envFrom"]:  # the last one wins
        if "configMapRef" in source:
            given |= one("ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            given |= one("Secret", source["secretRef"]["name"])["stringData"]
    return given


def _seconds(service: dict[str, Any]) -> float | None:
    text: str | None = service.get("stop_grace_period")
    return None if text is None else float(text.removesuffix("s"))
