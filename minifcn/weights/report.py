"""What happened to a net when weights were put into it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """Names of parameters, sorted out by what became of them, in `told` what the file is, and in `assumed` what it
    did not say.

    taken: copied as they were. reshaped: copied into another shape. left: kept their initial value. unused: in the
    file, but not in the net. untrained: layers of the trunk that were left. mean: BGR, of the pictures that the net now
    expects.
    """

    source: str
    taken: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.source}: {len(self.taken) + len(self.reshaped)} arrays taken"]
        lines += [f"  {what}: {some(names)}" for what, names in
                  (("reshaped", self.reshaped), ("left at their initial value", self.left), ("not used", self.unused))
                  if names]  # fmt: skip
        lines += [f"  {line}" for line in self.told]
        lines += [f"  assumed: {line}" for line in self.assumed]
        return "\n".join(lines + [f"  warning: {line}" for line in self.warnings])


def some(names: list[str], most: int = 8) -> str:
    """The first few of many names."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
