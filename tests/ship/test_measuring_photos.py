"""`evaluate` and `publish` at the command line, for photo checkpoints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import tiny_photos
from PIL import Image
from tiny_photos import TINY

from gandemo import __main__ as cli
from gandemo import checkpoint
from gandemo.nets import build_discriminator
from gandemo.ship import photos
from tests import tiny

FACTS = {"training": {"step": 4, "images": 16, "seconds": 90.0, "device": "cpu", "threads": 1, "precision": "fp32"}}


@pytest.fixture
def there(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint for inpaint, and one kind of harm to measure it with."""
    tiny_photos.add_dataset(monkeypatch)
    monkeypatch.chdir(home)
    (home / "tiny").mkdir()
    monkeypatch.setattr(photos, "TUNED_ON", (1, 40))
    whole = photos.MEASURES["inpaint"]
    small = dataclasses.replace(whole, kinds={"boxes": "boxes"}, methods={"boxes": whole.methods["boxes"][:2]})
    monkeypatch.setitem(photos.MEASURES, "inpaint", small)
    recipe = TINY["inpaint"]
    checkpoint.save(home / "mine", recipe, tiny.stirred(recipe), build_discriminator(recipe), metrics=FACTS)
    return home


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["gandemo", *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_json_is_all_there_is_on_standard_output(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "evaluate", "mine", "--json", "--samples", "2", "--sheet", "sheet.png") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["photos"] == 2
    assert set(found["kinds"]["boxes"]["sides"]) == {"input", "classical", "ours", "truth"}
    with Image.open(there / "sheet.png") as sheet:
        assert sheet.width > 4 * 40
    assert not list(there.glob(".*"))


def test_the_table_names_sides_figures_and_the_method(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "evaluate", "mine", "--samples", "1") == 0
    said = capsys.readouterr().out
    assert said.startswith("1 test photos of tiny, through Pipeline.inpaint, at their own size, of each the middle")
    assert "boxes (classical: Telea, radius" in said
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line and line[0].isalpha()}
    assert len(rows["hole_psnr"]) == 3
    assert len(rows["colourfulness"]) == 4


def test_publish_says_what_came_of_it(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "publish", "mine", "filled") == 0
    metrics = checkpoint.resolve("filled").metrics
    sides = metrics["evaluation"]["kinds"]["boxes"]["sides"]
    assert f": PSNR {sides['ours']['hole_psnr']:.2f} dB, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("evaluate", "mine", "--sheet", "sheet.gif"), "--sheet must end in .png, .jpg or .webp, got 'sheet.gif'"),
        (("evaluate", "mine", "--data", "nowhere"), "there is no data set 'nowhere'"),
        (("evaluate", "mine", "--data", "mnist"), "mnist is no data set of photos"),
        (("evaluate", "digits", "--samples", "5"), "--samples must be at least 100 for digits, got 5"),
        (("publish", "mine", "filled", "--crisp", "0.5"), "for a checkpoint of enhance that keeps both its ends"),
    ],
)
def test_mistakes_are_told_in_a_line(
    there: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    assert run(monkeypatch, *arguments) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told
    assert not (there / "checkpoints" / "filled").exists()
