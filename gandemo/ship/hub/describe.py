"""What a repository shows of a checkpoint: the card with the metadata that the Hub reads, and how to load it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from gandemo import checkpoint
from gandemo.checkpoint import Checkpoint
from gandemo.data.datasets import DATASETS
from gandemo.errors import CheckpointError, HubError
from gandemo.ship.hub.pulling import origin

# The Hub's own names for what a model does, by task.
PIPELINES = {
    "digits": "unconditional-image-generation",
    "classify": "image-classification",
    "colorize": "image-to-image",
    "enhance": "image-to-image",
    "inpaint": "image-to-image",
}
# Figures by their key in metrics.json: the Hub's kind of metric, and the name for people.
_METRICS = {
    "frechet": ("frechet_distance", "Fréchet distance"),
    "psnr": ("psnr", "PSNR in dB"),
    "ssim": ("ssim", "SSIM"),
    "accuracy": ("accuracy", "Accuracy"),
}
_CALLS = {
    "digits": (
        "pipeline.generate(64, seed=0).images  # uint8 [64, 28, 28]",
        'grid(pipeline.generate(64, seed=0).images, columns=8).save("grid.png")',
    ),
    "colorize": ("pipeline.colorize(photo)", 'pipeline.colorize(Image.open("photo.jpg")).save("colored.png")'),
    "enhance": ("pipeline.enhance(photo)", 'pipeline.enhance(Image.open("photo.jpg")).save("enhanced.png")'),
    "inpaint": (
        "pipeline.inpaint(photo, mask)",
        'pipeline.inpaint(Image.open("photo.jpg"), Image.open("mask.png")).save("inpainted.png")',
    ),
    "classify": (
        "pipeline.generator(pictures)  # float32 [N, 1, 28, 28] in [-1, 1] to logits",
        "print(pipeline.generator)",
    ),
}
_IMPORTS = {"digits": "from gandemo.data.images import grid\n", "classify": ""}
_PHOTO_IMPORT = "from PIL import Image\n"


def readme(source: Checkpoint, repo: str, base: str = "") -> str:
    """The card: the checkpoint's own, with the metadata that the Hub shows, and how to load it from there.

    Args:
        source: the checkpoint.
        repo: `USER/REPO`, where it will be.
        base: `USER/REPO` that it was fine-tuned from; default: where the checkpoint that it started from came from.

    Raises:
        HubError: the card's front matter is not valid.
    """
    file = source.path / "README.md"
    text = file.read_text(encoding="utf-8") if file.is_file() else _plain_card(source)
    try:
        card = ModelCard(text)
    except Exception as error:  # whatever YAML makes of it
        reason = " ".join(str(error).split())[:160]
        raise HubError(f"the front matter of {file} is not valid ({reason}); mend it") from None
    base = base or base_of(source)
    values: dict[str, Any] = {**_metadata(source), **card.data.to_dict()}  # type: ignore[no-untyped-call]
    values["tags"] = list(dict.fromkeys([*(values.get("tags") or []), "gan", "gandemo", source.recipe.task]))
    values.pop("model-index", None)
    if base:
        values["base_model"], values["base_model_relation"] = base, "finetune"
    if results := _results(source):
        values["model_name"], values["eval_results"] = repo.partition("/")[2], results
    return f"---\n{ModelCardData(**values).to_yaml()}\n---\n\n{_with_use(card.text, source, repo).strip()}\n"


def example(source: Checkpoint, repo: str) -> str:
    """A program of a few lines that loads the checkpoint from the Hub and does what it is for."""
    task = source.recipe.task
    return (
        f'"""Loads {repo} from the Hugging Face Hub; needs the package gandemo."""\n\n'
        f"{_IMPORTS.get(task, _PHOTO_IMPORT)}"
        "from gandemo import Pipeline\n\n"
        f'pipeline = Pipeline.from_pretrained("{repo}")\n'
        f"{_CALLS[task][1]}\n"
    )


def base_of(source: Checkpoint) -> str:
    """The repository of the checkpoint that this one's weights started from; empty if it has none."""
    if not source.recipe.init:
        return ""
    try:
        return str(origin(checkpoint.resolve(source.recipe.init).path).get("repo", ""))
    except CheckpointError:
        return ""


def _metadata(source: Checkpoint) -> dict[str, Any]:
    recipe = source.recipe
    return {
        "license": "apache-2.0",
        "library_name": "gandemo",
        "pipeline_tag": PIPELINES[recipe.task],
        "tags": ["gan", recipe.task],
        "datasets": [recipe.dataset],
    }


def _results(source: Checkpoint) -> list[EvalResult]:
    """What was measured on test data, in the form that the Hub shows beside a model."""
    evaluation = source.metrics.get("evaluation")
    if not isinstance(evaluation, Mapping):
        return []
    figures = evaluation.get("generated", evaluation)
    if not isinstance(figures, Mapping):
        return []
    data = DATASETS.get(source.recipe.dataset)
    features = evaluation.get("features")
    results = []
    for key, (kind, name) in _METRICS.items():
        value = figures.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            told = f"{name} ({features})" if key == "frechet" and isinstance(features, str) else name
            results.append(
                EvalResult(
                    task_type=PIPELINES[source.recipe.task],
                    dataset_type=source.recipe.dataset,
                    dataset_name=source.recipe.dataset if data is None else data.title,
                    dataset_split="test",
                    metric_type=kind,
                    metric_name=told,
                    metric_value=value,
                )
            )
    return results


def _with_use(text: str, source: Checkpoint, repo: str) -> str:
    """The card's text, its section on use being the one for this repository."""
    use = (
        "## Use\n\n"
        "    from gandemo import Pipeline\n"
        f'    pipeline = Pipeline.from_pretrained("{repo}")\n'
        f"    {_CALLS[source.recipe.task][0]}\n\n"
        f"or `python -m gandemo pull {repo}`, after which page and command line list it. `example.py` does it all.\n"
    )
    without = re.sub(r"^## Use\n.*?(?=^## |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    return f"{without.rstrip()}\n\n{use}"


def _plain_card(source: Checkpoint) -> str:
    """For a checkpoint that was not published and has no card of its own, such as one of a run in progress."""
    recipe, training = source.recipe, source.metrics.get("training", {})
    data = DATASETS.get(recipe.dataset)
    rows = [("design", recipe.source or "gandemo")]
    if data is not None:
        rows += [("data", f"{data.title}, {data.source}"), ("licence of the data", data.licence)]
    rows.append(("licence of the weights", "Apache-2.0"))
    if isinstance(training, Mapping) and isinstance(training.get("step"), int):
        rows.append(("training", f"{training['step']:,} of {recipe.steps:,} steps of {recipe.batch_size} pictures"))
    if recipe.init:
        rows.append(("fine-tuned from", recipe.init))
    validation = source.metrics.get("validation")
    if isinstance(validation, Mapping):
        rows += [
            (f"{key}, on held-out pictures", f"{value:g}") for key, value in validation.items() if _is_number(value)
        ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"# {source.name}\n\n{recipe.description}\n\n| | |\n|---|---|\n{table}\n"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
