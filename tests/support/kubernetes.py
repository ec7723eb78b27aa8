"""The manifests of `deploy/kubernetes` as they are applied, and what a pod of them is given."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
OVERLAYS = tuple(sorted(path.name for path in (KUBERNETES / "overlays").iterdir() if path.is_dir()))
GATEWAYS = tuple(sorted(path.name for path in (KUBERNETES / "gateways").iterdir() if path.name != "template"))
IMAGE = "marketprism"
BIN = Path(sys.executable).parent  # programs of this environment, which need not be on the PATH

Document = dict[str, Any]


@cache
def rendered(folder: Path) -> str:
    """What `kubectl kustomize` makes of a folder; its own reason where it makes nothing."""
    done = subprocess.run([str(BIN / "kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def documents(overlay: str) -> tuple[Document, ...]:
    """Every object of an overlay."""
    return tuple(yaml.load_all(rendered(KUBERNETES / "overlays" / overlay), yaml.CSafeLoader))


@cache
def gateways() -> tuple[Document, ...]:
    """Every object of the gateways of all sources."""
    with TemporaryDirectory() as folder:
        # Kustomize takes a path from where the file really is.
        here, there = Path(folder).resolve(), KUBERNETES / "gateways"
        listed = [os.path.relpath(there / name, here) for name in GATEWAYS]
        (here / "kustomization.yaml").write_text(yaml.safe_dump({"resources": listed}), encoding="utf-8")
        return tuple(yaml.load_all(rendered(here), yaml.CSafeLoader))


def of_kind(overlay: str, *kinds: str) -> list[Document]:
    """The objects of these kinds."""
    return [each for each in documents(overlay) if each["kind"] in kinds]


def workloads(overlay: str) -> list[Document]:
    """What has pods."""
    return of_kind(overlay, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def name_of(document: Document) -> str:
    """The name of an object."""
    return str(document["metadata"]["name"])


def pod_of(workload: Document) -> Document:
    """The specification of its pods."""
    found: Document = workload["spec"]["template"]["spec"]
    return found


def labels_of(workload: Document) -> dict[str, str]:
    """The labels of its pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def is_ours(workload: Document) -> bool:
    """Whether its pods run a service of ours: our image by its entry point."""
    containers = pod_of(workload)["containers"]
    return any(each["image"].partition(":")[0] == IMAGE and "command" not in each for each in containers)


def service_of(workload: Document) -> str:
    """The service that a workload of ours runs, by its command line."""
    arguments = pod_of(workload)["containers"][0]["args"]
    assert arguments[0] == "run"
    return str(arguments[1])


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes a pod with these labels, as the API has it: an empty one takes all."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def ports_of(workload: Document) -> dict[str, int]:
    """The ports that its containers name."""
    return {port["name"]: port["containerPort"] for each in pod_of(workload)["containers"] for port in each["ports"]}


def bytes_of(quantity: str) -> float:
    """A quantity of bytes, with the suffixes of the API or of nats-server."""
    for suffix, factor in {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "KB": 2**10, "MB": 2**20, "GB": 2**30}.items():
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) * factor
    return float(quantity)


@cache
def made(secrets: Path) -> dict[str, dict[str, str]]:
    """The data of every Secret of a file of `make-secrets.sh`, by its name."""
    every = yaml.load_all(secrets.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return {name_of(each): each["data"] for each in every if each}


class Pod:
    """What a pod of a workload is given: files below `root` instead of `/`, and variables.

    `secrets` are those of `make-secrets.sh`; `address` stands for the address of the pod.
    """

    def __init__(self, overlay: str, workload: Document, secrets: Path, root: Path, address: str = "127.0.0.1") -> None:
        self._maps = {name_of(each): each["data"] for each in of_kind(overlay, "ConfigMap")}
        self._secrets = made(secrets)
        self._spec, self._root, self._address = pod_of(workload), root, address
        self.container = self._spec["containers"][0]
        self.folders = [root / mount["mountPath"].lstrip("/") for mount in self.container["volumeMounts"]]
        self._mount()

    def _mount(self) -> None:
        volumes = {volume["name"]: volume for volume in self._spec["volumes"]}
        for mount, folder in zip(self.container["volumeMounts"], self.folders, strict=True):
            sub = mount.get("subPath")
            (folder.parent if sub else folder).mkdir(parents=True, exist_ok=True)
            for name, content in self._files(volumes.get(mount["name"], {})):
                if sub in (None, name):
                    (folder if sub else folder / name).write_bytes(content)

    def _files(self, volume: Document) -> Iterator[tuple[str, bytes]]:
        for source in volume.get("projected", {}).get("sources", ()):
            yield from self._files(source)
        if "configMap" in volume:
            yield from (
                (name, self.moved(text).encode()) for name, text in self._maps[volume["configMap"]["name"]].items()
            )
        if "secret" in volume:
            data = self._secrets[volume["secret"].get("secretName") or volume["secret"]["name"]]
            items = volume["secret"].get("items") or [{"key": key, "path": key} for key in data]
            yield from ((item["path"], base64.b64decode(data[item["key"]])) for item in items)

    def moved(self, text: str) -> str:
        """A text with the paths of the pod as they are here."""
        mounted = "|".join(
            sorted((re.escape(each["mountPath"]) for each in self.container["volumeMounts"]), reverse=True)
        )
        return re.sub(rf"(?<![\w./-])(?:{mounted})(?![\w.-])", lambda found: f"{self._root}{found[0]}", text)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the pod has beside those of its image."""
        found: dict[str, str] = {}
        for source in self.container.get("envFrom", ()):
            found |= self._maps[source["configMapRef"]["name"]]
        for each in self.container.get("env", ()):
            if "value" in each:
                found[each["name"]] = self.moved(each["value"])
            else:
                assert each["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
                found[each["name"]] = self._address
        return found

    @property
    def arguments(self) -> list[str]:
        """The command line."""
        entry = [IMAGE] if self.container["image"].partition(":")[0] == IMAGE else []
        return [self.moved(each) for each in [*self.container.get("command", entry), *self.container.get("args", ())]]
