"""What the README and the checkpoints say is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gandemo import checkpoint
from gandemo.recipes import RECIPES
from gandemo.ship import photo_card
from gandemo.ship.card import card, overview
from gandemo.ship.export import card as exports
from gandemo.ship.export import records
from gandemo.ship.publish import command

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/recipe.json"))


def test_the_tables_in_the_readme_are_the_measured_ones() -> None:
    found = [checkpoint.load(path) for path in SHIPPED]
    entries = {entry.path.name: (entry.recipe, entry.metrics) for entry in found}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for table in (overview(entries), photo_card.overview(entries)):
        assert table in text, f"put this table into README.md:\n{table}"


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_card_is_made_from_its_own_recipe_metrics_and_exports(folder: Path, tmp_path: Path) -> None:
    found = checkpoint.load(folder)
    made = tmp_path / "README.md"
    said = command(found.recipe, folder.name, found.metrics.get("start", {}).get("name", ""))
    made.write_text(card(folder.name, found.recipe, found.metrics, said), "utf-8")
    exports.write(made, records.of(folder))
    assert (folder / "README.md").read_text(encoding="utf-8") == made.read_text("utf-8")
    assert found.recipe.name in RECIPES


def test_every_file_the_readme_shows_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_all_that_ships_stays_under_80_mb() -> None:
    size = sum(path.stat().st_size for path in (ROOT / "checkpoints").rglob("*") if path.is_file())
    assert size < 80 * 2**20
    assert {"digits", "fashion", "vanilla", "dense", "conv", "selu", "wgan-gp", "cgan"} <= {p.name for p in SHIPPED}
