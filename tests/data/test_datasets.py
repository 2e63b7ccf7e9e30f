"""Data sets: found where they lie, and one helpful sentence for each way in which files can be wrong."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gandemo.data import datasets
from gandemo.data.datasets import DATASETS, LabeledImages, Split, idx_loader
from gandemo.errors import DataError

SAMPLES = Path(datasets.__file__).parent / "samples" / "mnist"
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
NAMES = tuple(str(digit) for digit in range(10))
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"

Writer = Callable[..., dict[str, Path]]


@pytest.fixture(autouse=True)
def _own_home(home: Path) -> None:
    """Data sets are looked for in an empty folder of the test's own."""


def toy(digests: dict[str, str] | None = None, elsewhere: tuple[Path, ...] = ()) -> Callable[[Split], LabeledImages]:
    """A loader for the folder `toy`, which takes any content unless told its checksums."""
    return idx_loader("toy", NAMES, digests or {}, elsewhere, "MNIST")


def read_raw(path: Path, header: int) -> np.ndarray:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def sentence(load: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- what ships -------------------------------------------------------------------------------------------


def test_shipped_mnist_in_three_parts() -> None:
    parts = {split: datasets.load("mnist", split) for split in ("train", "validation", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 55_000, "validation": 5_000, "test": 10_000}
    for part in parts.values():
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert part.images.shape[1:] == (1, 28, 28)
        assert part.origin == SAMPLES
        assert sorted(set(part.labels.tolist())) == list(range(10))
        assert part.class_names == NAMES


def test_training_and_validation_share_no_picture() -> None:
    """Together they are the training file, each picture once, in its order."""
    train, validation = datasets.load("mnist", "train"), datasets.load("mnist", "validation")
    raw = read_raw(SAMPLES / f"{IMAGES}.gz", 16).reshape(-1, 28, 28)
    assert np.array_equal(torch.cat([train.images, validation.images])[:, 0].numpy(), raw)
    labels = read_raw(SAMPLES / f"{LABELS}.gz", 8)
    assert np.array_equal(torch.cat([train.labels, validation.labels]).numpy(), labels)


def test_a_data_set_is_read_once() -> None:
    assert datasets.load("mnist", "test") is datasets.load("mnist", "test")


def test_an_unknown_name_lists_the_known() -> None:
    message = sentence(lambda: datasets.load("cifar", "train"))
    expected = (
        f"there is no data set 'cifar'; known: {', '.join(DATASETS)}, or a path to a folder, zip or tar of pictures"
    )
    assert message == expected


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_says_where_it_comes_from(name: str) -> None:
    entry = DATASETS[name]
    assert entry.title
    assert entry.licence
    assert entry.source.startswith("https://")
    assert len(set(entry.class_names)) == len(entry.class_names)


@pytest.mark.skipif(not DEBIAN_FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian() -> None:
    train, test = datasets.load("fashion-mnist", "train"), datasets.load("fashion-mnist", "test")
    assert (len(train), len(test)) == (55_000, 10_000)
    assert train.origin == DEBIAN_FASHION
    assert train.labels.bincount().min() > 5_000
    assert test.labels.bincount().tolist() == [1_000] * 10


# --- where data sets are looked for -----------------------------------------------------------------------


def test_gandemo_data_comes_first(home: Path) -> None:
    folder = home / "data" / "mnist"
    folder.mkdir(parents=True)
    for file in SAMPLES.iterdir():
        (folder / file.name).symlink_to(file)
    assert datasets.load("mnist", "test").origin == folder


def test_without_gandemo_data_it_is_data_in_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANDEMO_DATA")
    assert datasets.data_home() == home / "data"
    monkeypatch.setenv("GANDEMO_DATA", str(home / "elsewhere"))
    assert datasets.data_home() == home / "elsewhere"


def test_a_change_of_gandemo_data_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_idx: Writer
) -> None:
    assert datasets.load("mnist", "test").origin == SAMPLES
    write_idx(tmp_path / "other" / "mnist")
    monkeypatch.setenv("GANDEMO_DATA", str(tmp_path / "other"))
    assert "checksum" in sentence(lambda: datasets.load("mnist", "test"))


def test_where_torchvision_put_it(home: Path, write_idx: Writer) -> None:
    write_idx(home / "data" / "MNIST" / "raw")
    assert toy()("train").origin == home / "data" / "MNIST" / "raw"


def test_small_files_give_up_a_twelfth(home: Path, write_idx: Writer) -> None:
    write_idx(home / "data" / "toy", train=60, test=20)
    load = toy()
    whole = read_raw(home / "data" / "toy" / f"{LABELS}.gz", 8)
    assert [len(load(split)) for split in ("train", "validation", "test")] == [55, 5, 20]
    assert load("train").labels.tolist() + load("validation").labels.tolist() == whole.tolist()


def test_files_may_be_unpacked(home: Path, write_idx: Writer) -> None:
    for file in write_idx(home / "data" / "toy").values():
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    assert toy()("test").images.shape == (32, 1, 28, 28)


# --- what can be wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_fake_files_of_a_known_data_set(home: Path, write_idx: Writer, name: str) -> None:
    write_idx(home / "data" / name)
    message = sentence(lambda: datasets.load(name, "train"))
    assert str(home / "data" / name / IMAGES) in message
    assert "checksum differs" in message
    assert "put the published one in its place" in message


@pytest.mark.parametrize(
    "missing",
    [
        ["train-labels-idx1-ubyte.gz"],
        ["train-images-idx3-ubyte.gz"],
        ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
        ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"],
        ["train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"],
    ],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_half_of_the_files(home: Path, write_idx: Writer, missing: list[str], split: Split) -> None:
    write_idx(home / "data" / "toy", leave_out=missing)
    message = sentence(lambda: toy(elsewhere=(SAMPLES,))(split))
    assert str(home / "data" / "toy") in message
    assert any(name in message for name in missing)
    assert "put all four idx files of toy there" in message


def test_a_file_that_is_cut_off(home: Path, write_idx: Writer) -> None:
    file = write_idx(home / "data" / "toy")[f"{IMAGES}.gz"]
    whole = file.read_bytes()
    for length in (0, 1, 9, len(whole) // 2, len(whole) - 4):
        file.write_bytes(whole[:length])
        message = sentence(lambda: toy()("train"))
        assert str(file) in message
        assert "published file in its place" in message


def test_a_file_that_is_no_gzip(home: Path, write_idx: Writer) -> None:
    file = write_idx(home / "data" / "toy")[f"{LABELS}.gz"]
    file.write_bytes(b"<html>moved</html>")
    assert "it is cut off or not gzip" in sentence(lambda: toy()("train"))


def test_gzip_with_a_flipped_bit(home: Path, write_idx: Writer) -> None:
    file = write_idx(home / "data" / "toy")[f"{IMAGES}.gz"]
    data = bytearray(file.read_bytes())
    for place in (len(data) // 3, len(data) - 6):
        damaged = data.copy()
        damaged[place] ^= 0xFF
        file.write_bytes(damaged)
        assert "put the published file in its place" in sentence(lambda: toy()("train"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00\x08",
        b"not an idx file at all",
        b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00\x00\x00\x00",  # floats
        b"\x00\x00\x08\x03\x00\x00\x00\x01",  # the shape is missing
        b"\x00\x00\x08\x01\xff\xff\xff\xff\x00",  # 4 G labels announced, one there
        b"\x00\x00\x08\x04" + b"\xff\xff\xff\xff" * 4,
    ],
)
def test_what_is_no_idx_file(home: Path, write_idx: Writer, content: bytes) -> None:
    file = write_idx(home / "data" / "toy")[f"{LABELS}.gz"]
    file.write_bytes(gzip.compress(content))
    message = sentence(lambda: toy()("train"))
    assert str(file) in message
    assert message.endswith(("put the published file in its place", "take a whole copy"))


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes())


def test_a_label_out_of_range(home: Path, write_idx: Writer) -> None:
    file = write_idx(home / "data" / "toy", train=12)[f"{LABELS}.gz"]
    file.write_bytes(idx(np.array([0] * 11 + [10])))
    assert sentence(lambda: toy()("train")).endswith("has the label 10; the classes are 0 to 9")


@pytest.mark.parametrize(
    ("stem", "array"),
    [
        (LABELS, np.zeros(11)),
        (LABELS, np.zeros((12, 1))),
        (IMAGES, np.zeros((12, 784))),
        (IMAGES, np.zeros((0, 28, 28))),
    ],
    ids=["one label too few", "labels in columns", "flat pictures", "no pictures"],
)
def test_pictures_and_labels_that_do_not_match(home: Path, write_idx: Writer, stem: str, array: np.ndarray) -> None:
    write_idx(home / "data" / "toy", train=12)[f"{stem}.gz"].write_bytes(idx(array))
    assert "must belong together" in sentence(lambda: toy()("train"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_a_file_that_may_not_be_read(home: Path, write_idx: Writer) -> None:
    write_idx(home / "data" / "toy")[f"{LABELS}.gz"].chmod(0)
    assert "Permission denied" in sentence(lambda: toy()("train"))


# --- no network -------------------------------------------------------------------------------------------


def missing_fashion() -> Callable[[Split], LabeledImages]:
    return idx_loader("fashion-mnist", NAMES, datasets.FASHION_DIGESTS, (), "FashionMNIST")


def assert_names_the_remedy(message: str, home: Path) -> None:
    assert str(home / "data" / "fashion-mnist") in message
    assert DATASETS["fashion-mnist"].source in message
    assert "download its four idx .gz files" in message


def test_nowhere_and_no_network(home: Path, no_network: None) -> None:
    """torchvision's own download, on a machine that is unplugged."""
    assert_names_the_remedy(sentence(lambda: missing_fashion()("train")), home)
    assert not [path for path in (home / "data").rglob("*") if path.is_file()]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("Error downloading")])
def test_a_download_that_fails(home: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise error

    from gandemo.data.torchvision_import import import_torchvision

    import_torchvision()
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", fail)
    assert_names_the_remedy(sentence(lambda: missing_fashion()("train")), home)


def test_a_download_that_works(home: Path, monkeypatch: pytest.MonkeyPatch, write_idx: Writer) -> None:
    asked = []

    def fetch(root: str, download: bool) -> None:
        asked.append((root, download))
        write_idx(Path(root) / "MNIST" / "raw")

    from gandemo.data.torchvision_import import import_torchvision

    import_torchvision()
    monkeypatch.setattr("torchvision.datasets.MNIST", fetch)
    load = toy()
    assert (len(load("train")), len(load("test"))) == (59, 32)
    assert asked == [(str(home / "data"), True)]


def test_a_download_that_was_cut_short_is_taken_up_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, write_idx: Writer
) -> None:
    folder = home / "data" / "MNIST" / "raw"
    write_idx(folder, leave_out=["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])

    from gandemo.data.torchvision_import import import_torchvision

    import_torchvision()
    monkeypatch.setattr("torchvision.datasets.MNIST", lambda root, download: write_idx(folder))
    assert len(toy()("test")) == 32


def test_a_download_that_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gandemo.data.torchvision_import import import_torchvision

    import_torchvision()
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", lambda root, download: None)
    assert_names_the_remedy(sentence(lambda: missing_fashion()("train")), home)
