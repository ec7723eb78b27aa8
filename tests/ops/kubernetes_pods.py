"""Pods of `deploy/kubernetes` as processes of this machine: in a network and with a hosts file of their own, at addresses of their own,
with the files, variables, command lines and probes that their manifests name."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.kubernetes import KUBERNETES, Document, Pod, pod_of, ports_of

_LONGEST_S = 180.0


def make_secrets(folder: Path) -> Path:
    """Every Secret, of a counter as well, as a file of manifests."""
    counter = folder / "ctp"
    counter.mkdir(parents=True)
    (counter / "password").write_text("of the broker", encoding="utf-8")
    (counter / "auth-code").write_text("of the terminal", encoding="utf-8")
    subprocess.run(["sh", str(KUBERNETES / "make-secrets.sh"), str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder / "secrets.yaml"


class Network:
    """A network namespace with a loopback alone, and names of hosts; needs root. It is gone when its holder is."""

    def __init__(self, folder: Path, hosts: Mapping[str, str]) -> None:
        file = folder / "hosts"
        lines = [f"{address} {name}" for name, address in hosts.items()]
        file.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n", encoding="utf-8")
        inside = f"ip link set lo up && mount --bind {file} /etc/hosts && echo ready && exec sleep infinity"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", inside], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline().strip() == "ready", "needs root, and namespaces of networks and mounts"

    @property
    def enter(self) -> list[str]:
        """What stands before a command that is to run in it."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]

    def get(self, url: str) -> tuple[int, str]:
        """(status, body) of a request from inside; status 0 where nobody answers."""
        done = subprocess.run(
            [*self.enter, "curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", url],
            capture_output=True,
            text=True,
            check=False,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def close(self) -> None:
        """End it."""
        self._holder.kill()
        self._holder.communicate()


class RunningPod:
    """The process of a pod. What it writes goes to `<root>.log`."""

    def __init__(
        self,
        overlay: str,
        workload: Document,
        secrets: Path,
        root: Path,
        network: Network,
        address: str,
        name: str = "",
    ) -> None:
        self._pod = Pod(overlay, workload, secrets, root, address)
        self._workload, self._network, self.address = workload, network, address
        self._log, self._name = root.with_suffix(".log"), name
        self._process: subprocess.Popen[bytes] | None = None

    def rewrite(self, file: str, before: str, after: str) -> None:
        """Change a file that it is given: what a container has for itself, processes here share."""
        path = Path(self._pod.moved(file))
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")

    def start(self) -> None:
        """Begin; `probed` says when it is there."""
        for folder in self._pod.folders:
            if folder.is_dir():
                folder.chmod(0o700)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MARKETPRISM_")}
        variables = {**inherited, "MARKETPRISM_LANG": "en", **self._variables()}
        # What a container has for itself, processes here share.
        command = [each.replace("=0.0.0.0:", f"={self.address}:") for each in self._pod.arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*self._network.enter, *command], env=variables, stdout=log, stderr=log)

    def _variables(self) -> dict[str, str]:
        own: list[dict[str, Any]] = self._pod.container.get("env", [])
        if any(each["name"] == "POD_NAME" for each in own):
            return {"POD_NAME": self._name}
        return self._pod.environment

    def probe(self, which: str) -> int:
        """The status that a probe of the manifest gets: startup, liveness, readiness."""
        asked = self._pod.container[f"{which}Probe"]["httpGet"]
        return self.get(asked["path"], ports_of(self._workload)[asked["port"]])[0]

    def get(self, path: str, port: int = 0) -> tuple[int, str]:
        """(status, body) of a request, at the port named http where none is given."""
        return self._network.get(f"http://{self.address}:{port or ports_of(self._workload)['http']}{path}")

    def wait(self, which: str, status: int = 200) -> None:
        """Until a probe gets that status."""
        end = time.monotonic() + _LONGEST_S
        while (found := self.probe(which)) != status:
            assert self._process is not None
            assert self._process.poll() is None, f"ended:\n{self.logged()}"
            assert time.monotonic() < end, f"{which} of {self.address}: {found}\n{self.logged()}"
            time.sleep(0.5)

    def logged(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def end(self) -> int:
        """As the kubelet ends it: preStop, SIGTERM, and the grace that its manifest gives. Its exit code, -9 where it was killed."""
        assert self._process is not None
        hook = self._pod.container.get("lifecycle", {}).get("preStop", {})
        until = time.monotonic() + pod_of(self._workload)["terminationGracePeriodSeconds"]
        if "exec" in hook:
            subprocess.run([*self._network.enter, *map(self._pod.moved, hook["exec"]["command"])], check=True)
        time.sleep(hook.get("sleep", {}).get("seconds", 0))
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(until - time.monotonic())
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once."""
        assert self._process is not None
        self._process.kill()
        return self._process.wait()
