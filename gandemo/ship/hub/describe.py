"""What a repository shows of a checkpoint: the card with the metadata that the Hub reads, and how to load it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from gandemo.checkpoint import Checkpoint
from gandemo.data.datasets import DATASETS
from gandemo.errors import HubError
from gandemo.figures import finite
from gandemo.ship.card import HUB_DATASETS, PIPELINES
from gandemo.ship.photo_card import FIGURES
from gandemo.ship.provenance import base_of, start_facts

# The Hub's kind of metric by the key of a figure in metrics.json, and the figure's name for people.
_METRICS = {
    "frechet": ("frechet_distance", "Fréchet distance"),
    "accuracy": ("accuracy", "Accuracy"),
}
_PHOTO_METRICS = {"psnr": "psnr", "psnr_y": "psnr", "hole_psnr": "psnr", "ssim": "ssim"}
_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
# Pictures that are no data set of the Hub are told under the name of its loader for folders of them.
_OWN_PICTURES = "imagefolder"
_PHOTO = "from pathlib import Path\nfrom gandemo.data.images import open_photo\n"
# What each task's pipeline is for: what it imports, and a call on `pipeline` with what it gives.
_USES = {
    "digits": (
        "from gandemo.data.images import grid\n",
        "images = pipeline.generate(64, seed=0).images  # uint8 [64, 28, 28]\n"
        'grid(images, columns=8).save("grid.png")\n',
    ),
    "colorize": (
        _PHOTO,
        'photo = open_photo("photo.jpg")  # upright, of any size\n'
        'Path("colored.png").write_bytes(pipeline.colorize(photo).to_png())\n',
    ),
    "enhance": (
        _PHOTO,
        'photo = open_photo("photo.jpg")  # upright, of any size\n'
        'Path("enhanced.png").write_bytes(pipeline.enhance(photo).to_png())\n',
    ),
    "inpaint": (
        _PHOTO + "from PIL import Image\n",
        'photo, mask = open_photo("photo.jpg"), Image.open("mask.png").convert("L")  # not black: painted in\n'
        'Path("inpainted.png").write_bytes(pipeline.inpaint(photo, mask).to_png())\n',
    ),
    "classify": (
        "import numpy as np\nimport torch\nfrom PIL import Image\nfrom gandemo.data.images import to_signed\n",
        'picture = np.array(Image.open("picture.png").convert("L").resize((28, 28)))  # white on black\n'
        "with torch.inference_mode():\n"
        "    logits = pipeline.generator(to_signed(torch.from_numpy(picture))[None, None])  # float32 [1, classes]\n"
        "print(pipeline.class_names[int(logits.argmax())])\n",
    ),
}


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
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else _plain_card(source)
    except UnicodeDecodeError:
        raise HubError(f"{file} is no text in UTF-8; mend it") from None
    try:
        card = ModelCard(text)
    except Exception as error:  # whatever YAML makes of it
        reason = " ".join(str(error).split())[:160]
        raise HubError(f"the front matter of {file} is not valid ({reason}); mend it") from None
    base = base or base_of(source)
    values: dict[str, Any] = {**_metadata(source), **card.data.to_dict()}  # type: ignore[no-untyped-call]
    values["tags"] = list(dict.fromkeys([*(values.get("tags") or []), "gan", "gandemo", source.recipe.task]))
    values["datasets"] = _datasets(source, values.pop("datasets", None))
    values = {key: value for key, value in values.items() if value != []}
    values.pop("model-index", None)
    if base:
        values["base_model"], values["base_model_relation"] = base, "finetune"
    if results := _results(source):
        values["model_name"], values["eval_results"] = repo.partition("/")[2], results
    return f"---\n{ModelCardData(**values).to_yaml()}\n---\n\n{_with_use(card.text, source, repo).strip()}\n"


def example(source: Checkpoint, repo: str) -> str:
    """A program of a few lines that loads the checkpoint from the Hub and does what it is for."""
    return f'"""Loads {repo} from the Hugging Face Hub; needs the package gandemo."""\n\n{_program(source, repo)}'


def _program(source: Checkpoint, repo: str) -> str:
    imports, call = _USES[source.recipe.task]
    return f'{imports}from gandemo import Pipeline\n\npipeline = Pipeline.from_pretrained("{repo}")\n{call}'


def _metadata(source: Checkpoint) -> dict[str, Any]:
    recipe = source.recipe
    return {
        "license": "apache-2.0",
        "library_name": "gandemo",
        "pipeline_tag": PIPELINES[recipe.task],
        "tags": ["gan", recipe.task],
    }


def _datasets(source: Checkpoint, told: Any) -> list[str]:
    """Ids of the Hub alone: of the data sets that are there, and what a card names in that form."""
    names = [source.recipe.dataset, *(told if isinstance(told, list) else [told or ""])]
    ids = [HUB_DATASETS.get(str(name), str(name)) for name in names]
    return list(dict.fromkeys(each for each in ids if _HUB_ID.fullmatch(each)))


def _results(source: Checkpoint) -> list[EvalResult]:
    """What was measured on test data, in the form that the Hub shows beside a model."""
    evaluation = source.metrics.get("evaluation")
    if not isinstance(evaluation, Mapping):
        return []
    if isinstance(evaluation.get("kinds"), Mapping):
        return _photo_results(source, evaluation)
    figures = evaluation.get("generated", evaluation)
    if not isinstance(figures, Mapping):
        return []
    data = DATASETS.get(source.recipe.dataset)
    features = evaluation.get("features")
    results = []
    for key, (kind, name) in _METRICS.items():
        told = f"{name} ({features})" if key == "frechet" and isinstance(features, str) else name
        if (value := finite(figures.get(key))) is not None:
            results.append(_result(source, source.recipe.dataset if data is None else data.title, kind, told, value))
    return results


def _photo_results(source: Checkpoint, evaluation: Mapping[str, Any]) -> list[EvalResult]:
    """For each kind of harm, the figures of what the checkpoint made of it, unless others say it otherwise."""
    results, side = [], str(evaluation.get("side"))
    for harm, kind in evaluation["kinds"].items():
        sides = kind.get("sides") if isinstance(kind, Mapping) else None
        figures = sides.get(side) if isinstance(sides, Mapping) else None
        if not isinstance(figures, Mapping):
            continue
        data = f"{evaluation.get('reference', 'test photos')}, {kind.get('title', 'harmed')}"
        for key, metric in _PHOTO_METRICS.items():
            if (value := finite(figures.get(key))) is not None:
                results.append(_result(source, data, metric, FIGURES[key], value, str(harm)))
    return results


def _result(source: Checkpoint, data: str, kind: str, name: str, value: Any, config: str | None = None) -> EvalResult:
    """One figure; results of one data set are told apart by their `config` alone."""
    return EvalResult(
        task_type=PIPELINES[source.recipe.task],
        dataset_type=HUB_DATASETS.get(source.recipe.dataset, _OWN_PICTURES),
        dataset_name=data,
        dataset_config=config,
        dataset_split="test",
        metric_type=kind,
        metric_name=name,
        metric_value=value,
    )


def _with_use(text: str, source: Checkpoint, repo: str) -> str:
    """The card's text, its section on use being the one for this repository."""
    program = "".join(f"    {line}".rstrip() + "\n" for line in _program(source, repo).splitlines())
    use = (
        f"## Use\n\n{program}\n"
        f"`example.py` is this program. `python -m gandemo pull {repo}` brings the checkpoint into every list of page "
        "and command line.\n"
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
    if start := start_facts(source):
        rows.append(("started from", start.get("repo", start["name"])))
    validation = source.metrics.get("validation")
    if isinstance(validation, Mapping):
        rows += [
            (f"{key}, on held-out pictures", f"{number:g}")
            for key, value in validation.items()
            if (number := finite(value)) is not None
        ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"# {source.name}\n\n{recipe.description}\n\n| | |\n|---|---|\n{table}\n"
