"""The image's recipe: linted, pinned, without what does not belong in; the list of what is in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deploy/image/Dockerfile"
SCRIPTS = (*sorted((ROOT / "deploy/image").glob("*.sh")), *sorted((ROOT / "deploy/compose").glob("*.sh")))


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def loaded(path: Path) -> ModuleType:
    """A script of `deploy/`, which is in no package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_dockerfile_is_what_hadolint_wants() -> None:
    told = tool("hadolint", str(DOCKERFILE))
    assert (told.returncode, told.stdout) == (0, "")


def test_hadolint_finds_what_would_be_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(
        DOCKERFILE.read_text(encoding="utf-8").replace(
            'ENTRYPOINT ["/usr/bin/tini", "--", "marketprism"]', "ENTRYPOINT tini marketprism"
        )
    )
    told = tool("hadolint", str(wrong))
    assert told.returncode != 0
    assert "DL3025" in told.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_what_shellcheck_wants(script: Path) -> None:
    told = tool("shellcheck", str(script))
    assert (told.returncode, told.stdout) == (0, "")
    assert script.stat().st_mode & 0o111, script


def test_the_image_ends_as_a_user_without_rights_and_is_asked_lightly() -> None:
    final = DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert "USER 10001:10001" in final
    assert re.search(r'HEALTHCHECK .*CMD \["marketprism", "health", "--ready"\]', final)
    assert "RUN" not in final.replace("# ", ""), "a step of the last stage leaves times of its own in a layer"
    assert not re.search(r"\b(gcc|g\+\+|build-essential|pip)\b", final)


def test_the_context_is_wheels_and_the_recipe_alone() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} == {"!dist", "!dist/wheels", "!deploy", "!deploy/image"}


def test_the_list_of_packages_is_cyclonedx_and_the_same_each_time(tmp_path: Path) -> None:
    sbom = loaded(ROOT / "deploy/image/sbom.py")
    for name, version, more in (
        (
            "marketprism",
            "1.2.3",
            "Requires-Dist: Some_Thing>=2\nRequires-Dist: absent; extra == 'x'\nLicense-Expression: MIT\n",
        ),
        ("some-thing", "2.0", "Classifier: License :: OSI Approved :: BSD License\n"),
    ):
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}")
    text = sbom.document([tmp_path], 1_700_000_000)
    found = json.loads(text)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", found["serialNumber"])
    assert found["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert found["metadata"]["component"]["purl"] == "pkg:pypi/marketprism@1.2.3"
    assert found["metadata"]["component"]["licenses"] == [{"expression": "MIT"}]
    assert [each["purl"] for each in found["components"]] == ["pkg:pypi/some-thing@2.0"]
    assert found["components"][0]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert found["dependencies"][0]["dependsOn"] == ["pkg:pypi/some-thing@2.0"]
    assert sbom.document([tmp_path], 1_700_000_000) == text
    with pytest.raises(LookupError, match="marketprism"):
        sbom.document([tmp_path / "nothing"])


def test_secrets_stay_and_fit_one_another() -> None:
    made = loaded(ROOT / "deploy/compose/make_secrets.py")
    assert made.routes("p").count("node:p@nats-") == len(made.NODES)
    assert "password_sha256_hex" in made.users_xml("p")
    assert ">p<" not in made.users_xml("p")
