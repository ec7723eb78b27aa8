"""Puts the compiled core into wheels, where a compiler and mypy are there; else the wheel is pure Python.

`MARKETPRISM_COMPILED=0` builds a pure wheel, `=1` fails where the core cannot be compiled. Editable installs are pure
always: they read the tree, see `make compiled`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
import core_build

WANTED = os.environ.get("MARKETPRISM_COMPILED", "")


class CompiledCore(BuildHookInterface[Any]):
    """Compiles when a wheel is built."""

    def dependencies(self) -> list[str]:
        """What a build needs besides, where there is something to compile with."""
        return list(core_build.NEEDS) if WANTED != "0" and core_build.has_compiler() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled modules, and the tag of this Python and platform.

        Raises:
            NotCompiled: `MARKETPRISM_COMPILED=1`, and it cannot be done.
        """
        if self.target_name != "wheel" or version == "editable" or WANTED == "0":
            return
        self._made = tempfile.TemporaryDirectory()
        folder = Path(self._made.name) / "core"
        folder.mkdir()
        try:
            libraries = core_build.compile_into(folder)
        except core_build.NotCompiled as reason:
            if WANTED == "1":
                raise
            self.app.display_warning(f"no compiled core, the wheel is pure Python: {reason}")
            return
        build_data["force_include"].update({str(folder / path): path.as_posix() for path in libraries})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was made."""
        if hasattr(self, "_made"):
            self._made.cleanup()
