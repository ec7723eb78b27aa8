"""Inputs that are kept: those that once showed a fault, and a few that reach what seeds do not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tests.fuzzing.target import Target

FOLDER = Path(__file__).parent / "corpus"


def kept(target: Target) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the inputs of a target, in order."""
    folder = FOLDER / target.name
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        yield path.name, path.read_bytes()


def keep(target: Target, data: bytes) -> Path:
    """Write an input into the corpus, under a name that its bytes have."""
    path = FOLDER / target.name / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
