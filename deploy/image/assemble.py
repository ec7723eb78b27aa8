"""The product's layer of the image: everything below one folder, as it will lie below `/`.

Runs in the build stage alone, with the standard library. The same wheels, the same Python and the same epoch give the
same bytes: no file has a time, an order or a path of the machine that built it.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import sbom

VENV = Path("/opt/marketprism")
USER = 10001
EXTRAS = {
    "slim": "server,backup",
    "full": "server,backup,embedded,native,nkeys,otlp",
}
OWNED = ("var/lib/marketprism", "data")
# Of packages that are installed whole: what nobody loads at run time.
_FOLDERS = (
    "numpy/*/tests", "numpy/tests", "numpy/*/*/tests", "numpy/f2py", "numpy/_core/include", "numpy/_core/lib",
    "numpy/testing/tests", "pandas/tests", "pyarrow/tests", "pyarrow/include", "pyarrow/src", "pyarrow/includes",
)  # fmt: skip
_FILES = (
    "*/*.pyx", "*/*.pxd", "*/*.pxi", "*/**/*.pyx", "*/**/*.pxd", "*/**/*.h", "*/**/*.hpp", "*/**/*.c", "*/**/*.cpp",
    "*/**/*.a", "*/**/*.lib", "*/**/*.pyi",
    # Arrow's server and its own tests: no module of ours loads them.
    "pyarrow/libarrow_flight.so*", "pyarrow/_flight*.so", "pyarrow/libarrow_python_flight.so*",
    "pyarrow/_pyarrow_cpp_tests*.so",
)  # fmt: skip


def install(variant: str, wheels: Path) -> None:
    """A virtual environment of the wheels alone, without what installed it. Raises CalledProcessError."""
    _run(sys.executable, "-m", "venv", VENV)
    pip = (VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir")
    wanted = f"marketprism[{EXTRAS[variant]}]"
    _run(*pip, "install", "-q", "--no-index", "--find-links", wheels, "--no-compile", wanted)
    _run(*pip, "uninstall", "-q", "-y", "pip", "setuptools")


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)  # noqa: S603 (our own words)


def site_packages() -> Path:
    """Where the packages lie."""
    return next(VENV.glob("lib/python3*/site-packages"))


def prune(site: Path) -> None:
    """Take away tests, headers and sources of compiled modules."""
    for pattern in _FOLDERS:
        for folder in sorted(site.glob(pattern)):
            shutil.rmtree(folder)
    for pattern in _FILES:
        for path in sorted(site.glob(pattern)):
            path.unlink(missing_ok=True)
    for pattern in ("activate*", "Activate*", "pip*"):
        for path in (VENV / "bin").glob(pattern):
            path.unlink()


def link_equals(folder: Path) -> None:
    """Libraries that a wheel holds under several names become links to the one with the longest: wheels have none."""
    seen: dict[bytes, Path] = {}
    for path in sorted(folder.glob("*.so*"), key=lambda each: (-len(each.name), each.name)):
        first = seen.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
        if first is not path:
            path.unlink()
            path.symlink_to(first.name)


def check() -> None:
    """Load what is heavy and has libraries of its own, as services do. Raises CalledProcessError: a library is missing,
    of the base or by what was taken away."""
    wanted = "numpy, pyarrow.compute, pyarrow.csv, pyarrow.dataset, pyarrow.feather, pyarrow.fs, pyarrow.parquet"
    _run(VENV / "bin/python", "-c", f"import {wanted}, uvloop, picows, cryptography.x509, psutil, msgspec, pyrage")
    _run(VENV / "bin/marketprism", "--help")
    _run(VENV / "bin/nats-server", "--version")


def compile_all(site: Path) -> None:
    """Compile every module: a read-only file system keeps none. Files are not compared with their sources again."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for top in sorted(site.iterdir()):
        if top.is_dir():
            compileall.compile_dir(top, quiet=2, force=True, invalidation_mode=mode)
        elif top.suffix == ".py":
            compileall.compile_file(top, quiet=2, force=True, invalidation_mode=mode)


def lay_out(root: Path, epoch: int) -> None:
    """Move the environment below `root`, with the user, its folders and tini, and give everything one time."""
    (root / "opt").mkdir(parents=True)
    shutil.move(VENV, root / "opt")
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy2(shutil.which("tini") or "/usr/bin/tini", root / "usr/bin/tini")
    (root / "etc").mkdir()
    for name, line in (("passwd", f"{USER}:{USER}::/var/lib/marketprism:/usr/sbin/nologin"), ("group", f"{USER}:")):
        there = Path("/etc", name).read_text(encoding="utf-8")
        (root / "etc" / name).write_text(f"{there}marketprism:x:{line}\n", encoding="utf-8")
    for name in OWNED:
        (root / name).mkdir(parents=True)
        os.chown(root / name, USER, USER)
        (root / name).chmod(0o750)
    for path in (*root.rglob("*"), root):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def main() -> None:
    """Entry point of the build stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=sorted(EXTRAS), required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epoch", type=int, default=0)
    given = parser.parse_args()
    install(given.variant, given.wheels)
    site = site_packages()
    prune(site)
    link_equals(site / "pyarrow")
    check()
    compile_all(site)
    (VENV / "sbom.cdx.json").write_text(sbom.document([site], given.epoch), encoding="utf-8")
    lay_out(given.root, given.epoch)


if __name__ == "__main__":
    main()
