"""A batch of photos: from files, folders and archives, each into a PNG; what can't be done is one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gandemo.commands.options import progress_bar, writing
from gandemo.errors import DataError, GanDemoError, RequestError

if TYPE_CHECKING:
    from gandemo.data.images import Photo

# what is done with a photo; to be called meanwhile with what is done and the total
Work = Callable[["Photo", Callable[[int, int], None]], "Photo"]


@dataclass(frozen=True)
class Item:
    """One photo of a batch.

    Attributes:
        name: for messages.
        read: its bytes, or a DataError.
    """

    name: str
    read: Callable[[], bytes]


def run(sources: list[Path], output: Path, work: Work, *, title: str) -> None:
    """Does every photo and writes it as PNG, under its own stem; ends with status 2 if one could not be done.

    No input is written over, and two photos of one stem get two names.

    Args:
        sources: photos, folders and archives.
        output: the folder to write to; made if it is not there.
        work: does one photo.
        title: of the progress bar.

    Raises:
        RequestError: the folder can't be made.
    """
    from gandemo.data.images import open_photo
    from gandemo.places import stem

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"can't make the folder {output}: {error.strerror}; choose another") from None
    taken = {path.resolve() for source in sources for path in _files(source)}
    tally = _Tally(sum(1 for item in _items(sources) if isinstance(item, Item)))
    with progress_bar(title, "MP") as show:
        for item in _items(sources):
            try:
                if isinstance(item, GanDemoError):
                    raise item
                photo = open_photo(item.read(), name=item.name)
                tally.begin(photo.size)
                result = work(photo, lambda done, total: show(*tally.at(done / total)))
                target = _free(output, stem(item.name), taken)
                with writing(target) as temporary:
                    temporary.write_bytes(result.to_png())
                tally.done += 1
            except GanDemoError as error:
                tally.failed += 1
                name = item.name if isinstance(item, Item) else ""
                print(f"gandemo: {'' if name in str(error) else name + ': '}{error}", file=sys.stderr)
    if tally.done:
        print(f"wrote {tally.done} photo{'s' * (tally.done > 1)} to {output}")
    if tally.failed:
        raise typer.Exit(2)


def probe() -> Photo:
    """A tiny grey photo: what is wrong with a request is told by it once, and not by every photo of a batch."""
    import numpy as np

    from gandemo.data.images import Photo

    return Photo(np.full((8, 8, 3), 128, np.uint8))


class _Tally:
    """What is done of a batch, in megapixels; of those not opened yet, as many as the others have are assumed."""

    def __init__(self, photos: int) -> None:
        self.photos, self.opened, self.done, self.failed = photos, 0, 0, 0
        self.before = self.now = 0.0

    def begin(self, size: tuple[int, int]) -> None:
        self.opened += 1
        self.before, self.now = self.before + self.now, size[0] * size[1] / 1e6

    def at(self, share: float) -> tuple[float, float]:
        """Megapixels done, and in all."""
        return self.before + share * self.now, (self.before + self.now) * self.photos / self.opened


def _items(sources: list[Path]) -> Iterator[Item | GanDemoError]:
    """The photos at all sources, and what is wrong with a source in their midst."""
    from gandemo.data.archives import is_source, members, read_file, shown
    from gandemo.data.images import SUFFIXES

    for source in sources:
        if not source.exists():
            yield DataError(f"there is no {source}; name photos, folders, zips or tars")
        elif not is_source(source):
            yield Item(source.name, lambda source=source: read_file(source))  # type: ignore[misc]
        else:
            found = 0
            try:
                for name, read in members(source):
                    if name.lower().endswith(SUFFIXES):
                        found += 1
                        yield Item(shown(name), read)
            except GanDemoError as error:
                yield error
            else:
                if not found:
                    yield DataError(f"{source} holds no photos; put JPEG or PNG files there")


def _files(source: Path) -> list[Path]:
    """The files that must not be written over."""
    from gandemo.data.archives import files_of

    return files_of(source) if source.is_dir() else [source]


def _free(folder: Path, stem: str, taken: set[Path]) -> Path:
    """A name that is no input's and no other result's, whatever the file system makes of capitals."""
    used = {str(path).casefold() for path in taken}
    name, number = f"{stem}.png", 2
    while str((folder / name).resolve()).casefold() in used:
        name, number = f"{stem}-{number}.png", number + 1
    taken.add((folder / name).resolve())
    return folder / name
