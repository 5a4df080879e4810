"""Where an SVM keeps what belongs to its databases."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Files and folders below the state folder.

    Args:
        folder: `<state_dir>/databases`, that of the store.
    """

    folder: Path

    @classmethod
    def of(cls, state_dir: Path) -> "Place":
        """Return the place in an SVM's state folder."""
        return cls(state_dir / "databases")

    @property
    def trust(self) -> Path:
        """The trusted root."""
        return self.folder / "trust"

    @property
    def cache(self) -> Path:
        """What was fetched."""
        return self.folder / "cache"

    @property
    def built(self) -> Path:
        """Address databases."""
        return self.folder / "built"

    @property
    def starter(self) -> Path:
        """The starter content's addresses in the form of a version."""
        return self.folder / "starter"

    @property
    def own(self) -> Path:
        """Last good content of the operator's files."""
        return self.folder / "own"

    @property
    def reports(self) -> Path:
        """Change reports and results of samples."""
        return self.folder / "reports"

    @property
    def memory(self) -> Path:
        """What updates have to remember."""
        return self.folder / "updates.json"

    @property
    def in_force(self) -> Path:
        """What engine and scanners were told last."""
        return self.folder / "in-force.json"

    def report(self, before: str, after: str) -> Path:
        """Return the file of the change report of two versions."""
        return self.reports / f"changes-{before}-{after}.json"

    def samples(self, name: str) -> Path:
        """Return the file with what became of the samples under a version."""
        return self.reports / f"samples-{name}.json"
