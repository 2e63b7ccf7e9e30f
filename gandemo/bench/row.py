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
        run: measures; yields {"what", "value", "unit", "bound"}.
        parts: of one that has many, by name: what of it can be measured alone.
        run_parts: measures those alone.
    """

    title: str
    run: Callable[[], Iterator[Row]]
    parts: tuple[str, ...] = ()
    run_parts: Callable[[tuple[str, ...]], Iterator[Row]] | None = None
