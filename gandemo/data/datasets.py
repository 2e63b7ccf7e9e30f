"""The data sets by name: where they are looked for, where they come from, and under which licence.

A data set is looked for in `GANDEMO_DATA` first, then where the package or the system carries it, and fetched from
its public source only when it is nowhere. Somebody's own pictures are named by their path: a folder, a zip or a tar.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from gandemo.data.archives import ARCHIVES, is_source
from gandemo.data.cache import stamp
from gandemo.data.labelled import LabeledImages, decoded, load_classes
from gandemo.data.photos import Photos, load_photos
from gandemo.data.splits import Split
from gandemo.errors import DataError
from gandemo.recipe import Recipe

SAMPLES = Path(__file__).resolve().parent / "samples"

# what picks the best checkpoint is neither trained on nor reported on: the last pictures of the training files
VALIDATION = 5_000

CLASSES = "classes:"  # begins the name of pictures in class folders, before their path
OF_CLASSES = ("digits", "classify")  # tasks that learn from such pictures; the others learn from photos

_STEMS: dict[str, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True)
class Dataset:
    """One data set that can be named in a recipe.

    Attributes:
        title: for people.
        licence: of the pictures.
        source: where they are published.
        class_names: one for each label.
        load: reads a split.
    """

    title: str
    licence: str
    source: str
    class_names: tuple[str, ...]
    load: Callable[[Split], LabeledImages | Photos]


def data_home() -> Path:
    """The folder that data sets are looked for in first: `GANDEMO_DATA`, else `data` in `GANDEMO_HOME`."""
    chosen = os.environ.get("GANDEMO_DATA")
    return Path(chosen) if chosen else Path(os.environ.get("GANDEMO_HOME", ".")) / "data"


def find(name: str) -> Dataset:
    """The data set of a name as recipes keep it, or the pictures at a path.

    Raises:
        DataError: it is neither.
    """
    if name in DATASETS:
        return DATASETS[name]
    path = Path(name.removeprefix(CLASSES))
    if not is_source(path):
        raise DataError(
            f"there is no data set {name!r}; known: {', '.join(DATASETS)}, or a path to a folder, zip or tar of "
            "pictures"
        )
    if name.startswith(CLASSES):
        return Dataset(
            title=f"pictures in {path.name}",
            licence="as stated there, if it is",
            source=path.name,
            class_names=tuple(decoded(path)[1]["classes"]),
            load=lambda split: load_classes(path, split),
        )
    return Dataset(
        title=f"photos in {path.name}",
        licence="as stated there, if it is",
        source=path.name,
        class_names=(),
        load=lambda split: load_photos(path, split),
    )


def named(data: str, task: str) -> str:
    """The name under which a recipe keeps a data set: a known one as it is, a path with what is read there.

    Args:
        data: a name in `DATASETS`, or a path.
        task: of the recipe; what it learns from decides how the path is read.

    Raises:
        DataError: it is neither.
    """
    if data in DATASETS or data.startswith(CLASSES):
        return data
    if not is_source(Path(data)):
        find(data)  # which says what would do
    return (CLASSES if task in OF_CLASSES else "") + str(Path(data).absolute())


def fit(recipe: Recipe, data: str) -> Recipe:
    """A recipe on another data set: with as many classes as there are, where its networks are told the class.

    Raises:
        DataError: there is no such data set.
    """
    name = named(data, recipe.task)
    changed: dict[str, object] = {"dataset": name}
    if recipe.classes and recipe.task in OF_CLASSES:
        count = len(find(name).class_names)
        changed["classes"] = count if count > 1 or recipe.task == "classify" else 0
    return recipe.with_settings(changed)


def load(name: str, split: Split) -> LabeledImages | Photos:
    """A split of a data set; the last few stay in memory, since a run reads each of them again and again.

    Args:
        name: as `named` gives it, or the path of a folder, a zip or a tar of photos.
        split: which part.

    Raises:
        DataError: the name is unknown, or the files are missing or damaged.
    """
    find(name)
    path = Path(name.removeprefix(CLASSES))
    return _load_cached(name, split, data_home().absolute(), "" if name in DATASETS else stamp(path))


@lru_cache(maxsize=4)
def _load_cached(name: str, split: Split, home: Path, files: str) -> LabeledImages | Photos:
    return find(name).load(split)


def own_photos() -> Path | None:
    """The photos in `GANDEMO_DATA`: a folder or an archive; None where the few that the package carries stand in."""
    home = data_home() / "photos"
    candidates = (home, *(home.with_name(home.name + suffix) for suffix in ARCHIVES))
    return next((path for path in candidates if is_source(path)), None)


def _own_or_sample(split: Split) -> Photos:
    return load_photos(own_photos() or SAMPLES / "photos", split)


def _read_idx(path: Path, digest: str | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """An array from an idx file (the format of yann.lecun.com/exdb/mnist), gzipped or not.

    Args:
        path: the file.
        digest: SHA-256 of the decompressed bytes; None: any content is taken.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is cut off or not gzip"
        raise DataError(f"can't read {path}: {reason}; put the published file in its place") from None
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise DataError(f"{path} is not the published file (its checksum differs); put the published one in its place")
    rank = data[3] if len(data) >= 4 and data[:3] == b"\x00\x00\x08" else 0
    header = 4 + 4 * rank
    if rank == 0 or len(data) < header:
        raise DataError(f"{path} is not an idx file of bytes; put the published file in its place")
    shape = struct.unpack(f">{rank}I", data[4:header])
    if len(data) - header != int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{path} holds {len(data) - header} bytes where {shape} were announced; take a whole copy")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _find(folder: Path, stem: str) -> Path | None:
    for candidate in (folder / f"{stem}.gz", folder / stem):
        if candidate.is_file():
            return candidate
    return None


def idx_loader(
    name: str,
    class_names: tuple[str, ...],
    digests: dict[str, str],
    elsewhere: tuple[Path, ...],
    torchvision_name: str,
) -> Callable[[Split], LabeledImages]:
    """A loader for a data set in MNIST's idx format.

    Args:
        name: of the folder in `data_home()`.
        class_names: one for each label.
        digests: file stem to the SHA-256 of its decompressed bytes.
        elsewhere: folders to look in after `data_home()`.
        torchvision_name: the class in `torchvision.datasets` that fetches it.
    """

    def read(split: Split) -> LabeledImages:
        home = data_home()
        fetched = home / torchvision_name / "raw"
        folders = (home / name, fetched, *elsewhere)
        found = _search(name, folders, fetched)
        if found is None:
            _fetch(name, torchvision_name, home)
            found = _search(name, folders, fetched)
        if found is None:
            raise _nowhere(name, home)
        folder, files = found
        stems = _STEMS["test" if split == "test" else "train"]
        images, labels = (_read_idx(files[stem], digests.get(stem)) for stem in stems)
        return _part(_labeled(images, labels, class_names, folder), split)

    return read


def _search(name: str, folders: tuple[Path, ...], fetched: Path) -> tuple[Path, dict[str, Path]] | None:
    """The first folder that holds all four files, and those files by stem.

    Raises:
        DataError: a folder holds some of them only; in `fetched`, that is a download to be taken up again.
    """
    stems = [stem for pair in _STEMS.values() for stem in pair]
    for folder in folders:
        files = {stem: path for stem in stems if (path := _find(folder, stem))}
        if len(files) == len(stems):
            return folder, files
        if files and folder != fetched:
            missing = next(stem for stem in stems if stem not in files)
            raise DataError(f"{folder} lacks {missing}.gz; put all four idx files of {name} there or none")
    return None


def _labeled(
    images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    class_names: tuple[str, ...],
    folder: Path,
) -> LabeledImages:
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or not len(images):
        raise DataError(f"{folder} holds {images.shape} pictures and {labels.shape} labels; they must belong together")
    if int(labels.max()) >= len(class_names):
        raise DataError(f"{folder} has the label {int(labels.max())}; the classes are 0 to {len(class_names) - 1}")
    return LabeledImages(
        torch.from_numpy(images.copy()).unsqueeze(1),
        torch.from_numpy(labels.astype(np.int64)),
        class_names,
        folder,
    )


def _part(whole: LabeledImages, split: Split) -> LabeledImages:
    """The training file less its last pictures, or those; a small file gives up a twelfth of itself."""
    if split == "test":
        return whole
    cut = len(whole) - min(VALIDATION, max(1, len(whole) // 12))
    part = slice(None, cut) if split == "train" else slice(cut, None)
    return LabeledImages(whole.images[part], whole.labels[part], whole.class_names, whole.origin)


def _fetch(name: str, torchvision_name: str, home: Path) -> None:
    from gandemo.data.torchvision_import import import_torchvision

    import_torchvision()
    from torchvision import datasets

    try:
        getattr(datasets, torchvision_name)(str(home), download=True)
    except (OSError, RuntimeError):
        raise _nowhere(name, home) from None


def _nowhere(name: str, home: Path) -> DataError:
    return DataError(
        f"{name} is neither in {home / name} nor could it be fetched; download its four idx .gz files from "
        f"{DATASETS[name].source} into {home / name} and try again"
    )


_MNIST_NAMES = tuple(str(digit) for digit in range(10))
_FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

MNIST_DIGESTS = {
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}
FASHION_DIGESTS = {
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}

DATASETS: dict[str, Dataset] = {
    "mnist": Dataset(
        "MNIST: 70,000 handwritten digits",
        "CC BY-SA 3.0, as commonly stated (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        _MNIST_NAMES,
        idx_loader("mnist", _MNIST_NAMES, MNIST_DIGESTS, (SAMPLES / "mnist",), "MNIST"),
    ),
    "fashion-mnist": Dataset(
        "Fashion-MNIST: 70,000 pieces of clothing",
        "MIT (Zalando SE)",
        "https://github.com/zalandoresearch/fashion-mnist",
        _FASHION_NAMES,
        idx_loader(
            "fashion-mnist",
            _FASHION_NAMES,
            FASHION_DIGESTS,
            (Path("/usr/share/datasets/fashion-mnist"),),
            "FashionMNIST",
        ),
    ),
    "photos": Dataset(
        "Photos: your own in GANDEMO_DATA/photos, else 64 that the package carries",
        "of the 64: CC0, CC BY-SA 4.0, CC BY-SA 3.0 or CC BY, each as its CREDITS.csv says; of your own: yours to know",
        "https://github.com/imazen/codec-corpus and others, each as CREDITS.csv beside the photos says",
        (),
        _own_or_sample,
    ),
}
