"""A release, step by step (docs/releasing.md):

release.py prepare VERSION [--dry-run]   version, images, CHANGELOG, commit and tag; a dry run does all in a copy
release.py check TAG                     whether the tree is what the tag says
release.py notes VERSION                 what the release says of itself
release.py build [--into dist]           source and wheel
release.py files [--into dist]           sums, SBOM and provenance of everything that lies there
release.py verify FOLDER                 whether they agree with the files
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import artifacts
import changelog
import image_tags
import statements
import version_number
from version_number import Refused, Version

ROOT = Path(__file__).resolve().parents[2]
_PRODUCT = "marketprism"
_MATERIALS = ("constraints.txt", "pyproject.toml")


def newest(root: Path) -> Version | None:
    """Of the tags and the sections of CHANGELOG.md; None before the first release."""
    tags = [tag.removeprefix("v") for tag in artifacts.git(root, "tag", "--list", "v[0-9]*").splitlines()]
    named = changelog.releases((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    return max([*map(version_number.parse, tags), *named], default=None)


def prepare(root: Path, text: str, when: int) -> Version:
    """Make the tree the release, as of a time in seconds: a commit and its tag. Nothing is changed where it is refused.

    Raises:
        Refused: no version, none that is newer, uncommitted changes, or nothing to release.
    """
    version = version_number.parse(text)
    if dirty := artifacts.git(root, "status", "--porcelain"):
        first = dirty.splitlines()[0].split(maxsplit=1)[1]
        raise Refused(f"tree: expected no uncommitted changes, found {len(dirty.splitlines())}, as {first}")
    before, here = newest(root), version_number.current(root)
    if before is not None and version <= before:
        raise Refused(f"version: expected one newer than {before}, was {version}")
    if version < here:
        raise Refused(f"version: expected {here}, which the tree is, or a newer one, was {version}")
    path = root / "CHANGELOG.md"
    today = datetime.fromtimestamp(when, UTC).date()
    after = changelog.released(path.read_text(encoding="utf-8"), version, today)
    path.write_text(after, encoding="utf-8")
    changed = [path, *(version_number.write(each, version) for each in artifacts.distributions(root))]
    changed += image_tags.write(root, version)
    artifacts.git(root, "add", "--", *map(str, changed))
    artifacts.git(root, "commit", "--quiet", "-m", f"release: {version}", when=when)
    artifacts.git(root, "tag", "--annotate", f"v{version}", "-m", f"MarketPrism {version}", when=when)
    return version


def check(root: Path, tag: str) -> Version:
    """The version of a tag that the tree is.

    Raises:
        Refused: they are not the same, what is deployed asks for another image, or CHANGELOG.md does not know it.
    """
    if not tag.startswith("v"):
        raise Refused(f"tag: expected v and a version, was {tag!r}")
    version, here = version_number.parse(tag[1:]), version_number.current(root)
    if version != here:
        raise Refused(f"tag: expected v{here}, which the tree is, was {tag}")
    for project in artifacts.distributions(root)[1:]:
        if (other := version_number.current(project)) != version:
            raise Refused(f"{project.relative_to(root)}: expected {version}, as the whole tree, was {other}")
    image_tags.check(root, version)
    changelog.notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    return version


def files(root: Path, folder: Path) -> list[str]:
    """Write sums, SBOM and provenance of the wheels and the source in a folder, and look whether they agree.

    Raises:
        Refused: there is no wheel or no source.
    """
    made = sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])
    pure = [path for path in made if path.name.endswith("-py3-none-any.whl")]
    wheel = next((path for path in pure if path.name.startswith(f"{_PRODUCT}-")), None)
    if wheel is None or not any(path.name.endswith(".tar.gz") for path in made):
        found = ", ".join(path.name for path in made) or "nothing"
        raise Refused(f"{folder.name}: expected a pure wheel and a source, found {found}")
    when, version = artifacts.time_of(root), str(version_number.current(root))
    tested = statements.pins((root / "constraints.txt").read_text(encoding="utf-8"))
    others = (path / "pyproject.toml" for path in artifacts.distributions(root)[1:])
    names = [*_MATERIALS, *(path.relative_to(root).as_posix() for path in others)]
    materials = {name: statements.sum_of(root / name) for name in names}
    commit = artifacts.git(root, "rev-parse", "HEAD")
    listed = [folder / statements.PROVENANCE]
    listed[0].write_text(statements.provenance(made, materials, commit, version, when), encoding="utf-8")
    for each in pure:
        name = statements.SBOM if each == wheel else statements.sbom_of(each)
        listed.append(folder / name)
        listed[-1].write_text(statements.sbom(each, tested, when), encoding="utf-8")
    (folder / statements.SUMS).write_text(statements.sums([*made, *listed]), encoding="utf-8")
    return statements.check(folder)


def rehearse(root: Path, text: str, into: Path) -> Version:
    """Everything that a release does but publishing, in a copy of the repository; what is built comes into a folder,
    the notes beside it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        artifacts.git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(copy))
        if dirty := artifacts.git(root, "status", "--porcelain"):
            raise Refused(f"tree: expected no uncommitted changes, found {len(dirty.splitlines())}")
        for name in ("user.name", "user.email"):
            artifacts.git(copy, "config", name, artifacts.git(root, "config", name))
        version = prepare(copy, text, artifacts.time_of(root))  # two rehearsals of one commit give the same bytes
        check(copy, f"v{version}")
        artifacts.build(copy, into, Path(folder) / "tools")
        files(copy, into)
        notes = changelog.notes((copy / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        into.with_name(f"{into.name}-notes.md").write_text(notes, encoding="utf-8")
    return version


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree; without, this one")
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("prepare")
    step.add_argument("version")
    step.add_argument("--dry-run", action="store_true")
    step.add_argument("--into", type=Path, default=Path(".build/rehearsal"))
    steps.add_parser("check").add_argument("tag")
    steps.add_parser("notes").add_argument("version")
    for name in ("build", "files"):
        steps.add_parser(name).add_argument("--into", type=Path, default=Path("dist"))
    steps.add_parser("verify").add_argument("folder", type=Path)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is done, 2 where it is refused."""
    given = _arguments().parse_args(arguments)
    root: Path = given.root.resolve()
    try:
        if given.step == "prepare" and given.dry_run:
            into = given.into.resolve()
            print(f"v{rehearse(root, given.version, into)}: rehearsed, nothing is changed here; see {into}")
        elif given.step == "prepare":
            version = prepare(root, given.version, int(time.time()))
            print(f"v{version}: committed and tagged; push with: git push --follow-tags")
        elif given.step == "check":
            print(f"{check(root, given.tag)}: the tree is what the tag says")
        elif given.step == "notes":
            text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
            print(changelog.notes(text, version_number.parse(given.version.removeprefix("v"))), end="")
        elif given.step == "build":
            for path in artifacts.build(root, given.into.resolve(), root / ".build" / "release-tools"):
                print(path)
        else:
            folder = given.into if given.step == "files" else given.folder
            names = files(root, folder.resolve()) if given.step == "files" else statements.check(folder.resolve())
            print(f"{len(names)} files agree with their sums")
    except Refused as reason:
        print(f"release: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
