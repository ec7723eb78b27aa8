"""The Python examples of both READMEs, as programs that end."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

_FOLDER = Path(__file__).parents[2]
_URL = "nats://127.0.0.1:4222"


def examples(word: str) -> list[str]:
    """The examples of README.md and README.zh-CN.md that contain a word, as they stand there; one of those that differ
    by their comments alone."""
    texts = [(_FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
    found = [code for text in texts for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if word in code]
    assert found, f"expected an example with {word!r}, was none"
    return list({re.sub(r"\s*#.*", "", code): code for code in found}.values())


def run_example(code: str, url: str, *shown: str, timeout: float = 60) -> str:
    """What an example prints against the pipeline at `url`: each endless loop ends with its first item, and at the end
    the expressions `shown` are printed, a line each."""
    assert _URL in code
    ends = re.sub(r"^( +)(print\(.*\)|\.\.\.)$", r"\1\2\n\1break", code.replace(_URL, url), flags=re.MULTILINE)
    if "asyncio.run" not in ends:
        lines = ["", *(f"print({expression})" for expression in shown)]
        ends = (
            "import asyncio\nfrom marketprism_client import MarketClient\n\nasync def main():\n"
            + textwrap.indent(ends + "\n".join(lines), "    ")
            + "\n\nasyncio.run(main())\n"
        )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ends], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{ends}\n{done.stderr}"
    return done.stdout
