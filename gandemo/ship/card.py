"""The model card of a checkpoint, made from its recipe and its metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gandemo.data.datasets import DATASETS
from gandemo.recipe import Recipe
from gandemo.ship import photo_card

# the Hub's own name for what a task does, and what else people look for
PIPELINES = {
    "digits": "unconditional-image-generation",
    "classify": "image-classification",
    "colorize": "image-to-image",
    "enhance": "image-to-image",
    "inpaint": "image-to-image",
}
# the Hub's own ids of the data sets that it has
HUB_DATASETS = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
_TAGS = {
    "colorize": ("colorization", "image-colorization", "photos"),
    "enhance": ("image-restoration", "super-resolution", "denoising", "deblurring", "photos"),
    "inpaint": ("inpainting", "image-inpainting", "image-restoration", "photos"),
}
_NAMES = {
    "frechet": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "modes": "classes found",
    "class_kl": "KL of the class histogram from uniform (nats)",
    "smallest_class": "share of the rarest class",
    "largest_class": "share of the commonest class",
    "agreement": "read as the class asked for",
    "classification_accuracy_score": "classification accuracy score",
    "accuracy": "accuracy on the test pictures",
}


def card(name: str, recipe: Recipe, metrics: Mapping[str, Any], command: str) -> str:
    """The card as Markdown with the front matter that model hubs read.

    Args:
        name: of the checkpoint.
        recipe: what trained it.
        metrics: of metrics.json: `training`, `evaluation`, `machine` and `parameters`; where it started from another,
            `start` as well; of photos, and of pictures by path, `data`; of photo checkpoints `half`.
        command: the one command that makes the checkpoint again.
    """
    training, evaluation = metrics["training"], metrics["evaluation"]
    of_photos = "kinds" in evaluation
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: gandemo",
        f"pipeline_tag: {PIPELINES[recipe.task]}",
        f"tags: [{', '.join(['gan', recipe.task, *_tags(recipe)])}]",
        *([f"datasets: [{HUB_DATASETS[recipe.dataset]}]"] if recipe.dataset in HUB_DATASETS else []),
        "---",
        "",
        f"# {name}",
        "",
        recipe.description,
        "",
    ]
    if recipe.task != "classify":
        lines += ["![samples](preview.png)", ""]
    if of_photos:
        lines += ["The first photos of the test split, as they came.", ""]
    lines += [
        "| | |",
        "|---|---|",
        f"| design | {recipe.source} |",
        *_data(recipe, metrics),
        "| licence of the weights | Apache-2.0 |",
        f"| training | {_training(recipe.batch_size, training)} |",
    ]
    start = metrics.get("start")
    while start:
        told = _training(start["batch_size"], start["training"]) if "training" in start else "not told here"
        lines.append(f"| started from | {start.get('repo', start['name'])}: {told} |")
        start = start.get("start")
    lines += [
        f"| machine | {metrics['machine']}; {training['threads']} of them in use |",
        f"| parameters | {', '.join(f'{player} {count:,}' for player, count in metrics['parameters'].items())} |",
    ]
    if "half" in metrics:
        lines.append(f"| precision of the weights | {_precision(metrics['half'])} |")
    lines += ["", "## Measured", ""]
    if of_photos:
        lines += photo_card.measured(recipe.task, evaluation)
    elif "generated" in evaluation:
        lines += _beside_real(evaluation)
    else:
        lines += ["| | |", "|---|---|"]
        lines += [f"| {_NAMES.get(key, key)} | {_number(key, value)} |" for key, value in evaluation.items()]
    if of_photos:
        chosen = f"{metrics['data']['validation']:,} other photos"
        lines += [
            "",
            f"The best checkpoint of the run was picked on {chosen}; neither part was trained on. The figures",
        ]
        lines[-1] += " above are from the weights in this folder."
        lines += ["", "## Limits", "", *photo_card.limits(recipe, evaluation)]
        lines += ["", "## Photos", "", *photo_card.data(metrics)]
    else:
        held_out = (
            f"{metrics['data']['validation']:,} pictures" if "data" in metrics else "the last 5,000 training pictures"
        )
        lines += [
            "",
            f"The best checkpoint of the run was picked on {held_out}, which were not trained on; "
            "the figures above are from the test pictures and from the weights in this folder.",
        ]
    lines += ["", "## Made with", "", f"    {command}", ""]
    if "data" in metrics:
        lines += [photo_card.where(recipe, metrics["data"]), ""]
    lines += ["## Use", ""]
    if of_photos:
        lines += photo_card.use(name, recipe.task)
    elif recipe.task == "digits":
        lines += [
            "    from gandemo import Pipeline",
            f'    samples = Pipeline.from_pretrained("{name}").generate(64, seed=0)',
            "    samples.images    # uint8 [64, 28, 28]",
        ]
    else:
        lines += [
            "    from gandemo import checkpoint",
            f'    network = checkpoint.resolve("{name}").generator()    # float32 [N, 1, 28, 28] in [-1, 1] to logits',
        ]
    return "\n".join(lines) + "\n"


def _tags(recipe: Recipe) -> tuple[str, ...]:
    return _TAGS.get(recipe.task, (recipe.dataset,) if recipe.dataset in DATASETS else ())


def _data(recipe: Recipe, metrics: Mapping[str, Any]) -> list[str]:
    if "data" in metrics:
        facts = metrics["data"]
        kind, licence = "photos", "each photo's own, as listed under Photos"
        if "licence" in facts:
            kind, licence = "pictures", facts["licence"]
        return [
            f"| data | {facts['name']}: {facts['training']:,} {kind} to train on, {facts['validation']:,} to pick the "
            f"best checkpoint with, {facts['test']:,} to measure on |",
            f"| licence of the data | {licence} |",
        ]
    data = DATASETS[recipe.dataset]
    return [f"| data | {data.title}, {data.source} |", f"| licence of the data | {data.licence} |"]


def _training(batch_size: int, training: Mapping[str, Any]) -> str:
    return (
        f"{training['step']:,} steps of {batch_size} pictures ({training['images']:,}), "
        f"{training['seconds'] / 60:.1f} minutes by the clock, {training['precision']}"
    )


def _precision(half: Mapping[str, Any]) -> str:
    """What the shorter weights cost, or would have."""
    apart = "no difference" if half["psnr"] is None else f"{half['psnr']:.1f} dB"
    between = f"{apart} between photos of half and of single precision, {half['photos']} of each kind"
    return f"{'half' if half['kept'] else 'single'}; {between}"


def _beside_real(evaluation: Mapping[str, Any]) -> list[str]:
    lines = [
        f"With {evaluation['features']}, {evaluation['samples']:,} samples against {evaluation['reference']}. "
        "The column on the right shows what as many real training pictures reach.",
        "",
        "| | this checkpoint | real pictures |",
        "|---|---|---|",
    ]
    real = evaluation["real"]
    for key, value in evaluation["generated"].items():
        lines.append(f"| {_NAMES.get(key, key)} | {_number(key, value)} | {_number(key, real.get(key))} |")
    return lines


def _number(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key == "modes":
        return f"{value:.0f}"
    if key in ("agreement", "accuracy", "classification_accuracy_score", "smallest_class", "largest_class"):
        return f"{100 * value:.2f} %"
    return f"{value:.3f}"


def overview(entries: Mapping[str, tuple[Recipe, Mapping[str, Any]]]) -> str:
    """A Markdown table of measured digit checkpoints, the best of each data set first.

    Args:
        entries: name to recipe and metrics.
    """
    lines = [
        "| checkpoint | data | Fréchet distance | real pictures | coverage | as asked | pictures seen | parameters |",
        "|---|---|---|---|---|---|---|---|",
    ]
    measured = [
        (name, recipe, metrics)
        for name, (recipe, metrics) in entries.items()
        if "generated" in metrics.get("evaluation", {})
    ]
    for name, recipe, metrics in sorted(
        measured, key=lambda entry: (entry[1].dataset != "mnist", entry[2]["evaluation"]["generated"]["frechet"])
    ):
        made, real = metrics["evaluation"]["generated"], metrics["evaluation"]["real"]
        share, asked = made["coverage"] / real["coverage"], _number("agreement", made.get("agreement"))
        lines.append(
            f"| [`{name}`](checkpoints/{name}) | {recipe.dataset} | {made['frechet']:.2f} | {real['frechet']:.2f} | "
            f"{100 * share:.0f} % of real | {asked} | {metrics['training']['images']:,} | "
            f"{metrics['parameters']['generator']:,} |"
        )
    return "\n".join(lines) + "\n"
