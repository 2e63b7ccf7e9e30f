"""The photo tasks: what goes in, what comes out, how it is measured, and that each of them learns."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import tiny_photos
import torch
from tiny_photos import TINY
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.degradations import MASKS, YARDSTICKS
from gandemo.errors import RecipeError
from gandemo.metrics import BEST
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.tasks import TASKS, Batch, colorize, enhance, inpaint, pairs
from gandemo.training.trainer import Trainer

CPU = torch.device("cpu")
PHOTOS = tiny_photos.photos()
PHOTO_RECIPES = [name for name, recipe in RECIPES.items() if recipe.task in ("colorize", "enhance", "inpaint")]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def taken(count: int = 4) -> tuple[Tensor, Tensor]:
    return PHOTOS.take(torch.arange(count), rng())


def prepared(recipe: Recipe, seed: int = 0) -> Batch:
    return TASKS[recipe.task].prepare(recipe, *taken(), rng(seed))


class Perfect(nn.Module):
    """A generator that knows the answer."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = nn.Parameter(answer)
        self.place = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.place += len(inputs)
        return self.answer[self.place - len(inputs) : self.place]


# --- every task, from its tiny recipe ---------------------------------------------------------------------


def test_every_photo_recipe_has_a_tiny_one() -> None:
    assert set(TINY) == set(PHOTO_RECIPES)


@pytest.mark.parametrize("name", TINY)
def test_batches_are_seeded_and_fit_both_players(name: str) -> None:
    recipe = TINY[name]
    task = TASKS[recipe.task]
    batch, again, other = prepared(recipe), prepared(recipe), prepared(recipe, 1)
    assert torch.equal(batch.real, again.real)
    assert not torch.equal(batch.real, other.real)
    assert batch.real.shape[2:] == (recipe.image_size, recipe.image_size)
    assert float(batch.real.abs().max()) <= 1.0
    with torch.no_grad():
        output = build_generator(recipe)(*task.inputs(recipe, batch, rng()))
    assert output.shape == batch.real.shape
    discriminator = build_discriminator(recipe)
    if discriminator is not None:
        condition = () if batch.condition is None else (batch.condition,)
        assert discriminator(output, *condition).ndim == 1
    losses = task.supervised(batch, output)
    assert set(losses) == set(recipe.loss.weights)
    assert all(loss.ndim == 0 and math.isfinite(float(loss)) for loss in losses.values())
    assert all(float(value) == pytest.approx(0, abs=1e-4) for value in task.supervised(batch, batch.real).values())


@pytest.mark.parametrize("name", TINY)
def test_each_learns(name: str) -> None:
    recipe = TINY[name].with_settings({"steps": 1000, "generator_optimizer.lr": 3e-3, "loss.adversarial": 0.0})
    trainer = Trainer(recipe, PHOTOS, CPU)
    batch, seen = prepared(recipe), []
    for _ in range(25):
        trainer.rng.manual_seed(0)  # the same hints
        trainer.generator_step(batch, trainer.generate(batch))
        seen.append(sum(float(loss) for loss in trainer.losses.values()))
    assert seen[-1] < 0.9 * seen[0], seen


@pytest.mark.parametrize("name", [name for name in TINY if TINY[name].discriminator is not None])
def test_the_game_is_played(name: str) -> None:
    trainer = Trainer(TINY[name], PHOTOS, CPU)
    before = {player: [p.clone() for p in network.parameters()] for player, network in trainer.networks.items()}
    for _ in range(2):
        trainer.round()
    assert {"generator", "discriminator"} < set(trainer.losses)
    for player in ("generator", "discriminator"):
        after = trainer.networks[player].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(before[player], after, strict=True))


@pytest.mark.parametrize("name", TINY)
def test_figures_and_sheets(name: str) -> None:
    recipe = TINY[name]
    task = TASKS[recipe.task]
    torch.manual_seed(0)
    generator = build_generator(recipe).eval()
    held_out = tiny_photos.photos(5, 2)
    found = task.evaluate(recipe, generator, held_out, 3)
    assert found["photos"] == 3
    assert task.score in found
    assert all(math.isfinite(value) for value in found.values())
    assert found == task.evaluate(recipe, generator, held_out, 3)
    sheet = task.sheet(recipe, generator, held_out)
    assert sheet is not None
    assert sheet.mode == "RGB"
    side = (sheet.width - 5 * 2) // 6  # three stages of two photos to a row
    assert sheet.height == 3 * side + 2 * 2  # five photos
    assert sheet.tobytes() == task.sheet(recipe, generator, held_out).tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"options": {"colour": 1}}, "options has no key 'colour' for"),
        ({"loss.weights": {"l2": 1.0}}, "loss.weights has no term 'l2' for"),
        ({"augment": ["affine"]}, "augment has no 'affine' for"),
    ],
)
def test_unknown_settings_name_the_valid(name: str, settings: dict[str, Any], words: str) -> None:
    recipe = TINY[name].with_settings(settings)
    with pytest.raises(RecipeError) as caught:
        prepared(recipe)
    assert words in str(caught.value)
    assert "; valid: " in str(caught.value)


@pytest.mark.parametrize("name", PHOTO_RECIPES)
def test_the_named_recipes_can_be_built(name: str) -> None:
    recipe = RECIPES[name]
    torch.manual_seed(0)
    generator, discriminator = build_generator(recipe), build_discriminator(recipe)
    # as half-precision weights, what a phone can be asked to fetch
    assert sum(parameter.numel() for parameter in generator.parameters()) * 2 <= 12e6
    inputs = recipe.generator.args.get("inputs", 1 if name == "colorize-unet" else 3)
    with torch.inference_mode():
        output = generator.eval()(torch.zeros(1, inputs, recipe.image_size, recipe.image_size))
        if discriminator is not None:
            seen = recipe.discriminator.args.get("inputs", 3) - output.shape[1]  # type: ignore[union-attr]
            condition = (torch.zeros(1, seen, *output.shape[2:]),) if seen else ()
            assert discriminator(output, *condition).ndim == 1


@pytest.mark.parametrize("stages", [("enhance-l1", "enhance-old", "enhance"), ("inpaint-l1", "inpaint")])
def test_the_game_goes_on_from_l1(stages: tuple[str, ...]) -> None:
    first, second = RECIPES[stages[0]], RECIPES[stages[-1]]
    assert [RECIPES[name].init for name in stages] == ["", *stages[:-1]]
    assert all(RECIPES[name].discriminator is None for name in stages[:-1])
    assert second.patience > 0
    assert {RECIPES[name].generator.model_dump_json() for name in stages} == {first.generator.model_dump_json()}
    names = [set(build_generator(recipe).state_dict()) for recipe in (first, second)]
    assert names[0] == names[1]


def test_the_articles_game() -> None:
    recipe = RECIPES["colorize-unet"]
    loss = recipe.loss
    assert recipe.image_size == 120
    assert (loss.gan, loss.adversarial, loss.weights) == ("bce", 0.0, {"mse": 1.0})
    # real in 0.9 to 1, fake in 0 to 0.1
    assert (loss.real_target, loss.fake_target, loss.target_noise) == (0.95, 0.05, 0.05)
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        assert (settings.name, settings.lr, settings.betas, settings.eps) == ("adam", 1e-3, (0.9, 0.999), 1e-7)


# --- squares ----------------------------------------------------------------------------------------------


def test_squares_are_cut_scaled_and_mirrored() -> None:
    ramp = torch.arange(96, dtype=torch.uint8).expand(200, 3, 96, 96)
    recipe = TINY["enhance-l1"]
    found = pairs.squares(recipe, ramp, rng(), favour_small=True)
    assert found.shape == (200, 3, 32, 32)
    assert found.dtype == torch.uint8
    assert found.is_contiguous(memory_format=torch.channels_last)
    rows = found[:, 0, 16].int()
    rising = rows[:, -1] > rows[:, 0]
    assert 70 < int(rising.sum()) < 130
    span = (rows[:, -1] - rows[:, 0]).abs() + 1
    assert int(span.min()) >= 31
    assert int(span.max()) >= 85
    assert 40 < float(span.float().mean()) < 60  # most near the pixels' own size
    still = pairs.squares(recipe.with_settings({"augment": []}), ramp, rng(), least=0.9)
    spans = still[:, 0, 16, -1].int() - still[:, 0, 16, 0].int()
    assert (spans > 80).all()


def test_a_picture_smaller_than_the_square_is_enlarged() -> None:
    found = pairs.squares(TINY["colorize"], torch.full((2, 3, 20, 20), 7, dtype=torch.uint8), rng())
    assert found.shape == (2, 3, 32, 32)
    assert (found == 7).all()


def test_the_middle_is_a_multiple_of_sixteen() -> None:
    pictures = torch.arange(50, dtype=torch.uint8).expand(1, 3, 50, 50)
    assert pairs.middle(pictures, 192).shape == (1, 3, 48, 48)
    assert pairs.middle(pictures, 40)[0, 0, 0].tolist() == list(range(9, 41))


def test_balance_takes_off_what_is_missing_and_what_is_too_much() -> None:
    assert pairs.balance(2.0, 1.0, 5.0) == 2.0
    assert pairs.balance(2.0, 0.4, 5.0) == pytest.approx(-1.0)
    assert pairs.balance(2.0, 1.6, 5.0) == pytest.approx(-1.0)
    assert pairs.ratio(0.0, 0.0) == 1.0


def test_detail_is_less_after_blur() -> None:
    sharp = PHOTOS.images
    soft = enhance.harmed(sharp, "blur-2", 0)
    assert pairs.detail(soft) < 0.7 * pairs.detail(sharp)
    where = torch.zeros(len(sharp), 1, 48, 48)
    where[..., 20:30, 20:30] = 1
    mixed = sharp.clone()
    mixed[..., 20:30, 20:30] = soft[..., 20:30, 20:30]
    assert pairs.detail(mixed, where) < pairs.detail(sharp, where)
    assert pairs.detail(mixed, 1 - where) == pytest.approx(pairs.detail(sharp, 1 - where), rel=0.05)


# --- colorize ---------------------------------------------------------------------------------------------


def test_colour_is_seen_as_lightness_and_chroma() -> None:
    batch = prepared(TINY["colorize"])
    assert batch.condition is not None
    assert (batch.condition.shape[1], batch.real.shape[1]) == (1, 2)
    pixels = im.to_pixels(im.join_colour(batch.condition, batch.real))
    lightness, chroma = im.split_colour(im.to_signed(pixels))
    assert torch.allclose(lightness, batch.condition, atol=0.02)
    assert torch.allclose(chroma, batch.real, atol=0.03)


def test_the_article_sees_grey_and_makes_rgb() -> None:
    recipe = TINY["colorize-unet"]
    batch = prepared(recipe)
    (grey,) = TASKS["colorize"].inputs(recipe, batch, rng())
    assert (grey.shape[1], batch.real.shape[1], batch.condition) == (1, 3, None)
    assert torch.equal(grey, im.luma(batch.real))


def test_the_true_chroma_gives_the_true_photo() -> None:
    recipe = TINY["colorize"].with_settings({"image_size": 48})
    truth = PHOTOS.images[:5]
    answer = im.split_colour(im.to_signed(truth))[1]
    found = TASKS["colorize"].evaluate(recipe, Perfect(answer), PHOTOS, 5)
    assert found["psnr"] > 50
    assert found["ab_error"] < 0.5
    assert found["colourfulness_ratio"] == pytest.approx(1.0, abs=0.01)
    assert found["gain"] == pytest.approx(found["psnr"] - found["grey_psnr"])
    assert found["balance"] == pytest.approx(found["gain"], abs=0.05)


def test_no_chroma_gives_the_grey_photo() -> None:
    recipe = TINY["colorize"]
    found = TASKS["colorize"].evaluate(recipe, Perfect(torch.zeros(5, 2, 32, 32)), PHOTOS, 5)
    assert found["gain"] == pytest.approx(0.0, abs=1e-6)
    assert found["ab_error"] == pytest.approx(found["grey_ab_error"])
    assert found["colourfulness_ratio"] < 0.05
    assert found["balance"] == pytest.approx(-recipe.options["liveliness"], abs=0.3)


def test_lightness_stays_whatever_the_colour() -> None:
    truth = PHOTOS.images[:3]
    wild = Perfect(torch.rand(3, 2, 32, 32, generator=rng()) * 0.2)
    painted = colorize.paint(TINY["colorize"], wild, truth)
    before, after = (im.split_colour(im.to_signed(pixels))[0] for pixels in (truth, painted))
    assert float((before - after).abs().mean()) < 0.01


def test_the_article_is_used_for_its_colour_alone() -> None:
    recipe = TINY["colorize-unet"].with_settings({"image_size": 48})
    truth = PHOTOS.images[:3]
    painted = colorize.paint(recipe, Perfect(im.to_signed(truth)), truth)
    assert float((painted.int() - truth.int()).abs().max()) <= 2


def test_hints_are_points_of_the_true_colour() -> None:
    chroma = torch.rand(200, 2, 48, 48, generator=rng()) - 0.5
    chroma = chroma[..., :1, :1].expand(-1, -1, 48, 48)  # one colour to each picture
    hints = colorize.random_hints(chroma, 0.5, rng(1))
    mask = hints[:, 2:]
    assert hints.shape == (200, 3, 48, 48)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    hinted = mask.flatten(1).any(dim=1)
    assert 70 < int(hinted.sum()) < 130
    assert torch.allclose(hints[:, :2], chroma * mask, atol=1e-6)
    assert torch.equal(hints, colorize.random_hints(chroma, 0.5, rng(1)))
    number = mask[hinted].sum(dim=(1, 2, 3))
    assert 3 < float(number.mean()) < 40
    assert not colorize.random_hints(chroma, 0.0, rng()).any()
    exactly = colorize.random_hints(chroma[:4], 1.0, rng(), points=1)
    assert (exactly[:, 2].sum(dim=(1, 2)) >= 1).all()
    assert (exactly[:, 2].sum(dim=(1, 2)) <= 4).all()


def test_hints_reach_the_generator() -> None:
    recipe = TINY["colorize"]
    batch = prepared(recipe)
    (inputs,) = TASKS["colorize"].inputs(recipe, batch, rng())
    (others,) = TASKS["colorize"].inputs(recipe, batch, rng(9))
    assert inputs.shape[1] == 4
    assert torch.equal(inputs[:, :1], batch.condition)  # type: ignore[arg-type]
    assert not torch.equal(inputs[:, 1:], others[:, 1:])
    plain = recipe.with_settings({"options": {}, "generator.args.inputs": 1})
    (alone,) = TASKS["colorize"].inputs(plain, batch, rng())
    assert torch.equal(alone, batch.condition)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"predicts": "hsv"}, "must be ab or rgb"), ({"predicts": "rgb", "hints": 0.5}, "needs options.predicts ab")],
)
def test_options_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        prepared(TINY["colorize"].with_settings({"options": options}))


def test_hints_for_a_network_without() -> None:
    with pytest.raises(RecipeError, match="was trained without hints"):
        colorize.predict_chroma(
            TINY["colorize-unet"], nn.Conv2d(1, 3, 1), torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
        )


def test_rare_colours_weigh_more() -> None:
    real = torch.zeros(1, 2, 10, 10)
    real[..., 0, :2] = 0.6  # two pixels of red among 98 of grey
    common, seldom = torch.zeros_like(real), torch.zeros_like(real)
    common[..., 5, :2] = 0.1
    seldom[..., 0, :2] = 0.1
    ratio = float(colorize.rare(real + seldom, real) / colorize.rare(real + common, real))
    expected = (0.5 * 0.98 + 0.5 / 313) / (0.5 * 0.02 + 0.5 / 313)
    assert ratio == pytest.approx(expected, rel=1e-4)
    everywhere = torch.full_like(real, 0.1)
    assert float(colorize.rare(real + everywhere, real)) == pytest.approx(0.1, rel=1e-4)  # 1 on average


def test_saturation_minds_grey_and_not_the_hue() -> None:
    real = torch.rand(3, 2, 8, 8, generator=rng()) - 0.5
    assert float(colorize.saturation(-real, real)) == pytest.approx(0.0, abs=1e-6)
    assert float(colorize.saturation(torch.zeros_like(real), real)) > 0.2
    grey = torch.zeros_like(real).requires_grad_()
    colorize.saturation(grey, real).backward()
    assert torch.isfinite(grey.grad).all()  # type: ignore[arg-type]


# --- enhance and inpaint ----------------------------------------------------------------------------------


def test_a_poor_picture_belongs_to_its_sharp_one() -> None:
    batch = prepared(TINY["enhance"])
    assert batch.condition is not None
    assert not torch.equal(batch.condition, batch.real)
    own = (batch.condition - batch.real).square().mean(dim=(1, 2, 3))
    others = (batch.condition - batch.real.roll(1, 0)).square().mean(dim=(1, 2, 3))
    assert float(own.mean()) < float(others.mean())


def test_the_input_itself_gains_nothing_and_the_truth_everything() -> None:
    recipe, task = TINY["enhance"].with_settings({"generator.args.wiener": []}), TASKS["enhance"]
    same = task.evaluate(recipe, build_generator(recipe).eval(), PHOTOS, 3)  # a residual starts as the input
    assert same["gain"] == pytest.approx(0.0, abs=1e-6)
    truth = im.to_signed(pairs.middle(PHOTOS.images[:3], enhance.MEASURED_SIDE))
    whole = task.evaluate(recipe, Perfect(truth.repeat(len(YARDSTICKS), 1, 1, 1)), PHOTOS, 3)
    assert min(whole[f"{kind}_gain"] for kind in YARDSTICKS) > 10
    assert whole["detail_ratio"] == pytest.approx(1.0)
    assert whole["balance"] == pytest.approx(whole["gain"])


def test_holes_are_grey_and_marked() -> None:
    batch = prepared(TINY["inpaint"])
    assert batch.condition is not None
    given, mask = batch.condition[:, :3], batch.condition[:, 3:]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(given, batch.real * (1 - mask))
    assert all(bool(one.any()) for one in mask)


def test_only_the_holes_are_painted() -> None:
    truth = PHOTOS.images[:3]
    masks = torch.zeros(3, 1, 48, 48, dtype=torch.uint8)
    masks[..., 10:20, 10:20] = 1
    filled = inpaint.fill(Perfect(torch.ones(3, 3, 48, 48)), truth, masks)
    assert torch.equal(filled * (1 - masks), truth * (1 - masks))
    assert (filled[..., 10:20, 10:20] == 255).all()


def test_the_loss_is_a_mean_over_the_holes() -> None:
    batch = prepared(TINY["inpaint"])
    assert batch.condition is not None
    mask = batch.condition[:, 3:]
    found = TASKS["inpaint"].supervised(batch, batch.real + 0.25 * mask)["l1"]
    assert float(found) == pytest.approx(0.25, rel=1e-4)


def test_the_truth_fills_every_hole() -> None:
    recipe, task = TINY["inpaint"], TASKS["inpaint"]
    truth = im.to_signed(PHOTOS.images[:3])
    found = task.evaluate(recipe, Perfect(truth.repeat(len(MASKS), 1, 1, 1)), PHOTOS, 3)
    assert [found[f"{kind}_hole_psnr"] for kind in MASKS] == [pytest.approx(BEST)] * len(MASKS)
    assert found["detail_ratio"] == pytest.approx(1.0)
    assert found["gain"] > 20


def test_kinds_are_harmed_by_their_own_seed() -> None:
    truth = PHOTOS.images[:2]
    for kind, seed in itertools.product(("noise-25", "mixed"), (0, 1)):
        assert torch.equal(enhance.harmed(truth, kind, seed), enhance.harmed(truth, kind, seed))
    assert not torch.equal(enhance.harmed(truth, "noise-25", 0), enhance.harmed(truth, "noise-25", 1))
    twice = truth[:1].repeat(2, 1, 1, 1)
    one, other = enhance.harmed(twice, "noise-25", 0)
    assert not torch.equal(one, other)
