"""What the pipeline of a data directory, which `up` runs or ran last, lets other commands know: files below
`<data_dir>/run` that `run_files` writes. Settings are not loaded for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.urls import Url

URL = "url"
SECRET_URL = "url.secret"  # noqa: S105 (a file's name)


def known_section(data_dir: Path, name: str) -> dict[str, Any]:
    """A section of the settings of the pipeline that runs, or ran last, on a data directory, without what is secret;
    empty where there is none. Another version may have written it: its names are looked at where they are used."""
    try:
        found = json.loads((data_dir / "run" / "settings.json").read_text(encoding="utf-8")).get(name, {})
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def users_folder(data_dir: Path) -> Path:
    """Where the users of the NATS of `up` have their passwords, a file each."""
    return data_dir / "run" / "nats"


def known_access(data_dir: Path, user: str) -> NatsAccess | None:
    """A user of the NATS that `up` has started on a data directory; None where it started none with accounts."""
    given = known_section(data_dir, "nats").get("users")
    return NatsAccess.of_user(Path(given), user) if isinstance(given, str) and given else None


def known_url(data_dir: Path) -> Url | None:
    """NATS of the pipeline that runs, or ran last, on a data directory."""
    for name in (SECRET_URL, URL):
        try:
            return Url((data_dir / "run" / name).read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            continue
    return None
