"""ProgressStore in memory."""

from __future__ import annotations

from marketprism_application.ports.storage import Progress
from marketprism_sdk.errors import RevisionConflict


class ProgressCell:
    """The place that the writers of one stream share. `progress` None stands for a value that cannot be read."""

    def __init__(self, progress: Progress | None = None, revision: int = 0) -> None:
        self.progress = Progress() if progress is None and not revision else progress
        self.revision = revision

    def put(self, progress: Progress | None) -> None:
        """Write whatever is there now, as another writer would."""
        self.progress = progress
        self.revision += 1


class MemoryProgress:
    """Fulfils `ProgressStore`: one writer's side of a cell."""

    def __init__(self, cell: ProgressCell | None = None) -> None:
        self.cell = cell or ProgressCell()
        self._revision = 0

    async def load(self) -> Progress | None:
        """Progress as it stands; None where it cannot be read."""
        self._revision = self.cell.revision
        return self.cell.progress

    async def save(self, progress: Progress) -> None:
        """Write if nobody else has since this writer loaded or saved.

        Raises:
            RevisionConflict: somebody has.
        """
        if self.cell.revision != self._revision:
            raise RevisionConflict(f"progress: expected revision {self._revision}, was {self.cell.revision}")
        self.cell.put(progress)
        self._revision = self.cell.revision


__all__ = ["MemoryProgress", "ProgressCell"]
