"""What lies beside the exported files: a README, and Kotlin that runs this very model on Android.

The Kotlin is LiteRT's CompiledModel API (com.google.ai.edge.litert, read from its source), in one class with this
model's names, sizes and steps before and after, and one screen with the two buttons GENERATE DIGITS and ENHANCE IMAGE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from gandemo.ship.export.card import decibels, megabytes, milliseconds
from gandemo.ship.export.formats import FORMATS
from gandemo.ship.export.records import Export, writing

TEMPLATES = Path(__file__).parent / "templates"
LITERT = "2.3.2"  # of the Android package

# A task's Kotlin: the class that runs the model, and what it is made of beside that.
_CLASSES = {"digits": "DigitGenerator", "enhance": "PhotoEnhancer", "colorize": "PhotoColorizer"}
_PLAIN = re.compile(r"[A-Za-z0-9 /.,;:!?()_+-]")
_MORE = {"enhance": ("Tiles",), "colorize": ("Colour", "Tiles")}


def write(folder: Path, exports: Mapping[str, Export]) -> None:
    """Writes `README.md` and `android/` beside the exports; both go when the last export does.

    Raises:
        ExportError: something can't be written.
    """
    texts = files(exports)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with writing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for path in (folder / "README.md", *(folder / "android").glob("*.kt")):
        if path.relative_to(folder).as_posix() not in texts:
            path.unlink(missing_ok=True)


def files(exports: Mapping[str, Export]) -> dict[str, str]:
    """The texts by their path in `exports/`; empty without exports."""
    if not exports:
        return {}
    first = next(iter(exports.values())).description
    found = {"README.md": _readme(exports, first)}
    task = str(first.get("task"))
    phone = next((exports[kind] for kind in ("fp16", "int8", "fp32") if kind in exports), None)
    if phone is not None and task in _CLASSES:
        values = {name: str(value) for name, value in _values(phone.description).items()} | {"file": phone.file}
        for name in (_CLASSES[task], *_MORE.get(task, ()), "MainActivity"):
            found[f"android/{name}.kt"] = _fill(f"{name}.kt", values)
    return found


def _values(description: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates ask for, from a file's own description."""
    inputs, outputs = description["inputs"], description["outputs"]
    task, conditional = description["task"], "label" in inputs
    hints = "hints" in inputs
    rgb = description.get("predicts") == "rgb"
    return {
        "name": _in_comment(description["name"]),
        "description": _in_comment(description["description"]),
        "licence": _in_comment(description["licence"]),
        "size": description["size"],
        "latent": description["latent"],
        "classes": len(description["class_names"]),
        "class_names": ", ".join(_literal(name) for name in description["class_names"]),
        "signature": next(iter(description["signatures"])),
        "input": next(iter(inputs)),
        "output": next(iter(outputs)),
        "label_buffer": '\n    private val label = model.createInputBuffer("label", SIGNATURE)' if conditional else "",
        "label_write": "\n        label.writeInt(intArrayOf(digit))" if conditional else "",
        "label_entry": ', "label" to label' if conditional else "",
        "hints_buffer": '\n    private val hints = model.createInputBuffer("hints", SIGNATURE)' if hints else "",
        "hints_write": "\n        hints.writeFloat(FloatArray(SIZE * SIZE * 3)) // no colour is wished for"
        if hints
        else "",
        "hints_entry": ', "hints" to hints' if hints else "",
        "grey": "true" if rgb else "false",
        "model": _CLASSES[task],
        **_screen(task, conditional),
    }


def _literal(text: str) -> str:
    """A text as Kotlin has it in quotes: what could end it or would be filled in is written by its number."""
    letters = (letter if _PLAIN.match(letter) else _escaped(letter) for letter in text)
    return f'"{"".join(letters)}"'


def _escaped(letter: str) -> str:
    raw = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{raw[i]:02x}{raw[i + 1]:02x}" for i in range(0, len(raw), 2))


def _in_comment(text: str) -> str:
    """A text as a line of a comment, which it does not end; nor does it begin another, for Kotlin's are nested."""
    return " ".join(str(text).split()).replace("*/", "* /").replace("/*", "/ *")


def _screen(task: str, conditional: bool) -> dict[str, str]:
    """What the two buttons do, and the functions that they need."""
    if task == "digits":
        digit = "Random(seed).nextInt(DigitGenerator.CLASSES.size)" if conditional else "0"
        return {
            "digits_click": "generate()",
            "photo_click": 'say("This button needs a checkpoint for photos.")',
            "photo_imports": "import java.util.Random\n" if conditional else "",
            "body": "    private fun generate() {\n"
            "        val seed = System.nanoTime()\n"
            f"        show {{ network.generate(seed, {digit}) }}\n"
            "    }\n",
        }
    verb = {"enhance": "enhance", "colorize": "colorize"}[task]
    return {
        "digits_click": 'say("This button needs a checkpoint for digits.")',
        "photo_click": "choosePhoto()",
        "photo_imports": "import android.content.Intent\nimport android.graphics.ImageDecoder\n"
        "import android.graphics.BitmapFactory\nimport android.net.Uri\nimport android.os.Build\n",
        "body": "    private fun choosePhoto() = startActivityForResult(\n"
        '        Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*"), PHOTO,\n'
        "    )\n\n"
        "    override fun onActivityResult(request: Int, result: Int, data: Intent?) {\n"
        "        super.onActivityResult(request, result, data)\n"
        "        val photo = data?.data ?: return\n"
        f"        if (request == PHOTO) show {{ network.{verb}(read(photo)) }}\n"
        "    }\n\n"
        "    /** The photo, upright where Android tells how, and as pixels that can be read. */\n"
        "    private fun read(photo: Uri): Bitmap {\n"
        "        if (Build.VERSION.SDK_INT >= 28) {\n"
        "            val source = ImageDecoder.createSource(contentResolver, photo)\n"
        "            return ImageDecoder.decodeBitmap(source) { decoder, _, _ ->\n"
        "                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE\n"
        "            }\n"
        "        }\n"
        "        return contentResolver.openInputStream(photo).use { stream ->\n"
        '            BitmapFactory.decodeStream(stream) ?: error("That is no picture that can be read.")\n'
        "        }\n"
        "    }\n\n"
        "    private companion object {\n"
        "        const val PHOTO = 1\n"
        "    }\n",
    }


def _fill(name: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)


def _readme(exports: Mapping[str, Export], description: Mapping[str, Any]) -> str:
    name, task = description["name"], description["task"]
    lines = [
        f"# {name}, to run elsewhere",
        "",
        f"{description['description']} Licence: {description['licence']}; trained on {description['data']} "
        f"({description['data_licence']}).",
        "",
        "| file | good for | size | largest difference to PyTorch | PSNR | time | PyTorch |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, one in exports.items():
        lines.append(
            f"| [{one.file}]({one.file}) | {FORMATS[kind].good_for} | {megabytes(one.bytes)} | "
            f"{one.parity['max_error']:.1e} | {decibels(one.parity['psnr'])} | "
            f"{milliseconds(one.latency['runtime'])} | {milliseconds(one.latency['torch'])} |"
        )
    lines += [
        "",
        "`exports.json` holds every figure, and what each file says of itself; the same lies inside the file, as JSON "
        "under the name `gandemo` (TFLite: metadata; ONNX: properties).",
        "",
        "## In and out",
        "",
        "| | name | shape | type | range | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for side in ("inputs", "outputs"):
        for key, value in description[side].items():
            low, high = value["low"], value["high"]
            reach = "any" if low is None else f"{low:g} to {high:g}"
            shape = ", ".join(["N", *(str(length) for length in value["shape"])])
            lines.append(f"| {side[:-1]} | `{key}` | [{shape}] | {value['dtype']} | {reach} | {value['meaning']} |")
    signatures = ", ".join(f"`{key}` (N = {batch})" for key, batch in description["signatures"].items())
    lines += ["", f"Signatures of the TFLite files: {signatures}.{_open(exports)}", "", "## Before and after", ""]
    lines += _steps(description)
    if any(kind != "onnx" for kind in exports):
        tflite = next(one for kind, one in exports.items() if kind != "onnx")
        lines += ["", "## In Python", "", *_python(tflite, description)]
    if task in _CLASSES and any(kind != "onnx" for kind in exports):
        lines += [
            "",
            "## On Android",
            "",
            f"`android/{_CLASSES[task]}.kt` does all of the above, and `android/MainActivity.kt` is a screen with the "
            f"buttons GENERATE DIGITS and ENHANCE IMAGE that use it. Put the .tflite file into `app/src/main/assets`, "
            "the Kotlin files into your package, and into `app/build.gradle.kts`:",
            "",
            '    android { defaultConfig { minSdk = 23 }; androidResources { noCompress += "tflite" } }',
            f'    dependencies {{ implementation("com.google.ai.edge.litert:litert:{LITERT}") }}',
        ]
    return "\n".join(lines) + "\n"


def _open(exports: Mapping[str, Export]) -> str:
    """What an ONNX file leaves open, where there is one."""
    if "onnx" not in exports:
        return ""
    multiple = exports["onnx"].description.get("multiple")
    if multiple is None:
        return " In ONNX N is open."
    return f" In ONNX N is open, and height and width are{f', in multiples of {multiple}' if multiple > 1 else ''}."


def _steps(description: Mapping[str, Any]) -> list[str]:
    size = description["size"]
    if description["task"] == "digits":
        label = "`label` is the class, " if "label" in description["inputs"] else ""
        names = ", ".join(f"{index} {text}" for index, text in enumerate(description["class_names"]))
        return [
            f"`noise` is drawn from the standard normal distribution, {description['latent']} values to a picture. "
            f"{label}{f'one of: {names}. ' if label else ''}A pixel is round((image + 1) · 127.5), cut to 0..255."
        ]
    if description["task"] == "enhance":
        return [
            f"Cut the photo into squares of {size} pixels that share 32 with their neighbours; a square that reaches "
            "over the edge repeats the last row or column. A channel's input is value / 127.5 - 1. Blend the results "
            "over what neighbours share, round((value + 1) · 127.5), cut to 0..255."
        ]
    if description["task"] == "colorize":
        given = "luma" if description.get("predicts") == "rgb" else "lightness (CIE Lab's L / 50 - 1)"
        return [
            f"Scale a copy of the photo with antialiasing, in its own proportions, its shorter side to {size} pixels. "
            f"Cut the copy into squares of {size} that share at least half of themselves with the next, and give the "
            f"{given} of each. Blend the colour that comes out over what neighbours share, scale it to the photo's own "
            "size, and put it beneath the photo's own lightness: that stays sharp. Edges get cleaner if chroma follows "
            "lightness: within two pixels of the copy take it for gain · lightness + offset, scale these two, and put "
            "the photo's own lightness into that line."
        ]
    if description["task"] == "inpaint":
        return [
            f"Cut the photo into squares of {size} pixels. A channel's input is value / 127.5 - 1, and 0 where the "
            "mask is 1. Take the result where the mask is 1, and the photo elsewhere."
        ]
    return ["A pixel's input is value / 127.5 - 1; white on black, as MNIST has it."]


def _python(one: Export, description: Mapping[str, Any]) -> list[str]:
    given = ", ".join(
        f"{name}=np.zeros({(1, *value['shape'])}, np.{value['dtype']})" for name, value in description["inputs"].items()
    )
    return [
        "    import numpy as np",
        "    from ai_edge_litert.interpreter import Interpreter",
        f'    run = Interpreter("{one.file}").get_signature_runner("{next(iter(description["signatures"]))}")',
        f'    run({given})["{next(iter(description["outputs"]))}"]',
    ]
