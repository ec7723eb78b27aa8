"""Compile the modules of the domain that every tick goes through (`[tool.marketprism.compiled]`), by mypyc.

    python core_build.py tree      compile into .build/compiled/<digest>, for this tree
    python core_build.py path      print that folder where it is there and fits the sources; it goes first on PYTHONPATH

`hatch_build.py` puts the same modules into wheels. All of them are compiled or none is: a build is made aside, tried,
and only then put where it is looked for. What is missing (compiler, headers, mypy) is said, and pure Python runs.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "domain"
PACKAGE = "marketprism_domain"
GROUP = "marketprism_core"  # name of the library that holds all of them
MAKING = "making-"  # folders in which another build may be at work
NEEDS = ("mypy>=1.14", "setuptools>=65")


class NotCompiled(Exception):
    """Why there is no compiled core, in a sentence."""


def modules() -> tuple[str, ...]:
    """Names of the modules that are compiled."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["marketprism"]["compiled"]["modules"]
    return tuple(listed)


def has_compiler() -> bool:
    """Whether the compiler that this Python was made with, or a `cc`, can be called."""
    named = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(named) is not None


def digest_of(package: Path) -> str:
    """Of every source of the package and of this Python: compiled code holds numbers and layouts of others, too."""
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def tree_folder() -> Path:
    """Where the compiled modules of this tree, as it is now, are or would be."""
    return ROOT / ".build" / "compiled" / digest_of(SOURCES / PACKAGE)


def compile_into(folder: Path) -> list[Path]:
    """Compile a copy of the sources in `folder`; paths of what was made, relative to it.

    Raises:
        NotCompiled: something is missing, a module does not compile, or what was made does not load.
    """
    if not has_compiler():
        raise NotCompiled("no C compiler was found")
    shutil.copytree(SOURCES / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    made = _run([sys.executable, str(Path(__file__).resolve()), "here"], folder, environment)
    if made.returncode:
        raise NotCompiled(_reason(made.stdout + made.stderr))
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    libraries = [Path(f"{GROUP}__mypyc{suffix}"), *(Path(name.replace(".", "/") + suffix) for name in modules())]
    missing = [str(path) for path in libraries if not (folder / path).is_file()]
    if missing:
        raise NotCompiled(f"the build did not make {', '.join(missing)}")
    imports = f"import sys; sys.path.insert(0, '.'); import {', '.join(modules())}"
    tried = _run([sys.executable, "-P", "-c", imports], folder, environment)
    if tried.returncode:
        raise NotCompiled(f"it does not load: {_reason(tried.stderr)}")
    shutil.rmtree(folder / "build", ignore_errors=True)
    return libraries


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no reason was given"])[0]


def build_here() -> None:
    """Compile the modules beside their sources in the current folder; run in a process of its own."""
    from mypyc.build import mypycify  # noqa: PLC0415 (only where something is compiled)
    from setuptools import setup  # noqa: PLC0415

    paths = [name.replace(".", "/") + ".py" for name in modules()]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    os.environ["MYPYPATH"] = "."
    extensions = mypycify([f"--python-version={version}", "--config-file=", *paths], group_name=GROUP, debug_level="0")
    if sysconfig.get_platform()[:3] != "win":
        for extension in extensions:
            extension.extra_compile_args.append("-ffp-contract=off")  # estimates are those of Python, to the last bit
    setup(name=GROUP, ext_modules=extensions, script_args=["--quiet", "build_ext", "--inplace"], packages=[])


CHOICE = '''"""{docstring}"""

# Made by core_build.py: this folder holds the package with its compiled modules.
import hashlib as _hashlib
import sys as _sys
from pathlib import Path as _Path

{digest_of}

_source = _Path({source!r})
if _digest_of(_source) != {digest!r}:
    print("marketprism: sources are newer than the compiled core: pure Python runs (make compiled)", file=_sys.stderr)
    __path__ = [str(_source)]
'''


def build_tree() -> Path:
    """The folder of this tree's compiled modules, made where it is not there yet.

    Raises:
        NotCompiled: there is none, and pure Python runs.
    """
    target = tree_folder()
    if (target / PACKAGE).is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=MAKING, dir=target.parent) as made:
        folder = Path(made) / target.name
        folder.mkdir()
        compile_into(folder)
        _write_choice(folder / PACKAGE / "__init__.py", target.name)
        folder.rename(target)
    for other in target.parent.iterdir():
        if other != target and not other.name.startswith(MAKING):
            shutil.rmtree(other, ignore_errors=True)
    return target


def _write_choice(init: Path, digest: str) -> None:
    """Sources that were changed since are never served by what was compiled before."""
    docstring = init.read_text().strip().strip('"')
    function = re.sub(r"\b(hashlib|sys|Path|digest_of)\b", r"_\1", inspect.getsource(digest_of))
    source = str(SOURCES / PACKAGE)
    init.write_text(CHOICE.format(docstring=docstring, digest_of=function.strip(), source=source, digest=digest))


def main(command: str) -> int:
    """Exit status of a command."""
    if command == "here":
        build_here()
        return 0
    if command == "path":
        folder = tree_folder()
        if (folder / PACKAGE).is_dir():
            print(folder)
        elif folder.parent.is_dir() and any(folder.parent.iterdir()):
            print("sources are newer than the compiled core: pure Python runs (make compiled)", file=sys.stderr)
        return 0
    try:
        print(f"compiled: {build_tree()}")
    except NotCompiled as reason:
        print(f"no compiled core, pure Python runs: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["tree"]))
