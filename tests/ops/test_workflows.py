"""Steps of workflows, done here in a copy of the tree; a seeded fault fails the job that is there for it, and no other.

What a step `uses` is left out, and so are jobs that install for minutes or run the whole suite: `.ci/run` is the gate
itself, and `make lint` passes there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.workflows import Done, do, read

pytestmark = [pytest.mark.ops, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
VENV = Path(sys.prefix)


def git(tree: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", "-C", tree, *who, *arguments], check=True, capture_output=True, text=True).stdout


def copied(folder: Path) -> Path:
    """The tree as it lies here, committed in a repository of its own."""
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "-m", "as it is")
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def faulty(tree: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tree, tmp_path / "tree"))


def run(tree: Path, workflow: str, job: str, **more: str) -> list[Done]:
    """The steps of a job, with the environment of these tests in place of one that is installed anew."""
    layers = ("domain", "application", "adapters", "services", "sdk", "console", "")
    environment = {
        **{name: os.environ[name] for name in ("HOME", "LANG", "MARKETPRISM_FIXTURES") if name in os.environ},
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "VENV": str(VENV),
        "PYTHON": sys.executable,
        "PYTHONPATH": ":".join(str(tree / layer) for layer in layers),
        "MAKEFLAGS": f"--old-file={VENV}/.ready-dev",
        **more,
    }
    text = (tree / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
    done = do(read(text).jobs[job], tree, environment)
    assert done
    return done


def passes(done: list[Done]) -> bool:
    return all(step.code == 0 for step in done)


def change(tree: Path, name: str, old: str, new: str) -> None:
    text = (tree / name).read_text(encoding="utf-8")
    assert old in text
    (tree / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    git(tree, "commit", "--quiet", "--all", "-m", "seeded")


@pytest.mark.parametrize(("workflow", "job"), [("ops", "static"), ("docs", "reference")])
def test_the_steps_of_a_cheap_job_pass_here(workflow: str, job: str, tree: Path) -> None:
    done = run(tree, workflow, job)
    assert passes(done), "\n".join(f"{step.run}: {step.code}\n{step.output[-3000:]}" for step in done)


def test_the_check_of_a_tag_passes_for_the_release_and_fails_for_another(faulty: Path) -> None:
    prepare = [sys.executable, "deploy/release/release.py", "prepare", "0.2.0"]
    git(faulty, "config", "user.name", "A")
    git(faulty, "config", "user.email", "a@example.org")
    subprocess.run(prepare, cwd=faulty, check=True, capture_output=True)
    assert passes(run(faulty, "release", "check", TAG="v0.2.0"))
    wrong = run(faulty, "release", "check", TAG="v0.2.1")
    assert (wrong[-1].run, wrong[-1].code) == ("make release-check", 2)
    assert "tag: expected v0.2.0, which the tree is, was v0.2.1" in wrong[-1].output


@pytest.mark.parametrize(
    ("name", "old", "new", "workflow", "job", "step", "said"),
    [
        ("sdk/marketprism_sdk/clock.py", "import ", "import colorsys\nimport ", "ci", "lint", "make lint", "F401"),
        (
            "deploy/systemd/marketprism@.service",
            "NoNewPrivileges=yes\n",
            "",
            "ops",
            "static",
            "make check-deploy",
            "NoNewPrivileges: expected 'yes', was None",
        ),
        (
            ".github/workflows/ci.yml",
            "make lint\n",
            "pip install ruff\n",
            "ops",
            "static",
            "make check-deploy",
            "run: expected make or a script of the repository, was 'pip'",
        ),
        (
            "docs/settings.md",
            "| ",
            "| of yesterday ",
            "docs",
            "reference",
            ".github/scripts/unchanged.sh",
            "docs/settings.md",
        ),
    ],
    ids=["unused import", "unit without a guard", "step that is no target", "page by hand"],
)
def test_a_seeded_fault_fails_its_job(
    name: str, old: str, new: str, workflow: str, job: str, step: str, said: str, faulty: Path
) -> None:
    change(faulty, name, old, new)
    done = run(faulty, workflow, job)
    assert done[-1].run == step
    assert done[-1].code != 0
    assert said in done[-1].output
