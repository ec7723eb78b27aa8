"""Settings that VeighNa and its programs write: small files of JSON."""

from __future__ import annotations

import json
from pathlib import Path

from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of


def json_of(path: Path, program: str, largest: int) -> object:
    """What a file of settings of a program holds, which has `largest` bytes at most.

    Raises:
        SourceError: it cannot be read, is too large for settings, or is no JSON.
    """
    try:
        if path.stat().st_size > largest:
            raise SourceError(f"file {path}: expected settings of {program}, was {path.stat().st_size} bytes")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SourceError(f"file {path}: expected a readable file: {error.strerror or reason_of(error)}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"file {path}: expected JSON: {reason_of(error)}") from error


__all__ = ["json_of"]
