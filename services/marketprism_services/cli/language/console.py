"""A console that shows what it is given in the user's language."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from marketprism_services.cli.language.catalogue import Catalogue


class TranslatingConsole(Console):
    """Looks up each text, and each title, heading and sentence of a table, before it shows them."""

    def __init__(self, texts: Catalogue, **settings: Any) -> None:
        super().__init__(**settings)
        self._texts = texts

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich's, in the user's language."""
        super().print(*(self.translated(shown) for shown in objects), **how)

    def status(self, status: Any, **how: Any) -> Status:
        """As rich's, in the user's language."""
        return super().status(self.translated(status), **how)

    def translated(self, shown: Any) -> Any:
        """A text or a table in the user's language; anything else as it is."""
        if not self._texts:
            return shown
        if isinstance(shown, str):
            return self._texts.translate(shown)
        if isinstance(shown, Table):
            shown.title = self.translated(shown.title)
            shown.caption = self.translated(shown.caption)
            for column in shown.columns:
                column.header = self.translated(column.header)
                # Reasons and notes are sentences; a single word is a value: a symbol, a state.
                column._cells = [
                    self.translated(text) if isinstance(text, str) and " " in text else text for text in column._cells
                ]
        return shown
