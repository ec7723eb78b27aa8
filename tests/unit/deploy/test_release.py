"""Releases: refused by name where there is none to make, in a repository of their own otherwise."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "deploy" / "release"
sys.path.insert(0, str(SCRIPTS))  # scripts, no package: they run before anything is installed
sys.path.insert(0, str(ROOT / "deploy" / "core"))
import build_version  # noqa: E402
import changelog  # noqa: E402
import image_tags  # noqa: E402
import release as release_script  # noqa: E402
import statements  # noqa: E402
import version_number  # noqa: E402

CHANGELOG = """# Changelog

## Unreleased

### Added
- Ticks at night.
- Bars.

### Fixed
- A gap.

## 0.1.0 - 2026-01-02

### Added
- Everything.
"""
PYPROJECT = """[tool.hatch.version]
path = "shared.py"
pattern = 'VERSION = "(?P<version>[^"]+)"'
"""


def git(tree: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", tree, *who, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def release(tree: Path, *arguments: str) -> tuple[int, str, str]:
    said, refused = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(refused):
        code = release_script.main(["--root", str(tree), *arguments])
    return code, said.getvalue().strip(), refused.getvalue().strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository that was released once, with something new in it."""
    made = tmp_path / "tree"
    made.mkdir()
    (made / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    (made / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (made / "shared.py").write_text('"""Ours."""\n\nVERSION = "0.1.0"\n', encoding="utf-8")
    (made / "constraints.txt").write_text("msgspec==0.20.0\nnats-py==2.12.0\n", encoding="utf-8")
    git(made, "init", "--quiet", "--initial-branch=main")
    git(made, "config", "user.name", "A")
    git(made, "config", "user.email", "a@example.org")
    git(made, "add", "-A")
    git(made, "commit", "--quiet", "-m", "first")
    git(made, "tag", "v0.1.0")
    return made


def test_a_release_is_a_commit_with_its_section_version_and_tag(tree: Path) -> None:
    assert release(tree, "prepare", "0.2.0") == (
        0,
        "v0.2.0: committed and tagged; push with: git push --follow-tags",
        "",
    )
    assert git(tree, "status", "--porcelain") == ""
    assert git(tree, "log", "-1", "--format=%s") == "release: 0.2.0"
    assert git(tree, "cat-file", "-t", "v0.2.0") == "tag"
    text = (tree / "CHANGELOG.md").read_text(encoding="utf-8")
    day = git(tree, "log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%d")
    head = "# Changelog\n\n## Unreleased\n\n"
    assert text == CHANGELOG.replace("# Changelog\n\n## Unreleased\n", f"{head}## 0.2.0 - {day}\n")
    assert release(tree, "notes", "v0.2.0")[1].splitlines() == [
        "### Added",
        "- Ticks at night.",
        "- Bars.",
        "",
        "### Fixed",
        "- A gap.",
    ]
    assert release(tree, "check", "v0.2.0") == (0, "0.2.0: the tree is what the tag says", "")
    again = release(tree, "prepare", "0.3.0")
    assert again == (2, "", "release: CHANGELOG.md: expected entries under '## Unreleased', found none")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.2", "version: expected one of SemVer, as 0.2.0 or 1.0.0-rc.1 (alpha, beta, rc), was '0.2'"),
        ("v0.2.0", "version: expected one of SemVer, as 0.2.0 or 1.0.0-rc.1 (alpha, beta, rc), was 'v0.2.0'"),
        ("0.02.0", "version: expected one of SemVer, as 0.2.0 or 1.0.0-rc.1 (alpha, beta, rc), was '0.02.0'"),
        (
            "0.2.0-nightly",
            "version: expected one of SemVer, as 0.2.0 or 1.0.0-rc.1 (alpha, beta, rc), was '0.2.0-nightly'",
        ),
        ("0.1.0", "version: expected one newer than 0.1.0, was 0.1.0"),
        ("0.0.9", "version: expected one newer than 0.1.0, was 0.0.9"),
        ("0.1.0-rc.1", "version: expected one newer than 0.1.0, was 0.1.0-rc.1"),
    ],
)
def test_a_version_that_is_none_or_not_newer_is_refused(tree: Path, version: str, said: str) -> None:
    before = git(tree, "rev-parse", "HEAD")
    assert release(tree, "prepare", version) == (2, "", f"release: {said}")
    assert (git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain")) == (before, "")


def test_a_tree_with_changes_is_refused_and_they_stay(tree: Path) -> None:
    (tree / "new.py").write_text("", encoding="utf-8")
    expected = (2, "", "release: tree: expected no uncommitted changes, found 1, as new.py")
    assert release(tree, "prepare", "0.2.0") == expected
    assert (tree / "new.py").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "## Unreleased\n\n### Added\n- Ticks at night.\n- Bars.\n\n### Fixed\n- A gap.\n",
            "## Unreleased\n",
            "expected entries under '## Unreleased', found none",
        ),
        ("## Unreleased\n", "## Next\n", "expected '## VERSION - YYYY-MM-DD', was '## Next'"),
        ("### Fixed\n- A gap.\n", "### Fixed\n", "expected entries under '### Fixed', found none"),
        (
            "### Fixed\n",
            "### Mended\n",
            "expected groups Added, Changed, Deprecated, Removed, Fixed, Security, was '### Mended'",
        ),
        ("## 0.1.0 - 2026-01-02", "## 0.1.0", "expected '## VERSION - YYYY-MM-DD', was '## 0.1.0'"),
        ("## 0.1.0 - 2026-01-02", "## Unreleased", "expected each section once, '## Unreleased' stands twice"),
    ],
)
def test_a_changelog_that_says_nothing_is_refused(tree: Path, old: str, new: str, said: str) -> None:
    assert old in CHANGELOG
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace(old, new), encoding="utf-8")
    git(tree, "commit", "--quiet", "--all", "-m", "changed")
    assert release(tree, "prepare", "0.2.0") == (2, "", f"release: CHANGELOG.md: {said}")


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("0.1.0", "tag: expected v and a version, was '0.1.0'"),
        ("v0.2.0", "tag: expected v0.1.0, which the tree is, was v0.2.0"),
        ("v1", "version: expected one of SemVer, as 0.2.0 or 1.0.0-rc.1 (alpha, beta, rc), was '1'"),
    ],
)
def test_a_tag_that_the_tree_is_not_is_refused(tree: Path, tag: str, said: str) -> None:
    assert release(tree, "check", tag) == (2, "", f"release: {said}")


DEPLOYED = {
    "compose/compose.yaml": "image: ${MARKETPRISM_IMAGE:-marketprism:0.1.0-full}\n",
    "compose/prepare.sh": "image=${1:-${MARKETPRISM_IMAGE:-marketprism:0.1.0-full}}\n",
    "kubernetes/kustomization.yaml": "  - {name: marketprism, newTag: 0.1.0-slim}\n  - {name: nats, newTag: 0.1.0-alpine}\n",
}


@pytest.mark.parametrize("version", ["0.2.0", "1.0.0-rc.1"])
def test_what_is_deployed_asks_for_the_images_of_the_release(tree: Path, version: str) -> None:
    for name, text in DEPLOYED.items():
        path = tree / "deploy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(tree, "add", "-A")
    git(tree, "commit", "--quiet", "-m", "deployed")
    assert release(tree, "prepare", version)[0] == 0
    assert git(tree, "status", "--porcelain") == ""
    for name, text in DEPLOYED.items():
        wanted = text.replace("0.1.0-full", f"{version}-full").replace("0.1.0-slim", f"{version}-slim")
        assert (tree / "deploy" / name).read_text(encoding="utf-8") == wanted
    assert release(tree, "check", f"v{version}")[0] == 0
    path = tree / "deploy" / "kubernetes" / "kustomization.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(version, "0.1.9"), encoding="utf-8")
    said = f"release: deploy/kubernetes/kustomization.yaml: expected an image of {version}, as the tree is, was 0.1.9"
    assert release(tree, "check", f"v{version}") == (2, "", said)


def test_images_of_this_tree_are_those_of_its_version() -> None:
    image_tags.check(ROOT, version_number.current(ROOT))
    assert len(image_tags.places(ROOT)) == 4


def dist(folder: Path, requirements: Sequence[str] = ("msgspec>=0.20", "rich>=13; extra == 'server'")) -> Path:
    """What a build leaves: a wheel that says what it needs, and a source."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "marketprism-0.1.0-py3-none-any.whl", "w") as wheel:
        lines = [
            "Metadata-Version: 2.4",
            "Name: marketprism",
            "Version: 0.1.0",
            *(f"Requires-Dist: {each}" for each in requirements),
        ]
        wheel.writestr("marketprism-0.1.0.dist-info/METADATA", "\n".join(lines) + "\n\nText\n")
    (folder / "marketprism-0.1.0.tar.gz").write_bytes(b"source")
    return folder


def test_files_of_a_release_have_sums_an_sbom_and_a_provenance(tree: Path, tmp_path: Path) -> None:
    folder = dist(
        tmp_path / "dist",
        ["msgspec>=0.20", "rich>=13; extra == 'server'", "rich>=13; extra == 'all'", "ruff; extra == 'dev'"],
    )
    assert release(tree, "files", "--into", str(folder))[:2] == (0, "4 files agree with their sums")
    bill = json.loads((folder / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert [(each["purl"], each["scope"]) for each in bill["components"]] == [
        ("pkg:pypi/msgspec@0.20.0", "required"),
        ("pkg:pypi/rich", "optional"),
    ]
    assert bill["components"][1]["properties"][1] == {"name": "marketprism:extras", "value": "all,server"}
    made = json.loads((folder / "provenance.intoto.json").read_text(encoding="utf-8"))
    assert {each["name"] for each in made["subject"]} == {
        "marketprism-0.1.0-py3-none-any.whl",
        "marketprism-0.1.0.tar.gz",
    }
    built = made["predicate"]["buildDefinition"]
    assert built["resolvedDependencies"][0]["digest"] == {"gitCommit": git(tree, "rev-parse", "HEAD")}
    assert (made["_type"], made["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert checked.returncode == 0
    assert release(tree, "files", "--into", str(folder))[0] == 0  # once more gives the same


def test_a_second_distribution_is_released_with_the_first_and_has_an_sbom_of_its_own(
    tree: Path, tmp_path: Path
) -> None:
    place = tree / "sdk" / "vnpy_marketprism"
    place.mkdir(parents=True)
    (place / "pyproject.toml").write_text('[project]\nname = "vnpy_marketprism"\nversion = "0.1.0"\n', encoding="utf-8")
    git(tree, "add", "-A")
    git(tree, "commit", "--quiet", "-m", "second")
    assert release(tree, "prepare", "0.2.0")[0] == 0
    assert version_number.current(place) == version_number.current(tree) == version_number.parse("0.2.0")
    assert git(tree, "status", "--porcelain") == ""
    assert release(tree, "check", "v0.2.0")[0] == 0
    folder = dist(tmp_path / "dist")
    with zipfile.ZipFile(folder / "vnpy_marketprism-0.2.0-py3-none-any.whl", "w") as wheel:
        lines = ["Metadata-Version: 2.4", "Name: vnpy_marketprism", "Version: 0.2.0", "Requires-Dist: marketprism>=0.2"]
        wheel.writestr("vnpy_marketprism-0.2.0.dist-info/METADATA", "\n".join(lines) + "\n\nText\n")
    assert release(tree, "files", "--into", str(folder))[:2] == (0, "6 files agree with their sums")
    bill = json.loads((folder / "sbom-vnpy_marketprism.cdx.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in bill["components"]] == ["marketprism"]
    assert (
        json.loads((folder / "sbom.cdx.json").read_text(encoding="utf-8"))["metadata"]["component"]["name"]
        == "marketprism"
    )
    made = json.loads((folder / "provenance.intoto.json").read_text(encoding="utf-8"))["predicate"]["buildDefinition"]
    assert "sdk/vnpy_marketprism/pyproject.toml" in [each.get("name") for each in made["resolvedDependencies"]]
    (place / "pyproject.toml").write_text('[project]\nname = "vnpy_marketprism"\nversion = "0.3.0"\n', encoding="utf-8")
    said = "release: sdk/vnpy_marketprism: expected 0.2.0, as the whole tree, was 0.3.0"
    assert release(tree, "check", "v0.2.0") == (2, "", said)


def test_what_is_built_is_the_version_of_its_tag_and_else_of_its_commit(tree: Path) -> None:
    (tree / "pyproject.toml").write_text(PYPROJECT.replace("hatch", "marketprism"), encoding="utf-8")
    git(tree, "commit", "--quiet", "--all", "-m", "build")
    commit = git(tree, "log", "-1", "--format=%h", "--abbrev=9")
    assert re.fullmatch(rf"0\.1\.1\.dev\d{{12}}\+g{commit}", build_version.version(tree)), "0.1.0 was released"
    assert release(tree, "prepare", "1.0.0-rc.1")[0] == 0
    assert build_version.version(tree) == "1.0.0-rc.1"
    (tree / "shared.py").write_text('VERSION = "1.0.0-rc.1"\n', encoding="utf-8")
    assert re.fullmatch(r"1\.0\.0-rc\.2\.dev\d{12}\+g[0-9a-f]{9}\.dirty", build_version.version(tree))
    (tree / ".git").rename(tree.parent / "git")
    assert build_version.version(tree) == "1.0.0-rc.1", "an archive is what the tree says"
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: marketprism\nVersion: 7.0\n", encoding="utf-8")
    assert build_version.version(tree) == "7.0", "a source distribution has its version with it"


def test_a_file_that_was_changed_added_or_taken_away_is_found(tree: Path, tmp_path: Path) -> None:
    folder = dist(tmp_path / "dist")
    assert release(tree, "files", "--into", str(folder))[0] == 0
    for name, change, said in (
        (
            "flipped",
            lambda place: (place / "marketprism-0.1.0.tar.gz").write_bytes(b"sourcf"),
            "marketprism-0.1.0.tar.gz: expected sha256 ",
        ),
        ("added", lambda place: (place / "evil.whl").write_bytes(b""), "SHA256SUMS: expected evil.whl, "),
        ("gone", lambda place: (place / "sbom.cdx.json").unlink(), "gone: expected sbom.cdx.json in it, found none"),
    ):
        place = tmp_path / name
        shutil.copytree(folder, place)
        change(place)
        code, _, error = release(tree, "verify", str(place))
        assert (code, error.startswith(f"release: {said}")) == (2, True), error


def test_a_folder_without_wheel_is_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    expected = (2, "", "release: dist: expected a pure wheel and a source, found nothing")
    assert release(tree, "files", "--into", str(tmp_path / "dist")) == expected


def test_this_trees_changelog_could_be_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.unreleased(text)
    assert version_number.current(ROOT) >= max(changelog.releases(text), default=version_number.current(ROOT))
    assert len(statements.pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))) > 100


_NUMBER = st.integers(0, 30)
_VERSION = st.tuples(_NUMBER, _NUMBER, _NUMBER, st.sampled_from(["", "-alpha", "-beta", "-rc"]), _NUMBER)


@given(st.lists(_VERSION, min_size=2, max_size=6))
@settings(max_examples=60)
def test_versions_are_ordered_as_semver_says(drawn: list[tuple[int, int, int, str, int]]) -> None:
    texts = [f"{a}.{b}.{c}" + (f"{kind}.{n}" if kind else "") for a, b, c, kind, n in drawn]
    parsed = sorted(map(version_number.parse, texts))
    assert sorted(map(str, parsed)) == sorted(texts)
    order = {"-alpha": 0, "-beta": 1, "-rc": 2, "": 3}
    plain = sorted((a, b, c, order[kind], n if kind else 0) for a, b, c, kind, n in drawn)
    for (one, two), (left, right) in zip(pairwise(parsed), pairwise(plain), strict=True):
        assert (one < two) == (left < right)


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("image.sh", ["puhs"], "image.sh: expected build or push, was 'puhs'"),
        ("image.sh", ["push"], "image.sh: TAG: expected v and a version, was ''"),
        ("publish.sh", [], "publish.sh: TAG: expected v and a version, was ''"),
    ],
)
def test_scripts_refuse_by_name(script: str, arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [SCRIPTS / script, *arguments], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (2, said)
