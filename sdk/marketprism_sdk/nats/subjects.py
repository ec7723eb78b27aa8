"""Subjects as the server takes them: what is sent to it is text, and a subject with a line break is two commands."""

from __future__ import annotations

from functools import lru_cache

from marketprism_sdk.errors import InvalidSubject


@lru_cache(maxsize=65_536)  # subjects of instruments come again and again; one that is refused is not kept
def check_subject(subject: str) -> None:
    """Refuse what the server would read as more than a subject.

    Raises:
        InvalidSubject: a space, a control character, an empty token or no token at all.
    """
    # Quick checks of the interpreter's own: this is asked for each message that is sent.
    if not subject or not subject.isprintable() or " " in subject:
        raise InvalidSubject(f"subject: expected no spaces or control characters, was {subject[:80]!r}")
    if ".." in subject or subject[0] == "." or subject[-1] == ".":
        raise InvalidSubject(f"subject: expected tokens with single dots between, was {subject[:80]!r}")
