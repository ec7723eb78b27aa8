"""How complete the public types of the SDK, the client and the backtests are, as pyright's `--verifytypes` sees them, and
whether a user's program is clean in the strict modes of pyright and mypy; ends with 1 where one is below its goal.

Shares of what is exported, all of which are whole.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LEAST = {"marketprism_client": 1.0, "marketprism_sdk": 1.0, "marketprism_backtest": 1.0}
PROGRAM = Path(__file__).with_name("user_program.py")
_STRICT = {"typeCheckingMode": "strict", "include": [str(PROGRAM)], "reportMissingTypeStubs": False}


def main() -> int:
    """Exit code; every type that is not known is printed with its place."""
    complete = [_is_complete(package, least) for package, least in LEAST.items()]
    return int(not all((*complete, _is_clean(_pyright()), _is_clean(["mypy", "--strict", str(PROGRAM)]))))


def _is_complete(package: str, least: float) -> bool:
    command = ["basedpyright", "--verifytypes", package, "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # ends with 1 below 100 %
    found = json.loads(done.stdout)["typeCompleteness"]
    score = found["completenessScore"]
    print(f"{package}: {score:.1%} of its exported types are known, at least {least:.0%} wanted")
    if score >= least:
        return True
    for symbol in found["symbols"]:
        for each in symbol["diagnostics"]:
            print(f"  {symbol['name']}: {each['message']}")
    return False


def _pyright() -> list[str]:
    config = Path(sys.prefix) / "user_program.json"
    config.write_text(json.dumps(_STRICT), encoding="utf-8")
    return ["basedpyright", "--project", str(config)]


def _is_clean(command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"{PROGRAM.name}, {command[0]}: {(done.stdout or done.stderr).strip()}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
