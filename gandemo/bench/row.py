"""What a row of the table is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """One row, or a few, of the table.

    Attributes:
        title: what is measured.
        measure: measures the parts that it is given, of one that has none everything; yields rows.
        parts: of one that has many, by name: what of it can be measured alone.
    """

    title: str
    measure: Callable[..., Iterator[Row]]
    parts: tuple[str, ...] = ()

    def run(self, only: tuple[str, ...] = ()) -> Iterator[Row]:
        """Measures all of it, or some of its parts alone; yields {"what", "value", "unit", "bound"}."""
        return self.measure(only or self.parts) if self.parts else self.measure()
