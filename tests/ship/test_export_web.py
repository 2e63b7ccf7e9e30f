"""The page of static files, and the command that makes it."""

from __future__ import annotations

import calendar
import io
import json
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from gandemo import checkpoint, places
from gandemo.__main__ import app
from gandemo.data.images import open_photo
from gandemo.errors import RequestError
from gandemo.pipeline import Pipeline
from gandemo.ship.export import records, reference, web
from tests import tiny, tiny_photos

DIGITS = places.SHIPPED / "digits"


@pytest.fixture
def digits(tmp_path: Path) -> checkpoint.Checkpoint:
    """The shipped digits with the exports that ship."""
    shutil.copytree(DIGITS, tmp_path / "digits")
    return checkpoint.load(tmp_path / "digits")


def test_the_shipped_digits_have_files_for_browsers() -> None:
    exports = records.of(DIGITS)
    assert {"fp32", "int8"} <= set(exports)
    assert exports["int8"].bytes <= 1.5e6
    assert exports["fp32"].parity["max_error"] <= 1e-4
    assert web.browser_export(DIGITS).format == "fp32"  # small, so the exact one


def test_a_page_holds_everything_and_asks_nobody(digits: checkpoint.Checkpoint, tmp_path: Path) -> None:
    index = web.write(digits, tmp_path / "page")
    files = {path.relative_to(index.parent).as_posix(): path for path in index.parent.rglob("*") if path.is_file()}
    assert {"index.html", "model.tflite", "litert/litert.wasm.gz", "litert/LICENSE", "sw.js"} <= set(files)
    assert files["model.tflite"].read_bytes()[4:8] == b"TFL3"
    kept = json.loads(re.search(r"const FILES = (\[.*?\]);", files["sw.js"].read_text())[1])
    assert {name for name in kept if name != "./"} <= set(files)
    for name in ("index.html", "start.js", "sw.js", "litert/device.js", "litert/noise.js", "litert/worker.js"):
        assert "//" not in re.sub(r"^\s*//.*$| // .*$", "", files[name].read_text(), flags=re.MULTILINE), name
    with pytest.raises(RequestError, match="exists; name a new folder"):
        web.write(digits, tmp_path / "page")


def test_words_are_escaped_where_it_is_html_alone(digits: checkpoint.Checkpoint) -> None:
    index = digits.path / "exports" / "exports.json"
    values = json.loads(index.read_text())
    for one in values:
        one["description"]["data"] = "Ada's <b>$name</b> & more"
    index.write_text(json.dumps(values))
    files = web.page(digits)
    assert b"Ada's <b>$name</b> & more" in files["README.txt"]
    assert b"Ada&#x27;s &lt;b&gt;$name&lt;/b&gt; &amp; more" in files["index.html"]


def test_the_same_page_is_the_same_zip(digits: checkpoint.Checkpoint) -> None:
    first, second = (web.zipped(web.page(digits), "digits") for _ in range(2))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.testzip() is None
        assert all(name.startswith("digits/") for name in archive.namelist())
    assert len(first) < 8e6


def test_a_new_version_of_a_page_is_newer(digits: checkpoint.Checkpoint) -> None:
    """Unpacked, its files keep the date by which hosts and browsers tell whether they have changed."""

    def dates() -> set[tuple[int, ...]]:
        with zipfile.ZipFile(io.BytesIO(web.zipped(web.page(digits), "digits"))) as archive:
            return {entry.date_time for entry in archive.infolist()}

    (before,) = dates()
    made = records.path_of(digits.path, web.browser_export(digits.path))
    later = time.time() + 86_400
    os.utime(made, (later, later))
    (after,) = dates()
    assert before < after
    assert calendar.timegm(after) == pytest.approx(later, abs=2)  # seconds: a zip counts them in twos


def test_without_an_export_there_is_no_page(digits: checkpoint.Checkpoint) -> None:
    shutil.rmtree(digits.path / "exports")
    with pytest.raises(RequestError, match="export one first"):
        web.page(digits)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["digits"], "say where to"),
        (["digits", "-o", "model.pt"], "ends in .tflite or .onnx"),
        (["digits", "-o", "model.tflite", "--quantize", "int3"], "takes none, fp16, int8"),
        (["nowhere", "-o", "model.tflite"], "there is no checkpoint 'nowhere'"),
        (["digits", "-o", "model.onnx", "--quantize", "fp16"], "leave out --quantize"),
    ],
)
def test_wrong_wishes_are_one_sentence(arguments: list[str], told: str, home: Path) -> None:
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code != 0
    assert told in str(result.exception)


def test_the_example_has_a_shape_of_its_own_and_its_colours_are_the_pipelines() -> None:
    pipeline = Pipeline.from_pretrained("colorize")
    before, after = reference.example(pipeline, 96)
    photo, made = open_photo(before), open_photo(after)
    assert photo.size == made.size == (432, 288)
    away = made.pixels.astype(float) - pipeline.colorize(photo).pixels
    assert 10 * np.log10(255**2 / np.square(away).mean()) >= 40  # by squares of 96, and in one piece of 144 by 96
    assert np.ptp(made.pixels.astype(int), axis=2).mean() > 5  # it is in colour


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (20, 100), (33, 33)])
def test_a_photo_of_any_shape_keeps_it(shape: tuple[int, int], home: Path) -> None:
    pipeline = Pipeline(tiny.save(home / "checkpoints" / "mine", tiny_photos.TINY["colorize"]))
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 3, *shape), np.uint8))
    assert reference._coloured(pipeline, pixels, 32).shape == pixels.shape
    enhancer = Pipeline(tiny.save(home / "checkpoints" / "sharp", tiny_photos.TINY["enhance"]))
    assert reference._enhanced(enhancer, pixels, 64).shape == pixels.shape
