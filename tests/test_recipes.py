"""Every named recipe can be trained, and the articles' designs are faithful to their descriptions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gandemo.data.datasets import DATASETS
from gandemo.nets import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from gandemo.recipe import Optimizer, Recipe
from gandemo.recipes import RECIPES
from gandemo.tasks import TASKS
from gandemo.training.losses import gan_loss
from gandemo.training.trainer import make_optimizer

GAMES = [name for name, recipe in RECIPES.items() if recipe.task == "digits"]


# --- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_everything_named_exists(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.description.endswith(".")
    assert recipe.source
    assert recipe.task in TASKS
    assert recipe.dataset in DATASETS
    assert recipe.generator.name in GENERATORS
    assert recipe.classes in (0, len(DATASETS[recipe.dataset].class_names))
    gan_loss(recipe.loss)
    if recipe.discriminator is not None:
        assert recipe.discriminator.name in DISCRIMINATORS
    if recipe.features:
        assert RECIPES[recipe.features].task == "classify"
        assert RECIPES[recipe.features].dataset == recipe.dataset


def test_the_designs_that_are_promised() -> None:
    promised = {"vanilla", "dense", "conv", "selu", "wgan", "wgan-gp", "cgan", "lsgan", "hinge", "digits", "fashion"}
    assert promised <= set(RECIPES)


@pytest.mark.parametrize("name", GAMES)
def test_players_fit_each_other(name: str) -> None:
    recipe = RECIPES[name]
    count, side = 2 * recipe.pack, recipe.image_size
    generator, discriminator = build_generator(recipe), build_discriminator(recipe)
    assert discriminator is not None
    labels = (torch.arange(count) % recipe.classes,) if recipe.classes else ()
    pictures = generator(torch.randn(count, recipe.latent), *labels)
    assert pictures.shape == (count, 1, side, side)
    assert pictures.dtype == torch.float32
    assert pictures.abs().max() <= 1.0
    logits = discriminator(pictures, *labels)
    assert logits.shape == (2,)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task == "classify"])
def test_classifiers_give_features_and_logits(name: str) -> None:
    recipe = RECIPES[name]
    network = build_generator(recipe).eval()
    pictures = torch.zeros(2, 1, recipe.image_size, recipe.image_size)
    assert network(pictures).shape == (2, recipe.classes)
    assert network.features(pictures).shape == (2, recipe.generator.args["features"])


@pytest.mark.parametrize("name", RECIPES)
def test_the_seed_draws_the_weights(name: str) -> None:
    def weights() -> list[Tensor]:
        torch.manual_seed(3)
        return list(build_generator(RECIPES[name]).state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(weights(), weights(), strict=True))


# --- the articles' designs, layer by layer ----------------------------------------------------------------


def dense(fan_in: int, fan_out: int) -> int:
    return fan_in * fan_out + fan_out


def conv(kernel: int, fan_in: int, fan_out: int) -> int:
    return kernel * kernel * fan_in * fan_out + fan_out


def batch_norm(channels: int) -> int:
    return 2 * channels


def parameters(network: nn.Module | None) -> int:
    assert network is not None
    return sum(parameter.numel() for parameter in network.parameters())


def players(name: str, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(seed)
    generator, discriminator = build_generator(RECIPES[name]), build_discriminator(RECIPES[name])
    assert discriminator is not None
    return generator, discriminator


def outline(network: nn.Module) -> list[str]:
    """The layers in order, short: `dense 100>256`, `conv3/2 1>32`, `bn 64`, `lrelu 0.2`, `dropout 0.4`, `tanh` …"""
    found = []
    for layer in network.modules():
        match layer:
            case nn.Linear():
                found.append(f"dense {layer.in_features}>{layer.out_features}")
            case nn.ConvTranspose2d():
                found.append(f"deconv{layer.kernel_size[0]}/{layer.stride[0]} {layer.in_channels}>{layer.out_channels}")
            case nn.Conv2d():
                found.append(f"conv{layer.kernel_size[0]}/{layer.stride[0]} {layer.in_channels}>{layer.out_channels}")
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                found.append(f"bn {layer.num_features}")
            case nn.LeakyReLU():
                found.append(f"lrelu {layer.negative_slope}")
            case nn.Dropout():
                found.append(f"dropout {layer.p}")
            case nn.Upsample():
                found.append(f"up{layer.scale_factor:g} {layer.mode}")
            case nn.ReLU() | nn.SELU() | nn.Tanh() | nn.Sigmoid() | nn.Flatten():
                found.append(type(layer).__name__.lower())
            case _:
                assert not list(layer.parameters(recurse=False)), f"a layer that this test does not know: {layer}"
    return found


def shapes(network: nn.Module, *inputs: Tensor) -> list[tuple[int, ...]]:
    """Shapes after each layer with weights, without the batch."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(tuple(output.shape[1:])))
        for layer in network.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]
    network.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


def assert_glorot_uniform(layer: nn.Module, fan_in: int, fan_out: int) -> None:
    assert_uniform(layer, math.sqrt(6 / (fan_in + fan_out)))


def assert_uniform(layer: nn.Module, bound: float) -> None:
    """Uniform within ±bound: the extremes come close to it, and the spread is bound / √3."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    tolerance = 4 / math.sqrt(weight.numel())
    assert weight.abs().max() <= bound * (1 + 1e-6)
    assert weight.abs().max() >= bound * (1 - 2 * tolerance)
    assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=tolerance)
    assert float(weight.detach().mean()) == pytest.approx(0, abs=bound * tolerance)
    assert isinstance(bias, Tensor)
    assert not bias.any()


VANILLA_G = dense(100, 256) + dense(256, 512) + dense(512, 1024) + dense(1024, 784)
VANILLA_D = dense(784, 1024) + dense(1024, 512) + dense(512, 256) + dense(256, 1)


def test_vanilla_layers() -> None:
    generator, discriminator = players("vanilla")
    assert outline(generator) == [
        "dense 100>256", "lrelu 0.2", "dense 256>512", "lrelu 0.2", "dense 512>1024", "lrelu 0.2", "dense 1024>784",
        "tanh",
    ]  # fmt: skip
    assert outline(discriminator) == [
        "dense 784>1024", "lrelu 0.3", "dropout 0.2", "dense 1024>512", "lrelu 0.3", "dropout 0.2", "dense 512>256",
        "lrelu 0.3", "dropout 0.2", "dense 256>1",
    ]  # fmt: skip
    assert (parameters(generator), parameters(discriminator)) == (VANILLA_G, VANILLA_D)
    assert_glorot_uniform(generator.layers[0], 100, 256)
    assert_glorot_uniform(discriminator.layers[0], 784, 1024)


def test_vanilla_game() -> None:
    recipe = RECIPES["vanilla"]
    assert (recipe.loss.gan, recipe.loss.real_target, recipe.loss.fake_target) == ("bce", 0.9, 0.0)
    assert recipe.loss.target_noise == 0.0
    assert (recipe.batch_size, recipe.d_steps, recipe.g_steps, recipe.latent) == (128, 1, 1, 100)
    assert (recipe.dataset, recipe.image_size, recipe.classes, recipe.ema.half_life) == ("mnist", 28, 0, 0)
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        assert (settings.name, settings.lr, settings.betas) == ("adam", 2e-4, (0.5, 0.999))


def test_dense_layers() -> None:
    generator, discriminator = players("dense")
    assert outline(generator) == [
        "dense 100>128", "lrelu 0.2", "dense 128>256", "bn 256", "lrelu 0.2", "dense 256>512", "bn 512", "lrelu 0.2",
        "dense 512>1024", "bn 1024", "lrelu 0.2", "dense 1024>784", "tanh",
    ]  # fmt: skip
    assert [line for line in outline(discriminator) if line.startswith("dense")] == [
        "dense 784>512", "dense 512>256", "dense 256>1",
    ]  # fmt: skip
    assert parameters(generator) == (
        dense(100, 128) + dense(128, 256) + batch_norm(256) + dense(256, 512) + batch_norm(512) + dense(512, 1024)
        + batch_norm(1024) + dense(1024, 784)
    )  # fmt: skip
    assert parameters(discriminator) == dense(784, 512) + dense(512, 256) + dense(256, 1)
    for layer in generator.layers:
        if isinstance(layer, nn.Linear):
            assert_uniform(layer, math.sqrt(6 / layer.in_features))  # He et al. 2015
        if isinstance(layer, nn.BatchNorm1d):
            assert layer.eps == 0.8
            assert layer.momentum == pytest.approx(1 - 0.1)  # Keras counts the share that stays


def test_dense_game_on_both_data_sets() -> None:
    recipe = RECIPES["dense"]
    assert recipe.dataset == "fashion-mnist"
    assert (recipe.loss.gan, recipe.loss.real_target) == ("bce", 1.0)
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        assert (settings.name, settings.lr) == ("adam", 2e-4)
    other = recipe.with_settings({"dataset": "mnist", "features": "mnist-classifier"})
    assert parameters(build_generator(other)) == parameters(build_generator(recipe))


def test_conv_layers() -> None:
    generator, discriminator = players("conv")
    up, relu = "up2 nearest", "relu"
    assert outline(generator) == [
        "dense 100>4096", relu,
        up, "conv3/1 256>256", "bn 256", relu,
        up, "conv3/1 256>256", "bn 256", relu,
        up, "conv3/1 256>128", "bn 128", relu,
        "conv3/1 128>1", "tanh",
    ]  # fmt: skip
    assert shapes(generator, torch.zeros(2, 100)) == [
        (4 * 4 * 256,), (256, 8, 8), (256, 16, 16), (128, 32, 32), (1, 32, 32),
    ]  # fmt: skip
    end = ["lrelu 0.2", "dropout 0.25"]
    assert outline(discriminator) == [
        "conv3/2 1>32", *end,
        "conv3/2 32>64", "bn 64", *end,
        "conv3/2 64>128", "bn 128", *end,
        "conv3/1 128>256", "bn 256", *end,
        "conv3/1 256>512", "bn 512", *end,
        "flatten", "dense 8192>1",
    ]  # fmt: skip
    assert shapes(discriminator, torch.zeros(2, 1, 32, 32)) == [
        (32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 4, 4), (512, 4, 4), (1,),
    ]  # fmt: skip
    assert parameters(generator) == (
        dense(100, 4096) + 2 * (conv(3, 256, 256) + batch_norm(256)) + conv(3, 256, 128) + batch_norm(128)
        + conv(3, 128, 1)
    )  # fmt: skip
    assert parameters(discriminator) == (
        conv(3, 1, 32) + conv(3, 32, 64) + conv(3, 64, 128) + conv(3, 128, 256) + conv(3, 256, 512)
        + batch_norm(64 + 128 + 256 + 512) + dense(4 * 4 * 512, 1)
    )  # fmt: skip
    norms = [
        layer for net in (generator, discriminator) for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)
    ]
    assert {round(layer.momentum or 0, 9) for layer in norms} == {0.2}  # 1 - Keras's 0.8
    assert {layer.eps for layer in norms} == {1e-3}  # Keras's default
    assert_glorot_uniform(generator.layers[1], 9 * 256, 9 * 256)
    assert_glorot_uniform(discriminator.layers[3], 9 * 32, 9 * 64)


def test_conv_game() -> None:
    recipe = RECIPES["conv"]
    assert (recipe.image_size, recipe.loss.gan, recipe.batch_size) == (32, "bce", 32)
    assert not recipe.joint_batch  # its batch norms see real and fake apart, as two calls of train_on_batch do
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        assert (settings.name, settings.lr, settings.betas[0]) == ("adam", 1.5e-4, 0.5)


def test_selu_layers() -> None:
    generator, discriminator = players("selu")
    assert outline(generator) == [
        "dense 32>6272", "bn 128", "deconv5/2 128>64", "selu", "bn 64", "deconv5/2 64>1", "tanh",
    ]  # fmt: skip
    assert shapes(generator, torch.zeros(2, 32)) == [(7 * 7 * 128,), (64, 14, 14), (1, 28, 28)]
    assert outline(discriminator) == [
        "conv5/2 1>64", "lrelu 0.2", "dropout 0.4", "conv5/2 64>128", "lrelu 0.2", "dropout 0.4", "flatten",
        "dense 6272>1",
    ]  # fmt: skip
    assert shapes(discriminator, torch.zeros(2, 1, 28, 28)) == [(64, 14, 14), (128, 7, 7), (1,)]
    assert parameters(generator) == (
        dense(32, 6272) + batch_norm(128) + conv(5, 128, 64) + batch_norm(64) + conv(5, 64, 1)
    )
    assert parameters(discriminator) == conv(5, 1, 64) + conv(5, 64, 128) + dense(6272, 1)
    assert [(layer.momentum, layer.eps) for layer in generator.layers if isinstance(layer, nn.BatchNorm2d)] == [
        (pytest.approx(0.01), 1e-3), (pytest.approx(0.01), 1e-3)
    ]  # fmt: skip  # Keras's defaults
    assert_glorot_uniform(generator.layers[1], 25 * 128, 25 * 64)


def test_selu_game() -> None:
    recipe = RECIPES["selu"]
    assert (recipe.latent, recipe.loss.gan, recipe.batch_size) == (32, "bce", 32)
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        # Keras's RMSprop: rho 0.9, epsilon 1e-7
        assert (settings.name, settings.lr, settings.alpha, settings.eps) == ("rmsprop", 1e-3, 0.9, 1e-7)


def test_wgan_clips_its_critic() -> None:
    recipe = RECIPES["wgan"]
    assert (recipe.loss.gan, recipe.loss.clip, recipe.loss.gradient_penalty) == ("wasserstein", 0.01, 0.0)
    assert (recipe.d_steps, recipe.g_steps, recipe.batch_size) == (5, 1, 64)
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        assert (settings.name, settings.lr) == ("rmsprop", 5e-5)
    generator, discriminator = players("wgan")
    assert (parameters(generator), parameters(discriminator)) == (VANILLA_G, VANILLA_D)


def test_wgan_gp_penalises_its_critic() -> None:
    recipe = RECIPES["wgan-gp"]
    assert (recipe.loss.gan, recipe.loss.clip, recipe.loss.gradient_penalty) == ("wasserstein", 0.0, 10.0)
    assert (recipe.d_steps, recipe.g_steps) == (5, 1)
    for settings in (recipe.generator_optimizer, recipe.discriminator_optimizer):
        assert (settings.name, settings.lr, settings.betas) == ("adam", 1e-4, (0.0, 0.9))
    _, critic = players("wgan-gp")
    # a penalty for each picture must not reach others through batch norm
    assert not [layer for layer in critic.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def test_cgan_tells_both_players_the_label() -> None:
    recipe = RECIPES["cgan"]
    assert recipe.classes == 10
    generator, discriminator = players("cgan")
    assert outline(generator)[0] == "dense 110>256"
    assert outline(discriminator)[0] == "dense 794>1024"
    assert parameters(generator) == VANILLA_G + 10 * 256
    assert parameters(discriminator) == VANILLA_D + 10 * 1024
    for network, source in ((generator, torch.zeros(1, 100)), (discriminator, torch.zeros(1, 1, 28, 28))):
        network.eval()
        assert not torch.equal(network(source, torch.tensor([3])), network(source, torch.tensor([4])))


def test_lsgan_and_hinge_play_their_games() -> None:
    assert RECIPES["lsgan"].loss.gan == "lsgan"
    assert RECIPES["hinge"].loss.gan == "hinge"
    _, discriminator = players("hinge")
    weighted = [layer for layer in discriminator.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    assert len(weighted) == 4
    assert all(nn.utils.parametrize.is_parametrized(layer, "weight") for layer in weighted)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Optimizer(), {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-8, "weight_decay": 0.0}),
        (Optimizer(name="adamw", lr=1e-3, weight_decay=0.1), {"lr": 1e-3, "weight_decay": 0.1}),
        (Optimizer(name="rmsprop", lr=1e-3, alpha=0.9, eps=1e-7), {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7}),
    ],
)
def test_optimisers_are_what_the_recipe_says(settings: Optimizer, expected: dict[str, object]) -> None:
    optimizer = make_optimizer(settings, nn.Linear(2, 2))
    assert type(optimizer).__name__.lower() == settings.name
    assert {key: optimizer.param_groups[0][key] for key in expected} == expected


def test_our_own_recipes_are_class_conditional() -> None:
    def essence(recipe: Recipe) -> dict[str, object]:
        return recipe.model_dump(include={"task", "classes", "image_size"})

    for name, dataset in (("digits", "mnist"), ("fashion", "fashion-mnist")):
        assert essence(RECIPES[name]) == {"task": "digits", "classes": 10, "image_size": 28}
        assert RECIPES[name].dataset == dataset
        assert RECIPES[name].ema.half_life > 0
