"""The one direction of imports: every file has a level and imports only from the levels before it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A name covers the modules below it, unless a longer one does. Modules under one name may import each other.
# The empty name is gandemo/__init__.py, the public face, which nothing inside imports.
LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors", "elsewhere", "figures", "places"),
    ("recipe",),
    ("recipes",),
    ("data.images", "nets"),
    ("data", "metrics", "checkpoint"),
    ("tasks",),
    ("training", "pipeline"),
    ("ship",),
    ("",),
    ("ui", "bench"),
    ("commands",),
    ("__main__",),
    ("app",),
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}

# What must not be reached from a part, not even through others.
OUT_OF_REACH = {
    "tasks": ("training", "data.datasets"),
    "pipeline": ("training", "data.datasets"),
}
# Outside packages with a home: these parts of gandemo import them, no other does.
HOMES = {
    "huggingface_hub": ("ship.hub",),
    "gradio": ("ui",),
    "torchvision": ("data.torchvision_import", "data.datasets"),
    "cv2": ("metrics.classical",),
    "skimage": ("metrics.classical",),
    "litert_torch": ("ship.export.tflite",),
    "ai_edge_litert": ("ship.export.tflite",),
    "ai_edge_quantizer": ("ship.export.tflite",),
    "onnx": ("ship.export.onnx",),
    "onnxruntime": ("ship.export.onnx",),
    "segno": ("ui.ship_answers",),
}
NO_TORCH = ("errors", "elsewhere", "figures", "places", "recipe", "recipes", "")


class Import(NamedTuple):
    """One imported module, by its full name, and the line that asks for it."""

    line: int
    target: str


def part_of(module: str) -> str | None:
    """The name in the level table that covers a module (`"data.images"`), or None."""
    if module in ("app", "gandemo"):
        return {"app": "app", "gandemo": ""}[module]
    package, _, rest = module.partition(".")
    while package == "gandemo" and rest:
        if rest in LEVEL:
            return rest
        rest = rest.rpartition(".")[0]
    return None


def imports(module: str, source: str, known: Collection[str] = (), is_package: bool = False) -> list[Import]:
    """Everything that a source imports, at its top, in functions and for type checking alike.

    Args:
        module: the full name of the module that the source is.
        source: its text.
        known: the modules that exist, to tell `from package import module` from `from module import name`.
        is_package: whether the source is an `__init__.py`, which relative imports start from.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                found += [Import(node.lineno, alias.name) for alias in node.names]
            case ast.ImportFrom():
                base = _absolute(module, node, is_package)
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    if base == "gandemo" and alias.name == "__version__":
                        continue  # the version belongs to no level
                    is_module = inner in known or (base == "gandemo" and part_of(inner) is not None)
                    found.append(Import(node.lineno, inner if is_module else base))
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.append(Import(node.lineno, name))
    return sorted(set(found))


def _absolute(module: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *filter(None, [node.module])])


def violations(module: str, source: str, known: Collection[str] = (), is_package: bool = False) -> list[str]:
    """What is wrong with a module's imports, a sentence each; empty if nothing is."""
    part = part_of(module)
    if part is None:
        return [f"{module} has no level: add it to LEVELS in tests/test_layers.py or move its code"]
    if module.rpartition(".")[2] in ("utils", "constants"):
        return [f"{module}: name it by what it does, not 'utils' or 'constants'"]
    wrong = []
    for line, target in imports(module, source, known, is_package):
        where, root = f"{module}, line {line}", target.partition(".")[0]
        if root in ("gandemo", "app"):
            other = part_of(target)
            if other is None:
                wrong.append(f"{where}: {target} has no level")
            elif other != part and LEVEL[other] >= LEVEL[part]:
                wrong.append(f"{where}: {part or 'gandemo'} must not import {target}; see LEVELS")
        elif root == "torch" and part in NO_TORCH:
            wrong.append(f"{where}: {part or 'gandemo'} must not import torch")
        elif root in HOMES and part != "app" and not any(_covers(home, module) for home in HOMES[root]):
            wrong.append(f"{where}: {root} is imported in {', '.join(HOMES[root])} only")
    return wrong


def _covers(name: str, module: str) -> bool:
    return f"{module}.".startswith(f"gandemo.{name}.")


def _sources() -> dict[str, Path]:
    """Every Python file of the project by its module name."""
    files = {}
    for path in sorted((ROOT / "gandemo").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    if (ROOT / "app.py").exists():
        files["app"] = ROOT / "app.py"
    return files


SOURCES = _sources()


def _is_package(module: str) -> bool:
    return SOURCES[module].name == "__init__.py"


@cache
def _graph() -> dict[str, set[str]]:
    """Which modules of gandemo each module loads; the packages that a module lies in are loaded with it."""
    graph: dict[str, set[str]] = {}
    for module, path in SOURCES.items():
        targets = {i.target for i in imports(module, path.read_text("utf-8"), SOURCES, _is_package(module))}
        graph[module] = {t for target in targets for t in _with_packages(target)}
    return graph


def _with_packages(module: str) -> Iterator[str]:
    """A module and the packages around it, but for gandemo itself."""
    while module.startswith("gandemo."):
        yield module
        module = module.rpartition(".")[0]


def reached(start: str, graph: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Every module that `start` leads to, each with the one that imports it."""
    found: dict[str, str] = {}
    queue = [start]
    while queue:
        module = queue.pop()
        for target in graph.get(module, ()):
            if target != start and target not in found:
                found[target] = module
                queue.append(target)
    return found


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_one_way(module: str) -> None:
    source = SOURCES[module].read_text("utf-8")
    assert not violations(module, source, SOURCES, _is_package(module))


@pytest.mark.parametrize("module", SOURCES)
def test_the_inference_path_stays_light(module: str) -> None:
    forbidden = OUT_OF_REACH.get(part_of(module) or "", ())
    wrong = [
        f"{module} reaches {target} through {via}"
        for target, via in reached(module, _graph()).items()
        if any(_covers(name, target) for name in forbidden)
    ]
    assert not wrong


@pytest.mark.parametrize("name", ["gandemo", "gandemo.errors", "gandemo.recipe", "gandemo.recipes"])
def test_importing_loads_no_torch(name: str) -> None:
    heavy = ["torch", "gradio", "huggingface_hub"]
    code = f"import sys, {name}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


# The checks above can fail: made-up sources that break one rule each.


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gandemo.errors", "import gandemo.recipe"),
        ("gandemo.recipe", "from gandemo.recipes import RECIPES"),
        ("gandemo.recipe", "import torch.nn as nn"),
        ("gandemo.recipes", "def f():\n    from torch import nn"),
        ("gandemo", "import torch"),
        ("gandemo", "from gandemo.ui import digits"),
        ("gandemo.data.images", "from gandemo.data.datasets import DATASETS"),
        ("gandemo.data.images", "from . import datasets"),
        ("gandemo.nets.mlp", "from ..data.images import grid"),
        ("gandemo.metrics.frechet", "from gandemo.checkpoint import load"),
        ("gandemo.checkpoint", "from gandemo import tasks"),
        ("gandemo.tasks.digits", "from gandemo.training.losses import GAN_LOSSES"),
        ("gandemo.tasks", "def f():\n    from gandemo.pipeline import Pipeline"),
        (
            "gandemo.pipeline",
            "if TYPE_CHECKING:\n    import gandemo.training.loop",
        ),
        ("gandemo.pipeline", "import importlib\nimportlib.import_module('gandemo.training')"),
        ("gandemo.training.loop", "from gandemo.pipeline import Pipeline"),
        ("gandemo.training.loop", "from gandemo import Pipeline"),
        ("gandemo.training.loop", "import gradio"),
        ("gandemo.ship.card", "from huggingface_hub import ModelCard"),
        ("gandemo.data.degradations", "import torchvision.transforms"),
        ("gandemo.ui.digits", "from gandemo import __main__"),
        ("gandemo.__main__", "import app"),
        ("gandemo.training.utils", ""),
        ("gandemo.nets.constants", ""),
    ],
)
def test_a_forbidden_import_is_seen(module: str, source: str) -> None:
    known = {"gandemo.data.datasets", "gandemo.data.images", "gandemo.training.loop"}
    is_package = module in ("gandemo", "gandemo.tasks")
    assert len(violations(module, source, known, is_package)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gandemo.recipes", "from gandemo.recipe import Recipe"),
        ("gandemo.data.degradations", "from . import images, datasets"),
        ("gandemo.tasks.digits", "import torch\nfrom gandemo import __version__, checkpoint"),
        ("gandemo.training.loop", "from gandemo.tasks import TASKS\nfrom .losses import GAN_LOSSES"),
        ("gandemo.ship.hub", "import huggingface_hub"),
        ("gandemo.__main__", "from gandemo.ui import build\nfrom gandemo import Pipeline"),
        ("app", "import gradio\nfrom gandemo.ui import build"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    known = {"gandemo.data.images", "gandemo.data.datasets"}
    assert not violations(module, source, known)


def test_a_file_without_a_level_is_named() -> None:
    (message,) = violations("gandemo.helpers", "")
    assert "gandemo.helpers has no level" in message


def test_what_is_reached_through_others_is_seen() -> None:
    graph = {"a": {"b"}, "b": {"c", "a"}, "c": set(), "d": {"c"}}
    assert reached("a", graph) == {"b": "a", "c": "b"}
