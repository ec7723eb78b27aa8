"""`marketprism`, and `python -m marketprism_services`.

The command is there with the core alone, which is what a program of one's own needs; the services need an extra, and
are told which in one line.
"""

from __future__ import annotations

import sys

_USAGE = 2


def main() -> None:
    """Entry point; a package that is missing ends it with the command that installs it, and exit code 2."""
    try:
        from marketprism_services.cli.app import main as run  # noqa: PLC0415 (an extra)

        run()
    except ModuleNotFoundError as error:
        from marketprism_services.settings.extras import extra_of, how_to_get, is_there  # noqa: PLC0415

        if not error.name or is_there(error.name) or not extra_of(error.name):
            raise
        text = f"error: expected the package {error.name}, found none: {how_to_get(error.name)}"
        print(text, file=sys.stderr)  # rich may be what is missing
        raise SystemExit(_USAGE) from error


if __name__ == "__main__":
    main()
