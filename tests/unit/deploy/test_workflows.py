"""Workflows: clean by actionlint, and by a policy of our own whose every rule finds the fault that it is there for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.workflows import problems, read, steps

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
BIN = Path(sys.executable).parent
CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"


def test_there_is_a_workflow_for_each_purpose() -> None:
    assert {path.stem for path in FILES} == {"ci", "docs", "image", "nightly", "ops", "release"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_keeps_to_the_policy(path: Path) -> None:
    assert list(problems(read(path.read_text(encoding="utf-8")), ROOT)) == []


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run([BIN / "actionlint", *FILES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_actionlint_would_find_a_property_that_no_matrix_has(tmp_path: Path) -> None:
    seeded = tmp_path / "ci.yml"
    text = (FOLDER / "ci.yml").read_text(encoding="utf-8")
    seeded.write_text(text.replace("${{ matrix.python }}-bookworm", "${{ matrix.pyton }}-bookworm"), encoding="utf-8")
    done = subprocess.run([BIN / "actionlint", seeded], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert '"pyton" is not defined' in done.stdout


SEEDED = [
    ("ci", "permissions:\n  contents: read\n", "", "permissions: expected at the top, found none"),
    ("ci", "  contents: read\n", "  contents: write\n", "permissions: expected read at the top, was more"),
    (
        "ci",
        "concurrency:\n  group: ci-${{ github.ref }}\n  cancel-in-progress: true\n",
        "",
        "concurrency: expected a group, found none",
    ),
    (
        "ci",
        "  pull_request:\n",
        "  pull_request_target:\n",
        "on: expected no pull_request_target, which gives secrets to code of others",
    ),
    ("ci", "make lint\n", "make lnit\n", "lint: run: expected a target of the Makefile, was 'lnit'"),
    ("ci", "make lint\n", "pip install ruff\n", "lint: run: expected make or a script of the repository, was 'pip'"),
    (
        "ci",
        "make lint\n",
        "make ${{ github.head_ref }}\n",
        "lint: run: expected one line without expressions, was 'make ${{ github.head_ref }}'",
    ),
    ("ci", ".ci/run\n", ".ci/run tset\n", "test: run: expected a target of the Makefile, was 'tset'"),
    (
        "ci",
        "run: make lint\n",
        "run: make lint\n        env:\n          KEY: ${{ secrets.PYPI_TOKEN }}\n",
        "lint: secrets: expected none where a pull request starts the job",
    ),
    (
        "ci",
        "python:${{ matrix.python }}-bookworm",
        "somebody/python:latest",
        "test: container: expected python:3.N-bookworm, was 'somebody/python:latest'",
    ),
    ("ci", "    timeout-minutes: 60\n", "", "test: timeout-minutes: expected minutes, found none"),
    (
        "release",
        "    environment: release\n",
        "",
        "publish: permissions: expected no right to write outside of a release, was attestations, contents, id-token",
    ),
    (
        "image",
        "    if: github.event_name == 'push'\n",
        "",
        "push: permissions: expected no right to write outside of a release, was packages",
    ),
    (
        "image",
        "deploy/release/image.sh build",
        "deploy/release/imgae.sh build",
        "build: run: expected make or a script of the repository, was 'deploy/release/imgae.sh'",
    ),
    (
        "ops",
        "make check-deploy\n",
        "make check-deploy --index-url=https://example.org\n",
        "text: expected no address of a registry, was 'https://'",
    ),
]


@pytest.mark.parametrize(("name", "text", "instead", "said"), SEEDED, ids=[said for *_, said in SEEDED])
def test_the_policy_finds_a_seeded_fault(name: str, text: str, instead: str, said: str) -> None:
    before = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    assert text in before
    assert said in list(problems(read(before.replace(text, instead, 1)), ROOT))


@pytest.mark.parametrize("instead", ["actions/checkout@v5", "actions/checkout@08c6903", CHECKOUT.partition(" #")[0]])
def test_an_action_without_digest_and_version_is_found(instead: str) -> None:
    before = (FOLDER / "docs.yml").read_text(encoding="utf-8")
    found = list(problems(read(before.replace(CHECKOUT, instead, 1)), ROOT))
    assert f"uses: expected owner/action@digest # vN.N.N, was '- uses: {instead}'" in found


def test_a_checkout_that_leaves_its_token_is_found() -> None:
    before = (FOLDER / "docs.yml").read_text(encoding="utf-8")
    found = list(problems(read(before.replace("persist-credentials: false", "fetch-depth: 0")), ROOT))
    assert found == [f"{job}: checkout: expected persist-credentials: false" for job in ("reference", "site")]


def test_an_action_has_one_digest_everywhere() -> None:
    used = {
        line.split("uses: ")[1]
        for path in FILES
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses: " in line
    }
    names = [line.partition("@")[0] for line in used]
    assert sorted(names) == sorted(set(names))


def test_tests_run_on_every_python_that_is_allowed() -> None:
    ci = (FOLDER / "ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python: \[(.*)\]", ci)
    assert matrix is not None
    pythons = re.findall(r'"3\.(\d+)"', matrix[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["classifiers"]))
    assert set(named) <= set(pythons)
    assert project["requires-python"] == f">=3.{pythons[0]}"


def test_a_release_waits_for_its_tests_and_every_file_of_it() -> None:
    release = read((FOLDER / "release.yml").read_text(encoding="utf-8"))
    assert release.jobs["publish"]["needs"] == ["test", "wheels", "dist"]
    assert all(
        "check" in str(job.get("needs", "")) for name, job in release.jobs.items() if name not in ("check", "publish")
    )
    attested = [step for step in steps(release.jobs["publish"]) if "attest" in str(step.get("uses", ""))]
    assert [step["with"] for step in attested] == [{"subject-checksums": "dist/SHA256SUMS"}]


def test_scripts_are_clean_by_shellcheck() -> None:
    scripts = [
        *(ROOT / ".github" / "scripts").glob("*.sh"),
        *(ROOT / "deploy" / "release").glob("*.sh"),
        ROOT / ".ci" / "run",
    ]
    done = subprocess.run([BIN / "shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
