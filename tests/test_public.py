"""The public face of the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import gandemo

ROOT = Path(__file__).resolve().parents[1]


def test_the_public_names() -> None:
    assert gandemo.__all__ == ["RECIPES", "GanDemoError", "Pipeline", "Recipe", "train"]


def test_every_public_name_is_what_it_says() -> None:
    from gandemo.errors import GanDemoError
    from gandemo.pipeline import Pipeline
    from gandemo.recipe import Recipe
    from gandemo.recipes import RECIPES
    from gandemo.training.loop import train

    expected = {
        "RECIPES": RECIPES,
        "GanDemoError": GanDemoError,
        "Pipeline": Pipeline,
        "Recipe": Recipe,
        "train": train,
    }
    assert {name: getattr(gandemo, name) for name in gandemo.__all__} == expected


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match=r"gandemo.*'pipe'"):
        _ = gandemo.pipe


def test_every_error_is_a_gandemo_error() -> None:
    from gandemo import errors

    children = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(children) > 5
    assert all(issubclass(child, gandemo.GanDemoError) for child in children)
    drawn = errors.__doc__ or ""
    assert [child.__name__ for child in children if child.__name__ not in drawn] == []  # the tree names them all


def test_the_version_is_the_package_s() -> None:
    declared = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert gandemo.__version__ == declared[1]


def test_import_and_recipes_load_no_torch() -> None:
    program = (
        "import sys\n"
        "import gandemo\n"
        "gandemo.Recipe.from_json(gandemo.RECIPES['digits'].to_json())\n"
        "print(sorted({'torch', 'torchvision', 'gradio', 'numpy'} & set(sys.modules)))\n"
        "gandemo.Pipeline\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == ["[]", "True"]
