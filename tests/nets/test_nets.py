"""Networks by name: what they take, what they refuse, and how pictures and labels go through them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import tiny
import torch
from torch import nn

from gandemo.errors import RecipeError
from gandemo.nets import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from gandemo.nets.classifier import Classifier
from gandemo.nets.conditional import ProjectionDiscriminator, ResizeGenerator
from gandemo.nets.convolutional import ConvDiscriminator, TransposedGenerator, UpsamplingGenerator
from gandemo.nets.mlp import MlpDiscriminator, MlpGenerator
from gandemo.recipe import Net, Recipe

BASE = Recipe(
    name="base", task="digits", dataset="mnist", latent=4, generator=Net(name="mlp"), discriminator=Net(name="mlp")
)


# --- built from a recipe ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("player", "registry"), [("generator", GENERATORS), ("discriminator", DISCRIMINATORS)])
def test_unknown_names_and_arguments(player: str, registry: dict[str, Any]) -> None:
    build = build_generator if player == "generator" else build_discriminator
    with pytest.raises(RecipeError) as caught:
        build(BASE.with_settings({player: {"name": "transformer"}}))
    assert str(caught.value) == f"there is no {player} 'transformer'; valid: {', '.join(registry)}"
    for name, make in registry.items():
        with pytest.raises(RecipeError) as caught:
            build(BASE.with_settings({player: {"name": name, "args": {"depth": 3}}}))
        message = str(caught.value)
        assert message.startswith(f"{player}.args has no key 'depth'; valid: ")
        keys = [key for key, p in inspect.signature(make).parameters.items() if p.kind is p.KEYWORD_ONLY]
        assert keys
        assert all(key in message for key in keys)
        assert "latent" not in message  # a fact of the recipe, not an argument


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"generator.args": {"widths": [-8]}}, "can't be built"),
        ({"generator.args": {"widths": "wide"}}, "can't be built"),
        ({"generator.args": {"init": "kaiming"}}, "no initialiser 'kaiming'"),
        ({"generator": {"name": "transposed", "args": {"channels": [8, 8, 8]}}}, "can't be built"),
        ({"generator": {"name": "transposed"}, "image_size": 30}, "image_size 30"),
        ({"generator": {"name": "resize"}, "image_size": 30}, "image_size 30"),
        ({"generator": {"name": "resize", "args": {"channels": [8, 8]}}}, "can't be built"),
        ({"generator": {"name": "upsampling"}}, "gives 32, not image_size 28"),
        ({"discriminator.args": {"dropout": 1.5}}, "can't be built"),
        ({"discriminator": {"name": "conv", "args": {"channels": [8], "strides": [2, 2]}}}, "can't be built"),
        ({"discriminator": {"name": "conv", "args": {"strides": [0, 2]}}}, "can't be built"),
        ({"discriminator": {"name": "conv", "args": {"kernel": 4}}}, "kernel"),
        ({"discriminator": {"name": "conv"}, "classes": 10}, "knows no classes"),
        ({"generator": {"name": "transposed"}, "classes": 10}, "knows no classes"),
    ],
)
def test_what_cannot_be_built(settings: dict[str, Any], words: str) -> None:
    recipe = BASE.with_settings(settings)
    with pytest.raises(RecipeError) as caught:
        (build_generator(recipe), build_discriminator(recipe))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_discriminator_is_none() -> None:
    assert build_discriminator(BASE.with_settings({"discriminator": None, "loss.adversarial": 0.0})) is None


def test_facts_of_the_recipe_reach_the_networks() -> None:
    recipe = BASE.with_settings({"latent": 5, "image_size": 32, "pack": 2, "discriminator.name": "conv"})
    assert build_generator(recipe)(torch.zeros(4, 5)).shape == (4, 1, 32, 32)
    discriminator = build_discriminator(recipe)
    assert discriminator is not None
    assert discriminator(torch.zeros(4, 1, 32, 32)).shape == (2,)


def test_convolutions_lie_in_channels_last() -> None:
    generator = build_generator(tiny.DIGITS)
    weights = [layer.weight for layer in generator.modules() if isinstance(layer, nn.Conv2d)]
    assert weights
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


# --- every family, on its own -----------------------------------------------------------------------------

GENERATED: dict[str, nn.Module] = {
    "mlp": MlpGenerator(28, 6, widths=[8]),
    "mlp-bn": MlpGenerator(28, 6, widths=[8, 8], batch_norm_from=1),
    "mlp-classes": MlpGenerator(28, 6, 10, widths=[8]),
    "upsampling": UpsamplingGenerator(28, 6, base=7, stem=4, channels=[4, 4]),
    "transposed": TransposedGenerator(28, 6, channels=[4, 4]),
    "resize": ResizeGenerator(28, 6, channels=[4, 4, 4]),
    "resize-classes": ResizeGenerator(28, 6, 10, channels=[4, 4, 4], refine=[1, 0, 2]),
}
JUDGES: dict[str, nn.Module] = {
    "mlp": MlpDiscriminator(28, widths=[8]),
    "mlp-pack": MlpDiscriminator(28, 0, 2, widths=[8]),
    "mlp-classes": MlpDiscriminator(28, 10, widths=[8]),
    "conv": ConvDiscriminator(28, channels=[4, 4]),
    "conv-pack": ConvDiscriminator(28, 2, channels=[4, 4], spectral_norm=True),
    "conv-bn": ConvDiscriminator(28, channels=[4, 4, 4], strides=[2, 1, 2], kernel=3, batch_norm_from=1, dropout=0.2),
    "projection": ProjectionDiscriminator(28, channels=[4, 4]),
    "projection-pack": ProjectionDiscriminator(28, 0, 2, channels=[4, 4, 4]),
    "projection-classes": ProjectionDiscriminator(28, 10, channels=[4, 4, 4], spectral_norm=False),
}


@pytest.mark.parametrize("name", GENERATED)
def test_generators_paint_within_range(name: str) -> None:
    network = GENERATED[name].train()
    labels = (torch.arange(5),) if "classes" in name else ()
    pictures = network(torch.randn(5, 6) * 100, *labels)
    assert pictures.shape == (5, 1, 28, 28)
    assert pictures.abs().max() <= 1.0


@pytest.mark.parametrize("name", GENERATED)
def test_a_finished_generator_paints_each_picture_on_its_own(name: str) -> None:
    network = GENERATED[name].eval()
    noise = torch.randn(5, 6)
    labels = (torch.arange(5),) if "classes" in name else ()
    together = network(noise, *labels)
    alone = torch.cat([network(noise[i : i + 1], *(label[i : i + 1] for label in labels)) for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", JUDGES)
def test_judges_give_one_logit_to_each_pack(name: str) -> None:
    network, pack = JUDGES[name].eval(), 2 if "pack" in name else 1
    pictures = torch.randn(6, 1, 28, 28)
    labels = (torch.arange(6),) if "classes" in name else ()
    logits = network(pictures, *labels)
    assert logits.shape == (6 // pack,)
    first = network(pictures[:pack], *(label[:pack] for label in labels))
    assert torch.allclose(first, logits[:1], atol=1e-5)  # nothing leaks from one pack to the next


@pytest.mark.parametrize("name", [name for name in JUDGES if "pack" in name])
def test_a_pack_is_judged_as_a_whole(name: str) -> None:
    network, pictures = JUDGES[name].eval(), torch.randn(2, 1, 28, 28)
    changed = torch.stack([pictures[0], -pictures[1]])
    assert not torch.equal(network(pictures), network(changed))


@pytest.mark.parametrize("name", ["mlp-classes", "projection-classes"])
def test_judges_listen_to_the_class(name: str) -> None:
    network, picture = JUDGES[name].eval(), torch.randn(1, 1, 28, 28)
    logits = [float(network(picture, torch.tensor([label])).detach()) for label in range(10)]
    assert len(set(logits)) == 10


def test_the_logit_is_a_projection_on_the_class() -> None:
    """w·φ + e(class)·φ (Miyato & Koyama 2018)."""
    torch.manual_seed(0)
    network = ProjectionDiscriminator(28, 3, channels=[4, 4], spectral_norm=False).eval()
    seen: list[torch.Tensor] = []
    network.linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    labels = torch.tensor([2, 0, 1])
    logits = network(torch.randn(3, 1, 28, 28), labels)
    features, weights = seen[0], network.linear.weight[0] + network.embedding.weight[labels]
    assert (features < 0).any()
    assert torch.allclose(logits, (weights * features).sum(1) + network.linear.bias, atol=1e-5)


def test_residual_branches_start_as_nothing() -> None:
    torch.manual_seed(0)
    plain = ResizeGenerator(28, 6, channels=[4, 4, 4]).eval()
    refined = ResizeGenerator(28, 6, channels=[4, 4, 4], refine=[1, 1, 1]).eval()
    refined.load_state_dict(plain.state_dict(), strict=False)
    noise = torch.randn(3, 6)
    assert torch.equal(plain(noise), refined(noise))


def test_dropout_rests_at_test_time() -> None:
    network, picture = MlpDiscriminator(28, widths=[32], dropout=0.5), torch.randn(1, 1, 28, 28)
    assert torch.equal(network.eval()(picture), network(picture))
    assert not torch.equal(network.train()(picture), network(picture))


def test_classifier_features_feed_the_head() -> None:
    torch.manual_seed(0)
    network = Classifier(28, 10, width=4, features=8).eval()
    pictures = torch.randn(3, 1, 28, 28)
    features = network.features(pictures)
    assert features.shape == (3, 8)
    assert features.dtype == torch.float32
    assert (features >= 0).all()
    assert torch.allclose(network.head(features), network(pictures))
