"""Measurements of this machine, too slow for tests: `python -m gandemo bench`.

Run them on a machine that does nothing else; every figure is measured anew.
"""

from __future__ import annotations

from gandemo.bench import digits, doctor, export, photos, training
from gandemo.bench.row import Bench

BENCHES: dict[str, Bench] = {**digits.ROWS, **photos.ROWS, **export.ROWS, **training.ROWS, **doctor.ROWS}
