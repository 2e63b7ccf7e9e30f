"""Photo checkpoints measured through the pipeline: figures that can be worked out, and sheets that show them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny_photos
import torch
from tiny_photos import TINY

from gandemo import checkpoint
from gandemo.data.degradations import MASKS, YARDSTICKS
from gandemo.data.images import Photo
from gandemo.metrics import classical, compare
from gandemo.nets import build_generator
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from gandemo.ship import photos
from gandemo.ship.photos import MEASURES, middle
from gandemo.ship.publish import SAMPLERS
from gandemo.tasks import TASKS, colorize, enhance

TRAINING, TEST = tiny_photos.photos(4, 1), tiny_photos.photos(3, 3)


@pytest.fixture(autouse=True)
def _few_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two candidates for each kind, quick ones, chosen on two photos."""
    monkeypatch.setattr(photos, "TUNED_ON", (2, 40))
    for name, measure in list(MEASURES.items()):
        few = {kind: methods[:2] for kind, methods in measure.methods.items()}
        monkeypatch.setitem(MEASURES, name, dataclasses.replace(measure, methods=few))


def pipeline_of(folder: Path, recipe: Recipe, stir: float = 0.0, seed: int = 0) -> Pipeline:
    """A residual network that was not stirred gives back its input."""
    torch.manual_seed(seed)
    generator = build_generator(recipe).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += stir * torch.randn_like(parameter)
    return Pipeline(checkpoint.save(folder, recipe, generator))


# An enhancer that gives back its input, as it does before it has learnt: without filters, that shine through a little.
IDLE = TINY["enhance-l1"].with_settings({"generator.args.wiener": []})


def test_every_task_is_measured_in_one_way() -> None:
    assert set(MEASURES) | set(SAMPLERS) == set(TASKS)
    assert not set(MEASURES) & set(SAMPLERS)
    assert set(MEASURES["enhance"].kinds) == set(YARDSTICKS) == set(MEASURES["enhance"].methods)
    assert set(MEASURES["inpaint"].kinds) == set(MASKS) == set(MEASURES["inpaint"].methods)


def test_a_network_that_does_nothing_has_the_figures_of_its_input(home: Path) -> None:
    found = photos.report(pipeline_of(home / "same", IDLE), TRAINING, TEST, count=2)
    assert found["photos"] == 2
    assert (found["side"], found["default"], found["figure"]) == ("ours", "ours", "psnr_y")
    for kind in YARDSTICKS:
        sides = found["kinds"][kind]["sides"]
        assert {**sides["ours"], "worse": 0.0} == {**sides["input"], "worse": 0.0}
        assert sides["ours"]["worse"] == 0.0
        assert sides["truth"]["colourfulness"] > 30


def test_figures_are_means_over_photos_that_were_harmed_as_the_yardstick_says(home: Path) -> None:
    found = photos.report(pipeline_of(home / "same", TINY["enhance-l1"]), TRAINING, TEST, seed=4)["kinds"]["noise-25"]
    by_hand = []
    for index in range(len(TEST)):
        truth = torch.from_numpy(TEST.photo(index).copy()).permute(2, 0, 1)
        poor = enhance.harmed(truth[None], "noise-25", 4_000 + index)[0]
        error = float((poor.double() - truth.double()).square().mean())
        by_hand.append(10 * np.log10(255**2 / error))
    assert found["sides"]["input"]["psnr"] == pytest.approx(np.mean(by_hand), abs=1e-4)


def test_a_network_that_does_harm_is_told_so(home: Path) -> None:
    found = photos.report(pipeline_of(home / "wild", TINY["enhance-l1"], stir=0.3), TRAINING, TEST)
    for kind in found["kinds"].values():
        assert kind["sides"]["ours"]["psnr_y"] < kind["sides"]["input"]["psnr_y"]
        assert kind["sides"]["ours"]["worse"] == 1.0


def test_both_ends_and_the_default_between_them_are_measured(home: Path) -> None:
    pipeline_of(home / "checkpoints" / "tiny-l1", IDLE)
    recipe = TINY["enhance"].with_settings({"init": "tiny-l1", "generator": IDLE.generator.model_dump()})
    pipeline = pipeline_of(home / "crisp", recipe, stir=0.1)
    found = photos.report(pipeline, TRAINING, TEST)
    names = ["crisp 0", f"crisp {pipeline.default_crisp:g}", "crisp 1"]
    assert (found["side"], found["default"]) == ("crisp 0", names[1])
    for kind in found["kinds"].values():
        sides = kind["sides"]
        assert list(sides) == ["input", "classical", *names, "truth"]
        assert sides["crisp 0"]["psnr_y"] == sides["input"]["psnr_y"]
        assert sides["crisp 1"]["psnr_y"] < sides["crisp 0"]["psnr_y"]
    case = MEASURES["enhance"].harm("blur-2", TEST.photo(0).copy(), 1_000)
    alone = photos.report(pipeline, TRAINING, TEST, count=1)["kinds"]["blur-2"]["sides"]["crisp 1"]["ssim"]
    assert alone == pytest.approx(
        compare(pipeline.enhance(Photo(case.poor), crisp=1.0).pixels, case.truth)["ssim"], abs=1e-5
    )


def test_colours_are_measured_next_to_grey_and_with_hints(home: Path) -> None:
    pipeline = pipeline_of(home / "colour", TINY["colorize"], stir=0.1)
    found = photos.report(pipeline, TRAINING, TEST, count=1)
    sides = found["kinds"]["grey"]["sides"]
    assert list(sides) == ["input", "ours", "10 hints", "truth"]
    assert "classical" not in found["kinds"]["grey"]
    truth = TEST.photo(0).copy()
    grey = colorize.grey(torch.from_numpy(truth).permute(2, 0, 1)[None])[0].permute(1, 2, 0).contiguous().numpy()
    expected = compare(pipeline.colorize(Photo(grey)).pixels, truth)
    assert {key: sides["ours"][key] for key in expected} == pytest.approx(expected, abs=1e-5)
    assert sides["input"]["colourfulness"] == pytest.approx(0.0, abs=0.5)
    assert sides["input"]["colourfulness_distance"] == pytest.approx(sides["truth"]["colourfulness"], abs=0.5)
    assert sides["10 hints"] != sides["ours"]
    plain = photos.report(pipeline_of(home / "article", TINY["colorize-unet"]), TRAINING, TEST, count=1)
    assert list(plain["kinds"]["grey"]["sides"]) == ["input", "ours", "truth"]


def test_dabs_have_the_colour_of_their_place() -> None:
    truth = np.zeros((40, 60, 3), np.uint8)
    truth[:, :30], truth[:, 30:] = (200, 40, 40), (40, 40, 200)
    case = MEASURES["colorize"].harm("grey", truth, 7)
    for dab in photos._dabs(case):
        if dab.x < 0.45:
            assert dab.colour == (200, 40, 40)
        if dab.x > 0.55:
            assert dab.colour == (40, 40, 200)


def test_holes_are_measured_where_they_are(home: Path) -> None:
    found = photos.report(pipeline_of(home / "holes", TINY["inpaint"]), TRAINING, TEST)
    assert found["figure"] == "hole_psnr"
    for kind in found["kinds"].values():
        sides = kind["sides"]
        assert sides["ours"]["psnr"] > sides["ours"]["hole_psnr"]  # what lies outside is as it was
        assert sides["classical"]["hole_psnr"] > sides["input"]["hole_psnr"]
    for seed in range(30):
        assert MEASURES["inpaint"].harm("strokes", TEST.photo(0).copy(), seed).lost.any()


def test_progress_counts_to_its_total(home: Path) -> None:
    told: list[tuple[int, int]] = []
    photos.report(
        pipeline_of(home / "holes", TINY["inpaint"]), TRAINING, TEST, count=2, progress=lambda *step: told.append(step)
    )
    assert told == [(step, 9) for step in range(1, 10)]  # three kinds: the choice of a method, and two photos


def test_without_the_libraries_the_comparison_is_left_out_and_it_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classical, "find_spec", lambda name: None)
    pipeline = pipeline_of(home / "holes", TINY["inpaint"])
    found = photos.report(pipeline, TRAINING, TEST, count=1)
    assert found["left_out"].startswith("classical methods are left out: they need scikit-image and opencv")
    assert all("classical" not in kind and "classical" not in kind["sides"] for kind in found["kinds"].values())
    assert photos.sheet(pipeline, TEST, found).width < 4 * 48 + 60


def test_the_method_is_chosen_on_training_photos(home: Path) -> None:
    measure = MEASURES["enhance"]
    found = photos.report(pipeline_of(home / "same", TINY["enhance-l1"]), TRAINING, TEST, count=1)
    for kind, entry in found["kinds"].items():
        assert entry["classical"] in {method.title for method in measure.methods[kind]}
        assert entry["classical"] == photos._best_method(measure, kind, TRAINING, 1).title


def test_the_middle_is_cut_at_its_own_size() -> None:
    ramp = np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3)
    assert np.array_equal(middle(ramp, photos.WHOLE), ramp)
    assert np.array_equal(middle(ramp, 100), ramp)
    assert np.array_equal(middle(ramp, 50), ramp[:, 5:55])
    assert np.array_equal(middle(ramp, 20), ramp[10:30, 20:40])


# --- sheets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["colorize", "colorize-unet", "enhance-l1", "inpaint"])
def test_a_sheet_has_a_column_for_each_stage_and_is_the_same_at_every_call(home: Path, name: str) -> None:
    pipeline = pipeline_of(home / name, TINY[name], stir=0.05)
    found = photos.report(pipeline, TRAINING, TEST, count=1)
    sheet = photos.sheet(pipeline, TEST, found, photos=3, side=40)
    # beside ours stands the article's design, which ships
    stages = {"colorize": 5, "colorize-unet": 3, "enhance-l1": 4, "inpaint": 4}[name]
    assert stages * 40 < sheet.width < (stages + 1) * 40
    assert sheet.height > 3 * 40
    assert sheet.tobytes() == photos.sheet(pipeline, TEST, found, photos=3, side=40).tobytes()


def test_a_sheet_shows_another_design_where_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "colorize", dataclasses.replace(MEASURES["colorize"], beside=("other-design",)))
    pipeline = pipeline_of(home / "mine", TINY["colorize"], stir=0.05)
    found = photos.report(pipeline, TRAINING, TEST, count=1)
    alone = photos.sheet(pipeline, TEST, found, side=40)
    pipeline_of(home / "checkpoints" / "other-design", TINY["colorize-unet"])
    assert photos.sheet(pipeline, TEST, found, side=40).width > alone.width + 39


def test_holes_on_a_sheet_are_large_enough_to_be_seen() -> None:
    measure = MEASURES["inpaint"]
    for kind in MASKS:
        for index in range(8):
            case = photos._to_look_at(measure, kind, TEST.photo(0).copy(), index)
            assert (case.lost != 0).mean() > 0.02


# --- half precision ---------------------------------------------------------------------------------------


def test_the_difference_of_two_checkpoints(home: Path) -> None:
    recipe = TINY["colorize"]
    one, same, other = (
        pipeline_of(home / "one", recipe, 0.1),
        pipeline_of(home / "same", recipe, 0.1),
        pipeline_of(home / "other", recipe, 0.1, seed=1),
    )
    assert photos.difference(one, same, TEST) == {"psnr": None, "photos": 3}
    apart = photos.difference(one, other, TEST)["psnr"]
    assert apart is not None
    gaps = []
    for index in range(3):
        case = MEASURES["colorize"].harm("grey", TEST.photo(index).copy(), index)
        for hints in ((), photos._dabs(case)):
            made = [p.colorize(Photo(case.poor), hints=hints).pixels.astype(float) for p in (one, other)]
            gaps.append(np.square(made[0] - made[1]).mean())
    assert apart == pytest.approx(10 * np.log10(255**2 / np.mean(gaps)), abs=0.01)
