"""Changes after which the product does the same as before, or what no test of ours should say: each with its reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.mutation.trials import Trial

FILE = Path(__file__).with_name("explained.toml")


@dataclass(frozen=True)
class Explained:
    """Reasons by module, line of source, and change."""

    rows: dict[tuple[str, str, str], str]

    @classmethod
    def load(cls) -> Explained:
        found = {}
        for module, rows in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
            for row in rows:
                found[module, row["line"], row["change"]] = row["why"]
        return cls(found)

    def reason(self, trial: Trial) -> str:
        """Nothing where it is not explained."""
        return self.rows.get((trial.target.name, trial.source, trial.change.text), "")
