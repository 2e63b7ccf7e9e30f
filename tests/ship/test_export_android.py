"""The Kotlin that lies beside exported files: what it says of each model, and that it does what the page does.

It runs wherever there are `kotlinc` and `java` (`npm install -g kotlin-compiler` brings the first): the classes as they
are exported, on a few lines that stand for Android and LiteRT, with the network run by this process.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gandemo import places
from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.data.images import chroma, colour
from gandemo.pipeline import Pipeline
from gandemo.ship.export import android, card, interface, records, reference

HERE = Path(__file__).parent / "android"
TOOLS = {name: shutil.which(name) for name in ("kotlinc", "java")}
SIZE = 64  # of tiles: small, so that there are many
# the packages that classes of one name are laid into, and whose they are
MODELS = {
    "digits": ("gandemo", "digits", None),
    "enhance": ("gandemo", "enhance", SIZE),
    "colorize": ("gandemo", "colorize", SIZE),
    "unet": ("unet", "colorize-unet", SIZE),  # gives RGB where the other gives chroma
}

Pixels = npt.NDArray[np.uint8]


@pytest.mark.parametrize("name", ["digits", "colorize", "enhance"])
def test_what_ships_beside_the_exports_is_todays(name: str) -> None:
    folder = places.SHIPPED / name / records.FOLDER
    exports = records.of(folder.parent)
    texts = android.files(exports)
    assert exports, f"{name} has no exports of these weights; run: python -m gandemo export {name} --browser"
    there = {path.relative_to(folder).as_posix() for path in (folder / "android").iterdir()}
    assert there == {path for path in texts if path.startswith("android/")}
    for path, text in texts.items():
        told = f"{name}/exports/{path} is not what the templates give; gandemo.ship.export.making.describe writes it"
        assert (folder / path).read_text(encoding="utf-8") == text, told
    assert card.section(exports) in (folder.parent / "README.md").read_text(encoding="utf-8")


def test_the_kotlin_has_the_numbers_of_the_pipeline() -> None:
    text = (android.TEMPLATES / "Colour.kt").read_text(encoding="utf-8")
    for name, number in {
        "KNEE": colour.KNEE,
        "SLOPE": colour.SLOPE,
        "FINE": chroma.FINE,
        "NEIGHBOURS": chroma.NEIGHBOURS,
        "DAMPING": chroma.DAMPING,
    }.items():
        assert re.search(rf"const val {name} = ([\d.]+)", text)[1] == f"{number:g}", name  # type: ignore[index]
    enhancer = (android.TEMPLATES / "PhotoEnhancer.kt").read_text(encoding="utf-8")
    tiling = im.Tiling(1, 1)
    assert f"OVERLAP = {tiling.overlap}\n" in enhancer
    assert f"ALIGN = {tiling.align}\n" in enhancer


HOSTILE = [
    '"); Runtime.getRuntime().exec("true"); ("',
    "${System.exit(1)}",
    "$SIZE",
    "a\\",
    "\n\f\0",
    "été 猫 🐈",
    "*/ x /* y",
]


def hostile() -> dict[str, str]:
    """Kotlin for digits whose classes and description are somebody else's, and want to be more than text."""
    exported = _export(Pipeline.from_pretrained("digits"), None)
    names = [*HOSTILE, *"789"]
    exported.description.update(
        class_names=names, name="a */ fun b() {} /* $c", licence="l\n*/ import x", description="d"
    )
    return android.files({"int8": exported})


def test_what_others_wrote_stays_text() -> None:
    text = hostile()["android/DigitGenerator.kt"]
    (line,) = [line for line in text.splitlines() if "val CLASSES" in line]
    literals = re.findall(r'"([^"]*)"', line)
    assert len(literals) == 10
    assert not [one for one in literals if re.search(r"\$|\\[^u]", one)]
    read = [re.sub(r"(\\u[0-9a-f]{4})+", _units, one) for one in literals]
    assert read == [*HOSTILE, *"789"]
    comment = text[text.index("/**") + 3 :]
    before, _, after = comment.partition("*/")
    assert "/*" not in before
    assert after.lstrip().startswith("class DigitGenerator")


def _units(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("\\u", "")).decode("utf-16-be")


# --- on a JVM -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Pixels], Pixels]:
    """Puts ARGB pixels [H, W, 4] through the Kotlin of a key of `MODELS`; ARGB pixels come out."""
    if missing := [name for name, path in TOOLS.items() if path is None]:
        pytest.skip(f"Kotlin is run where there are kotlinc and java on the PATH; there is no {missing[0]}")
    folder = tmp_path_factory.mktemp("kotlin")
    for package, name, size in MODELS.values():
        texts = android.files({"int8": _export(Pipeline.from_pretrained(name), size)})
        for path, text in texts.items():
            if path.endswith(".kt") and not path.endswith("MainActivity.kt"):
                place = folder / package / Path(path).name
                place.parent.mkdir(exist_ok=True)
                place.write_text(text.replace("com.example.gandemo", f"com.example.{package}"), encoding="utf-8")
    (folder / "hostile").mkdir()
    text = hostile()["android/DigitGenerator.kt"]  # whose text would end the program or not compile, were it more
    text = text.replace("com.example.gandemo", "com.example.hostile")
    (folder / "hostile" / "DigitGenerator.kt").write_text(text, encoding="utf-8")
    sources = sorted([*HERE.glob("*.kt"), *folder.glob("*/*.kt")])
    jar = folder / "kotlin.jar"
    done = subprocess.run(
        [str(TOOLS["kotlinc"]), "-nowarn", *map(str, sources), "-include-runtime", "-d", str(jar)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return lambda name, pixels: _run(jar, name, pixels)


def _export(pipeline: Pipeline, size: int | None) -> records.Export:
    """As if a file had been made."""
    description = interface.describe(pipeline, interface.interface_of(pipeline, size))
    figures = {"max_error": 0.0, "mean_error": 0.0, "psnr": 0.0, "runtime": 0.0, "torch": 0.0}
    return records.Export("int8", "model.tflite", 1, "", "", figures, figures, "", 0.0, description)


def _run(jar: Path, name: str, pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    _, checkpoint_name, size = MODELS[name]
    offered = interface.interface_of(Pipeline.from_pretrained(checkpoint_name), size)
    with subprocess.Popen(
        [str(TOOLS["java"]), "-cp", str(jar), "MainKt", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as kotlin:
        assert kotlin.stdin is not None
        assert kotlin.stdout is not None
        kotlin.stdin.write(struct.pack(">2i", width, height) + pixels.tobytes())
        kotlin.stdin.flush()
        while signature := _text(kotlin.stdout):
            given = {}
            for _ in range(_number(kotlin.stdout)):
                key, count = _text(kotlin.stdout), _number(kotlin.stdout)
                values = _values(kotlin.stdout, abs(count), "float32" if count > 0 else "int32")
                assert offered.inputs[key].dtype == values.dtype.name
                given[key] = torch.from_numpy(values.reshape(1, *offered.inputs[key].shape))
            assert signature in offered.signatures
            with torch.inference_mode():
                out = offered.module(**given)[_text(kotlin.stdout)].numpy()
            kotlin.stdin.write(struct.pack(">i", out.size) + out.astype(">f4").tobytes())
            kotlin.stdin.flush()
        width, height = _number(kotlin.stdout), _number(kotlin.stdout)
        return np.frombuffer(kotlin.stdout.read(4 * width * height), np.uint8).reshape(height, width, 4)


def _text(stream: IO[bytes]) -> str:
    return stream.read(struct.unpack(">H", stream.read(2))[0]).decode()


def _number(stream: IO[bytes]) -> int:
    return int(struct.unpack(">i", stream.read(4))[0])


def _values(stream: IO[bytes], count: int, dtype: str) -> npt.NDArray[np.generic]:
    return np.frombuffer(stream.read(4 * count), np.dtype(dtype).newbyteorder(">")).astype(dtype)


@pytest.fixture(scope="module")
def photo() -> Pixels:
    """A photo with grain and of a shape of its own, half of it grey, as ARGB with all kinds of alpha."""
    rgb = im.open_photo(datasets.SAMPLES / "photos" / reference.EXAMPLE, shorter_side=170).pixels[:130].astype(float)
    rgb = (rgb + np.random.default_rng(0).normal(0, 12, rgb.shape)).clip(0, 255).astype(np.uint8)
    rgb[:, :80] = rgb[:, :80, 1:2]
    alpha = np.arange(rgb[..., 0].size, dtype=np.int64).reshape(rgb.shape[:2]) % 251
    return np.dstack([alpha.astype(np.uint8), rgb])


@pytest.mark.parametrize("name", ["colorize", "unet", "enhance"])
def test_kotlin_makes_of_a_photo_what_the_pipeline_makes(
    name: str, machine: Callable[[str, Pixels], Pixels], photo: Pixels
) -> None:
    pipeline = Pipeline.from_pretrained(MODELS[name][1])
    pixels = torch.from_numpy(photo[..., 1:].copy()).permute(2, 0, 1)[None]
    through = reference._enhanced if name == "enhance" else reference._coloured
    wanted = through(pipeline, pixels, SIZE)[0].permute(1, 2, 0).numpy()
    assert np.abs(wanted.astype(int) - photo[..., 1:]).mean() > 2  # there is something to be seen
    made = machine(name, photo)
    assert np.array_equal(made[..., 0], photo[..., 0])
    away = np.abs(made[..., 1:].astype(int) - wanted)
    assert away.max() <= 2  # none were seen, but for one level here and there
    assert away.mean() < 0.01


def test_kotlin_draws_digits(machine: Callable[[str, Pixels], Pixels]) -> None:
    made = machine("digits", np.zeros((1, 1, 4), np.uint8))
    assert made.shape == (28, 28, 4)
    assert (made[..., 0] == 255).all()
    assert np.array_equal(made[..., 1], made[..., 3])
    judge = Pipeline.from_pretrained("mnist-classifier")
    image = im.to_signed(torch.from_numpy(made[None, None, ..., 1].copy()))
    with torch.inference_mode():
        logits = judge.generator(im.pad_to(image, judge.recipe.image_size))
    assert int(logits.argmax()) == 7
