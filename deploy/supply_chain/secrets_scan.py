"""Secrets in files of the repository: keys by their form, and texts of much chance where a secret is expected.

`python deploy/supply_chain/secrets_scan.py` looks at every file that git knows and ends with 1 where it finds one. A
line that only looks like one says why: `not a secret: …`.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMS = {
    "a private key": re.compile(r"-----BEGIN (?:RSA |EC |OPENSSH |PGP |ENCRYPTED )?PRIVATE KEY"),
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{60,}"),
    "a token of Slack": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    "a token of an index": re.compile(r"\bpypi-[A-Za-z0-9_-]{50,}|\bnpm_[A-Za-z0-9]{36}\b"),
    "a seed of NATS": re.compile(r"\bS[UANOC][A-Z2-7]{56}\b"),
    "a key of age": re.compile(r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    "a key of this product": re.compile(r"\bmp_[A-Za-z0-9]{8,}_[A-Za-z0-9_-]{43}\b"),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{20,}"),
}
_GIVEN = re.compile(
    r"(?i)(?:password|passwd|secret|api_?key|auth_?code|access_?key|private_?key|token)[\"']?\s*[:=]\s*[\"']([A-Za-z0-9+/=_-]{20,})[\"']"
)
_CHANCE = 4.2  # bits a character: words have fewer, keys more
_SKIPPED = (".svg", ".png", ".ico", ".woff2", ".lock", "console/marketprism_console/web/vendor/")
EXCUSED = "not a secret:"


def found_in(text: str) -> Iterator[tuple[int, str]]:
    """Number and what it is of each line that holds a secret."""
    for number, line in enumerate(text.splitlines(), 1):
        if EXCUSED in line:
            continue
        for what, form in FORMS.items():
            if form.search(line):
                yield number, what
        for given in _GIVEN.findall(line):
            if chance_of(given) > _CHANCE:
                yield number, "a text of much chance where a secret is expected"


def chance_of(text: str) -> float:
    """Shannon's entropy of the signs of a text, bits a sign."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()) if text else 0.0


def files() -> list[Path]:
    """Every file that git knows, but pictures and libraries of others."""
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 (words of our own)
    listed = done.stdout.decode()
    return [
        ROOT / name
        for name in listed.split("\0")
        if name and not name.endswith(_SKIPPED) and not name.startswith(_SKIPPED)
    ]


def problems() -> Iterator[str]:
    """One line for each secret."""
    for path in files():
        if path.is_file():
            for number, what in found_in(path.read_text(encoding="utf-8", errors="replace")):
                yield f"{path.relative_to(ROOT)}:{number}: {what}"


if __name__ == "__main__":
    wrong = list(problems())
    print("\n".join(wrong) or "secrets: none in what git knows")
    sys.exit(1 if wrong else 0)
