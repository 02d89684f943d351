"""What happened to a net when weights were put into it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """Names of parameters, sorted out by what became of them, and in `assumed` what the file did not say.

    taken: copied as they were. left: kept their initial value. unused: in the file, but not in the net.
    """

    source: str
    taken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.source}: {len(self.taken)} arrays taken"]
        lines += [f"  {what}: {_some(names)}" for what, names in
                  (("left at their initial value", self.left), ("not used", self.unused)) if names]  # fmt: skip
        return "\n".join(lines + [f"  assumed: {line}" for line in self.assumed])


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
