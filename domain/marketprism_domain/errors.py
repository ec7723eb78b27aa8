"""Errors of the domain.

DomainError
├── InvalidValue        a value object was given something it cannot be
├── InvariantBroken     an aggregate was asked to break what it guards
└── CommandRefused      somebody gave a command that is not theirs to give
"""

from __future__ import annotations


class DomainError(Exception):
    """Root of everything the model refuses."""


class InvalidValue(DomainError, ValueError):
    """A value is not what its type allows; the text names field, expectation and value."""

    def __init__(self, field: str, expected: str, was: object) -> None:
        super().__init__(f"{field}: expected {expected}, was {was!r}")
        self.field = field
        self.expected = expected
        self.was = was


class InvariantBroken(DomainError):
    """A call would have broken an invariant of an aggregate."""


class CommandRefused(DomainError):
    """A command came from somebody who may not give it."""
