"""Run a notebook from its first cell to its last: `python notebooks.py FILE`, in an environment that has nbclient.

What it shows is thrown away: notebooks are stored without it.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(path: Path) -> None:
    """Raises what a cell raises."""
    import nbformat  # noqa: PLC0415 (of the environment for notebooks alone)
    from nbclient import NotebookClient  # noqa: PLC0415

    NotebookClient(nbformat.read(path, as_version=4), timeout=120, kernel_name="python3").execute()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
