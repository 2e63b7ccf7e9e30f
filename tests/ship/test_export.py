"""Exports: made by the real converters, run in the real runtimes, recorded, refused where they are not faithful."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gandemo import checkpoint
from gandemo.commands.options import writing as written_by_a_command
from gandemo.errors import ExportError, ParityError, RequestError
from gandemo.nets import build_discriminator, build_generator
from gandemo.nets.unet import UNet
from gandemo.pipeline import Pipeline
from gandemo.ship.export import android, card, formats, making, parity, records, rewriting, tflite
from gandemo.ship.export import interface as interfaces
from gandemo.ship.export import onnx as onnx_files
from gandemo.ship.export.phases import PhasedDoubling, PhasedRise
from tests import tiny, tiny_photos

pytestmark = pytest.mark.timeout(1800)  # an export yields to whatever else a machine does


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> checkpoint.Checkpoint:
    """Tiny digits with a card, as int8 and as ONNX, by the child process as people use it."""
    source = tiny.save(tmp_path_factory.mktemp("export") / "tiny-digits", tiny.DIGITS)
    (source.path / "README.md").write_text("# tiny\n\nA card.\n", encoding="utf-8")
    for kind in ("int8", "onnx"):
        making.export(source, kind, threads=1)
    return source


def test_a_file_is_made_checked_recorded_and_told(exported: checkpoint.Checkpoint) -> None:
    made = records.of(exported.path)["int8"]
    path = records.path_of(exported.path, made)
    assert made.bytes == path.stat().st_size
    assert made.sha256 == records.sha256(path)
    assert made.parity["inputs"] == 32
    assert 0 < made.parity["mean_error"] <= made.parity["max_error"] < 0.5
    assert made.parity["psnr"] >= 30
    assert made.latency["runtime"] > 0
    assert made.latency["torch"] > 0
    told = (exported.path / "README.md").read_text(encoding="utf-8")
    assert told.startswith("# tiny\n\nA card.\n")
    assert f"[{made.file}](exports/{made.file})" in told
    assert card.decibels(made.parity["psnr"]) in told
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")]


def test_a_tflite_file_tells_what_it_is(exported: checkpoint.Checkpoint) -> None:
    made = records.of(exported.path)["int8"]
    path = records.path_of(exported.path, made)
    inside = tflite.description(path)
    assert inside == made.description
    assert inside["task"] == "digits"
    assert inside["class_names"] == [str(index) for index in range(10)]
    assert inside["licence"] == "Apache-2.0"
    assert inside["signatures"] == {"generate": 1, "generate_16": 16}
    assert (inside["outputs"]["image"]["low"], inside["outputs"]["image"]["high"]) == (-1.0, 1.0)
    from ai_edge_litert.tools import flatbuffer_utils

    words = flatbuffer_utils.read_model(str(path)).description  # for tools that show them
    assert words.decode() == f"{inside['name']}: {inside['description']} Apache-2.0"


def test_a_tflite_file_runs_by_name_in_both_batches(exported: checkpoint.Checkpoint) -> None:
    made = records.of(exported.path)["int8"]
    run = tflite.Runner(records.path_of(exported.path, made), 1)
    interface = interfaces.interface_of(Pipeline(exported))
    inputs = interface.examples(16)
    together = run("generate_16", inputs)["image"]
    assert together.shape == (16, 28, 28, 1)
    alone = run("generate", {name: value[3:4] for name, value in inputs.items()})["image"]
    assert np.abs(together[3:4] - alone).max() < 0.05


def test_an_onnx_file_takes_any_batch(exported: checkpoint.Checkpoint) -> None:
    made = records.of(exported.path)["onnx"]
    path = records.path_of(exported.path, made)
    assert onnx_files.description(path) == made.description
    interface = interfaces.interface_of(Pipeline(exported))
    run = onnx_files.Runner(path, 1)
    for count in (1, 5):
        inputs = interface.examples(count)
        with torch.inference_mode():
            truth = interface.module(**{name: torch.from_numpy(value) for name, value in inputs.items()})["image"]
        assert np.abs(run("generate", inputs)["image"] - truth.numpy()).max() <= 1e-4


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # the exporter's own
def test_an_onnx_file_of_photos_takes_any_size_that_it_tells(tmp_path: Path) -> None:
    pipeline = Pipeline(tiny.save(tmp_path / "tiny", tiny_photos.TINY["enhance"]))
    interface = interfaces.interface_of(pipeline, 64)
    onnx_files.convert(interface, tmp_path / "model.onnx")
    multiple = interfaces.describe(pipeline, interface)["multiple"]
    assert multiple == 4
    run = onnx_files.Runner(tmp_path / "model.onnx", 1)
    rng = np.random.default_rng(0)
    for shape in ((1, 64, 96, 3), (3, 40, 12 * multiple, 3)):
        given = {"image": rng.uniform(-1, 1, shape).astype(np.float32)}
        with torch.inference_mode():
            truth = interface.module(image=torch.from_numpy(given["image"]))["enhanced"].numpy()
        assert np.abs(run("enhance", given)["enhanced"] - truth).max() <= 1e-4 * np.abs(truth).max()


@pytest.mark.parametrize(
    ("formats_made", "multiple", "says"),
    [
        (["int8"], 4, "Signatures of the TFLite files: `generate` (N = 1), `generate_16` (N = 16).\n"),
        (["int8", "onnx"], None, "(N = 16). In ONNX N is open.\n"),
        (["onnx"], 1, "(N = 16). In ONNX N is open, and height and width are.\n"),
        (["onnx"], 16, "(N = 16). In ONNX N is open, and height and width are, in multiples of 16.\n"),
    ],
)
def test_what_is_open_in_onnx_is_told_where_there_is_such_a_file(
    formats_made: list[str], multiple: int | None, says: str, exported: checkpoint.Checkpoint
) -> None:
    made = records.of(exported.path)["int8"]
    told = replace(made, description={**made.description, "multiple": multiple})
    assert says in android.files(dict.fromkeys(formats_made, told))["README.md"]


def test_why_a_browser_gets_no_8_bits_is_told(monkeypatch: pytest.MonkeyPatch, exported: checkpoint.Checkpoint) -> None:
    """The exact file serves then, and nobody wonders where the other is."""
    asked: list[str] = []

    def export(source: checkpoint.Checkpoint, kind: str, **_: Any) -> str:
        asked.append(kind)
        if kind == "int8":
            raise ParityError("int8 is 25.0 dB from PyTorch; 30 are the least")
        return kind

    monkeypatch.setattr(making, "export", export)
    heard: list[str] = []
    assert making.for_browsers(exported, tell=lambda _: lambda stage: None, refused=heard.append) == ["fp32"]
    assert asked == ["int8", "fp32"]
    assert heard == ["Int8 is 25.0 dB from PyTorch; 30 are the least"]


def test_other_weights_make_an_export_stale(exported: checkpoint.Checkpoint, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.path, copy)
    assert set(records.of(copy)) == {"int8", "onnx"}
    tiny.save(tmp_path / "other", tiny.DIGITS, seed=7)
    shutil.copy(tmp_path / "other" / "generator.safetensors", copy / "generator.safetensors")
    assert records.of(copy) == {}


def test_exports_that_end_at_the_same_time_are_all_recorded(exported: checkpoint.Checkpoint, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.path, copy)
    made = records.of(copy)
    about_to_be_listed = copy / "exports" / "tiny-fp32.tflite"
    about_to_be_listed.write_bytes(b"TFL3")
    for _ in range(20):
        (copy / "exports" / "exports.json").unlink()
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda one: records.add(copy, one), made.values()))
        assert records.of(copy) == made
    assert about_to_be_listed.exists()


def test_a_file_that_is_replaced_under_another_name_goes(exported: checkpoint.Checkpoint, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.path, copy)
    old = records.of(copy)["int8"]
    new = replace(old, file="other-int8.tflite")
    shutil.copy(copy / "exports" / old.file, copy / "exports" / new.file)
    records.add(copy, new)
    assert records.of(copy)["int8"] == new
    assert not (copy / "exports" / old.file).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../secret.tflite"},
        {"file": "/etc/passwd"},
        {"file": "model.onnx"},
        {"format": "pickle"},
        {"parity": {"max_error": "low", "mean_error": 0, "psnr": 1}},
        {"parity": {"max_error": float("nan"), "mean_error": 0.0, "psnr": 1.0}},
        {"latency": None},
        {"bytes": 1},
        {"unknown": 1},
        {"description": []},
    ],
)
def test_a_record_from_somebody_else_is_not_believed(
    exported: checkpoint.Checkpoint, tmp_path: Path, change: dict[str, Any]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.path, copy)
    index = copy / "exports" / "exports.json"
    values = json.loads(index.read_text())
    first = next(one for one in values if one["format"] == "int8")
    first.update(change)
    index.write_text(json.dumps(values))
    assert set(records.of(copy)) == {"onnx"}


def test_what_can_not_be_written_is_told_by_its_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    below = tmp_path / "file" / "a.tflite"  # neither it nor a temporary one beside it can be there
    with pytest.raises(ExportError, match="can't write"), records.writing(below):
        pass
    with pytest.raises(RequestError, match="can't write"), written_by_a_command(below) as temporary:
        temporary.write_bytes(b"")


def test_damaged_indexes_are_as_good_as_none(exported: checkpoint.Checkpoint, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported.path, copy)
    for text in ("", "{", "{}", "[[]]", "[1]", "[" * 5000):
        (copy / "exports" / "exports.json").write_text(text)
        assert records.of(copy) == {}


# --- parity -----------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_interface(tmp_path: Path) -> interfaces.Interface:
    return interfaces.interface_of(Pipeline(tiny.save(tmp_path / "tiny", tiny.DIGITS)))


def _torch_run(interface: interfaces.Interface, change: Callable[[Any], Any]) -> parity.Run:
    def run(signature: str, inputs: interfaces.Arrays) -> interfaces.Arrays:
        with torch.inference_mode():
            out = interface.module(**{name: torch.from_numpy(value) for name, value in inputs.items()})
        return {name: change(value.numpy()) for name, value in out.items()}

    return run


def test_parity_measures_what_is_wrong(tiny_interface: interfaces.Interface) -> None:
    found = parity.compare(tiny_interface, _torch_run(tiny_interface, lambda out: out + np.float32(0.02)))
    assert found.inputs == 32
    assert found.max_error == pytest.approx(0.02, rel=1e-3)
    assert found.mean_error == pytest.approx(0.02, rel=1e-3)
    assert found.psnr == pytest.approx(40.0, abs=0.01)  # 20 log10(2 / 0.02)
    parity.check("int8", found)
    with pytest.raises(ParityError, match=r"0\.02 from PyTorch's output, more than 0\.0001"):
        parity.check("fp32", found)
    with pytest.raises(ParityError, match=r"reaches 40\.0 dB .* less than 50 dB"):
        parity.check("fp16", found)


def test_one_wrong_batch_is_seen(tiny_interface: interfaces.Interface) -> None:
    right, wrong = (_torch_run(tiny_interface, change) for change in (lambda out: out, lambda out: -out))
    found = parity.compare(
        tiny_interface, lambda signature, inputs: (wrong if signature.endswith("16") else right)(signature, inputs)
    )
    assert found.max_error > 0.1


def test_other_shapes_and_no_numbers_are_refused(tiny_interface: interfaces.Interface) -> None:
    with pytest.raises(ExportError, match="values where PyTorch gives"):
        parity.compare(tiny_interface, _torch_run(tiny_interface, lambda out: out[:, 1:]))
    with pytest.raises(ExportError, match="not finite"):
        parity.compare(tiny_interface, _torch_run(tiny_interface, lambda out: out * np.float32("nan")))


# --- networks and what they take --------------------------------------------------------------------------


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_transposed_convolutions_are_rewritten_exactly(padding: int, extra: int, dilation: int) -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(3, 4, 5, stride=3, padding=padding, output_padding=extra, dilation=dilation)
    network = nn.Sequential(layer).to(memory_format=torch.channels_last).train()
    ready = rewriting.exact(network)
    assert not ready.training
    assert all(weight.is_contiguous() for weight in ready.parameters())
    converts = not extra and (not padding or 2 * padding == 4 * dilation + 1 - 3)
    assert isinstance(ready[0], nn.ConvTranspose2d) is converts
    x = torch.randn(2, 3, 7, 6)
    torch.testing.assert_close(ready(x), network.eval()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_quickened_way_back_of_a_unet_is_the_same(batch_norm: bool) -> None:
    torch.manual_seed(0)
    network = UNet(channels=(3, 5, 7), blocks=(0, 0, 1), batch_norm=batch_norm)
    nn.init.normal_(network.last.weight)
    x = torch.randn(2, 3, 16, 20)
    network.train()(x)  # so that a batch norm has figures of its own
    ready = rewriting.exact(network)
    rewriting.quicken(ready, {"pictures": x})
    assert all(isinstance(rise, PhasedRise) for rise in ready.rises)
    with torch.inference_mode():
        torch.testing.assert_close(ready(x), network.eval()(x), rtol=1e-5, atol=1e-5)
    assert not list(network.rises.parameters())  # nor in any checkpoint


def test_convolutions_of_doubled_pixels_are_made_phase_by_phase() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(3, 4, 3, padding=1),  # of few pixels
        nn.Upsample(scale_factor=2),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(5, 2, 3, padding=1, bias=False),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(2, 2, 3),  # not padded
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(2, 1, 3, padding=1),
    )
    x = torch.randn(2, 3, 5, 6)
    network.train()(x)  # so that the batch norm has figures of its own
    ready = rewriting.exact(network)
    rewriting.quicken(ready, {"input": x})
    assert [index for index, layer in enumerate(ready) if isinstance(layer, PhasedDoubling)] == [3, 7]
    with torch.inference_mode():
        torch.testing.assert_close(ready(x), network.eval()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("height", [64, 65, 66, 67])
def test_a_winograd_convolution_is_the_same_convolution(height: int, padding: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 7, 3, padding=padding)
    quick = rewriting.WinogradConvolution(layer, nn.Tanh())
    x = torch.randn(2, 5, height, 9)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x), torch.tanh(layer(x)), rtol=1e-5, atol=1e-5)


def test_only_convolutions_that_are_worth_it_are_quickened() -> None:
    wide = rewriting.WINOGRAD_CHANNELS
    network = rewriting.exact(
        nn.Sequential(
            nn.Conv2d(1, wide, 3, padding=1),  # of one channel
            nn.LeakyReLU(0.2),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(wide, wide, 3, padding=1, bias=False),  # a batch norm follows
            nn.BatchNorm2d(wide),
            nn.Conv2d(wide, wide, 3, padding=1, stride=2),
            nn.Conv2d(wide, wide, 3, padding=1),  # of few pixels
        )
    )
    x = torch.randn(1, 1, 64, 64)
    before = network(x)
    rewriting.quicken(network, {"input": x})
    assert [index for index, one in enumerate(network) if isinstance(one, rewriting.WinogradConvolution)] == [2]
    assert isinstance(network[3], nn.Identity)  # taken over
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-5)


def test_a_quickened_file_carries_its_weights_alone_and_is_faithful(tmp_path: Path) -> None:
    wide = rewriting.WINOGRAD_CHANNELS
    recipe = tiny_photos.TINY["colorize-unet"].with_settings(
        {"generator.args": {"widths": [[3, 4, 4], [4, 5, 5], [5, 6, wide]], "dilations": [4, 2, 1]}}
    )
    network = build_generator(recipe)
    source = checkpoint.save(tmp_path / "tiny", recipe, network, build_discriminator(recipe))
    # 65 and 67 rows are made, of which some are cut off; it would be refused, were it more than 1e-4 from PyTorch's
    made = making.export(source, "fp32", size=103, threads=1)
    weights = sum(one.numel() for one in network.parameters())
    twice = 9 * wide * (2 * wide + wide)
    assert 0 < made.bytes - 4 * (weights + twice) < 200_000  # a plane of zeros would have a million


def test_filters_against_blur_keep_their_digits_in_8_bits(tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "tiny-enhancer", tiny_photos.TINY["enhance"])
    made = making.export(source, "int8", size=64, threads=1)
    from ai_edge_litert.interpreter import Interpreter

    held = Interpreter(str(records.path_of(source.path, made))).get_tensor_details()
    filters = [one["dtype"] for one in held if list(one["shape"]) in ([1, 1, 17, 9], [13, 17, 1, 9])]
    assert filters == [np.float32] * 2
    assert any(one["dtype"] is np.int8 for one in held)


def test_a_fill_along_directions_looks_at_few_pixels_at_a_time() -> None:
    """LiteRT keeps an address for every pixel that a kernel looks at, for each that it makes."""
    network = UNet(
        inputs=4, residual="masked", fill=True, directions=4, channels=(4,) * 5, blocks=(0,) * 5, batch_norm=False
    ).eval()
    ready = rewriting.exact(network)
    kernels = [math.prod(one.shape[2:]) for one in (*ready.parameters(), *ready.buffers()) if one.ndim == 4]
    assert max(kernels) <= 26
    x = torch.rand(1, 4, 64, 64)
    x[:, 3] = (x[:, 3] > 0.9).float()
    with torch.inference_mode():
        torch.testing.assert_close(ready(x), network(x), rtol=0, atol=1e-5)


RECIPES = {**tiny.TINY, **tiny_photos.TINY}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_named_inputs_and_outputs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_dataset(monkeypatch)
    pipeline = Pipeline(tiny.save(tmp_path / "tiny", RECIPES[name]))
    photo = RECIPES[name].task in ("enhance", "inpaint")
    interface = interfaces.interface_of(pipeline, 64 if photo else None)
    inputs = interface.examples(2)
    assert list(inputs) == list(interface.inputs)
    for key, value in interface.inputs.items():
        assert inputs[key].shape == (2, *value.shape)
        assert inputs[key].dtype == value.dtype
        assert value.low is None or inputs[key].min() >= value.low
        assert value.high is None or inputs[key].max() <= value.high
    with torch.inference_mode():
        outputs = interface.module(**{key: torch.from_numpy(value) for key, value in inputs.items()})
    assert {key: tuple(value.shape[1:]) for key, value in outputs.items()} == {
        key: value.shape for key, value in interface.outputs.items()
    }
    assert not set(interface.inputs) & set(interface.outputs)  # ONNX has one space of names for both
    json.dumps(interfaces.describe(pipeline, interface), allow_nan=False)


@pytest.mark.parametrize("data", ["classes:{}/patients", "{}", "patients.zip", "photos"])
def test_the_data_of_somebody_else_are_not_looked_for(data: str, tmp_path: Path) -> None:
    """A classifier is tried on pictures that are here, whatever path or name its recipe tells."""
    recipe = tiny.TINY["classifier"].with_settings({"dataset": data.format(tmp_path)})
    found = interfaces.interface_of(Pipeline(tiny.save(tmp_path / "tiny", recipe))).examples(3)["image"]
    ours = tiny.TINY["classifier"].with_settings({"dataset": "mnist"})
    digits = interfaces.interface_of(Pipeline(tiny.save(tmp_path / "ours", ours))).examples(3)["image"]
    assert np.array_equal(found, digits)


@pytest.mark.parametrize("name", ["cgan", "digits"])
def test_tables_of_classes_are_there_before_a_network_runs(name: str) -> None:
    interface = interfaces.interface_of(Pipeline.from_pretrained(name))
    inputs = {key: torch.from_numpy(value) for key, value in interface.examples(1).items()}
    graph = torch.export.export(rewriting.exact(interface.module), (), inputs).graph
    called = {str(node.target) for node in graph.nodes if node.op == "call_function"}
    assert any("linear" in one for one in called)
    assert not [one for one in called if "eye" in one or "arange" in one]  # LiteRT has neither


def test_a_size_that_the_network_can_not_take_is_refused(tmp_path: Path) -> None:
    photo = Pipeline(tiny.save(tmp_path / "photo", tiny_photos.TINY["enhance"]))
    for size in (31, 34, 4096):
        with pytest.raises(RequestError, match="a multiple of 4"):
            interfaces.interface_of(photo, size)
    with pytest.raises(RequestError, match="at least 64 and a multiple of 16, got 72"):
        interfaces.interface_of(photo, 72)
    with pytest.raises(RequestError, match="leave out --size"):
        interfaces.interface_of(Pipeline(tiny.save(tmp_path / "tiny", tiny.DIGITS)), 32)


# --- formats, card, what lies beside ----------------------------------------------------------------------


def test_formats_are_named_by_ending_and_quantization() -> None:
    assert formats.format_of(".tflite") == "fp32"
    assert formats.format_of(".tflite", "int8") == "int8"
    assert formats.format_of(".onnx") == "onnx"
    for suffix, quantize, told in (
        (".onnx", "int8", "leave out --quantize"),
        (".pt", "none", "ends in .tflite or .onnx"),
        (".tflite", "int4", "takes none, fp16, int8"),
    ):
        with pytest.raises(RequestError, match=told):
            formats.format_of(suffix, quantize)


def test_without_a_converter_onnx_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_is_installed", lambda package: package != "litert_torch")
    with pytest.raises(RequestError, match="take ONNX"):
        formats.check("int8")
    assert formats.check("onnx").suffix == ".onnx"


def test_the_card_is_told_once(exported: checkpoint.Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# name\n\ntext\n", encoding="utf-8")
    exports = records.of(exported.path)
    for _ in range(2):
        card.write(path, exports)
    assert path.read_text().count("## Runs elsewhere") == 1
    card.write(path, {})
    assert path.read_text() == "# name\n\ntext\n"


def test_android_code_is_filled_in_for_every_task(exported: checkpoint.Checkpoint) -> None:
    made = records.of(exported.path)["int8"]
    texts = android.files({"int8": made})
    assert set(texts) == {"README.md", "android/DigitGenerator.kt", "android/MainActivity.kt"}
    for name, text in texts.items():
        if name.endswith(".kt"):
            assert "$" not in text
            for pair in ("()", "{}", "[]"):
                assert text.count(pair[0]) == text.count(pair[1])
    assert made.file in texts["android/DigitGenerator.kt"]
    assert "GENERATE DIGITS" in texts["android/MainActivity.kt"]
    assert "ENHANCE IMAGE" in texts["android/MainActivity.kt"]
