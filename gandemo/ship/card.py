"""The model card of a checkpoint, made from its recipe and its metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gandemo.data.datasets import DATASETS
from gandemo.recipe import Recipe

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
        metrics: of metrics.json: `training`, `evaluation` and `machine`.
        command: the one command that makes the checkpoint again.
    """
    data = DATASETS[recipe.dataset]
    training, evaluation = metrics["training"], metrics["evaluation"]
    minutes = training["seconds"] / 60
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: gandemo",
        f"pipeline_tag: {'image-classification' if recipe.task == 'classify' else 'unconditional-image-generation'}",
        f"tags: [gan, {recipe.task}, {recipe.dataset}]",
        f"datasets: [{recipe.dataset}]",
        "---",
        "",
        f"# {name}",
        "",
        recipe.description,
        "",
    ]
    if recipe.task == "digits":
        lines += ["![samples](preview.png)", ""]
    lines += [
        "| | |",
        "|---|---|",
        f"| design | {recipe.source} |",
        f"| data | {data.title}, {data.source} |",
        f"| licence of the data | {data.licence} |",
        "| licence of the weights | Apache-2.0 |",
        f"| training | {training['step']:,} steps of {recipe.batch_size} pictures ({training['images']:,}), "
        f"{minutes:.1f} minutes by the clock, {training['precision']} |",
        f"| machine | {metrics['machine']}; {training['threads']} of them in use |",
        f"| parameters | {', '.join(f'{player} {count:,}' for player, count in metrics['parameters'].items())} |",
        "",
        "## Measured",
        "",
    ]
    if "generated" in evaluation:
        lines += [
            f"With {evaluation['features']}, {evaluation['samples']:,} samples against {evaluation['reference']}. "
            "The column on the right shows what as many real training pictures reach.",
            "",
            "| | this checkpoint | real pictures |",
            "|---|---|---|",
        ]
        real = evaluation["real"]
        for key, value in evaluation["generated"].items():
            lines.append(f"| {_NAMES.get(key, key)} | {_number(key, value)} | {_number(key, real.get(key))} |")
    else:
        lines += ["| | |", "|---|---|"]
        lines += [f"| {_NAMES.get(key, key)} | {_number(key, value)} |" for key, value in evaluation.items()]
    lines += [
        "",
        "The best checkpoint of the run was picked on the last 5,000 training pictures, which were not trained on; the "
        "figures above are from the test pictures and from the weights in this folder.",
        "",
        "## Made with",
        "",
        f"    {command}",
        "",
        "## Use",
        "",
    ]
    if recipe.task == "digits":
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
