"""Workflows of CI: judged by a policy, and their steps done on this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

import yaml

Values = Mapping[str, object]

_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_PIN_LINE = re.compile(r"^\s*- uses: \S+@[0-9a-f]{40} # v\d+(\.\d+)+$")
_CONTAINER = re.compile(r"python:(3\.1[1-9]|\$\{\{ matrix\.python \}\})-bookworm")
_REGISTRY = re.compile(r"https?://|pypi\.org|npmjs|docker\.io", re.IGNORECASE)
_SUDO = "sudo --preserve-env=PATH "
_GATE = ".ci/run"


class Workflow(NamedTuple):
    """One file: its text, and what it says."""

    text: str
    values: Values

    @property
    def triggers(self) -> Values:
        return _table(self.values.get("on"))

    @property
    def jobs(self) -> dict[str, Values]:
        return {name: _table(job) for name, job in _table(self.values.get("jobs")).items()}


def read(text: str) -> Workflow:
    """A workflow; every value is the text that stands there (`on` is no truth value)."""
    return Workflow(text, _table(yaml.load(text, yaml.BaseLoader)))


def _table(value: object) -> Values:
    if isinstance(value, str):
        return {value: ""}
    return cast(Values, value) if isinstance(value, dict) else {}


def steps(job: Values) -> list[Values]:
    return [_table(step) for step in cast(list[object], job.get("steps", []))]


def for_pull_requests(workflow: Workflow, job: Values) -> bool:
    """Whether a pull request starts the job."""
    return "pull_request" in workflow.triggers and "github.event_name == 'push'" not in str(job.get("if", ""))


def targets(makefile: str) -> set[str]:
    """What `make` can be told."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))


def problems(workflow: Workflow, root: Path) -> Iterator[str]:
    """What a workflow must not have, or lacks."""
    values = workflow.values
    if any(value not in ("read", "none") for value in _table(values.get("permissions")).values()):
        yield "permissions: expected read at the top, was more"
    if not _table(values.get("permissions")):
        yield "permissions: expected at the top, found none"
    if "concurrency" not in values:
        yield "concurrency: expected a group, found none"
    for name in {"pull_request_target", "workflow_run"} & set(workflow.triggers):
        yield f"on: expected no {name}, which gives secrets to code of others"
    if found := _REGISTRY.search(workflow.text):
        yield f"text: expected no address of a registry, was {found[0]!r}"
    for line in workflow.text.splitlines():
        if "uses:" in line and not _PIN_LINE.match(line):
            yield f"uses: expected owner/action@digest # vN.N.N, was {line.strip()!r}"
    known = targets((root / "Makefile").read_text(encoding="utf-8"))
    for name, job in workflow.jobs.items():
        for problem in _problems_of(workflow, job, known, root):
            yield f"{name}: {problem}"


def _problems_of(workflow: Workflow, job: Values, known: set[str], root: Path) -> Iterator[str]:
    if not str(job.get("timeout-minutes", "")).isdigit():
        yield "timeout-minutes: expected minutes, found none"
    container = str(job.get("container", ""))
    if container and not _CONTAINER.fullmatch(container):
        yield f"container: expected python:3.N-bookworm, was {container!r}"
    writes = sorted(right for right, value in _table(job.get("permissions")).items() if value == "write")
    if writes and (for_pull_requests(workflow, job) or job.get("environment") != "release"):
        yield f"permissions: expected no right to write outside of a release, was {', '.join(writes)}"
    if "secrets." in str(job) and for_pull_requests(workflow, job):
        yield "secrets: expected none where a pull request starts the job"
    for step in steps(job):
        if "uses" in step:
            if not _PINNED.fullmatch(str(step["uses"])):
                yield f"uses: expected a digest of 40 digits, was {step['uses']!r}"
            checks_out = str(step["uses"]).startswith("actions/checkout@")
            if checks_out and _table(step.get("with")).get("persist-credentials") != "false":
                yield "checkout: expected persist-credentials: false"
        elif problem := _problem_of_run(str(step.get("run", "")), known, root):
            yield problem


def _problem_of_run(line: str, known: set[str], root: Path) -> str | None:
    program, *arguments = line.removeprefix(_SUDO).split() or [""]
    if "${{" in line or len(line.splitlines()) != 1:
        return f"run: expected one line without expressions, was {line!r}"
    asked = arguments if program in ("make", _GATE) else []
    if unknown := [name for name in asked if name not in known]:
        return f"run: expected a target of the Makefile, was {unknown[0]!r}"
    if program == "make":
        return None if arguments else "run: expected a target of the Makefile, was none"
    path = root / program
    if "/" not in program or not path.is_file() or not os.access(path, os.X_OK):
        return f"run: expected make or a script of the repository, was {program!r}"
    return None


class Done(NamedTuple):
    """A step that was done."""

    run: str
    code: int
    output: str


def do(job: Values, tree: Path, environment: Mapping[str, str]) -> list[Done]:
    """Do the steps of a job as a runner does, up to the first that fails; what it `uses` is left out."""
    done: list[Done] = []
    for step in steps(job):
        line = str(step.get("run", ""))
        if not line:
            continue
        own = {name: str(value) for name, value in _table(step.get("env")).items()}
        plain = {name: value for name, value in own.items() if "${{" not in value}
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
        ran = subprocess.run(bash, cwd=tree, env=dict(environment) | plain, capture_output=True, text=True, check=False)
        done.append(Done(line, ran.returncode, ran.stdout + ran.stderr))
        if ran.returncode != 0:
            break
    return done


__all__ = ["Done", "Workflow", "do", "for_pull_requests", "problems", "read", "steps", "targets"]
