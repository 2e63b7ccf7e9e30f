"""Photos to try at one click: old photographs in the public domain, and samples made poor or grey on purpose."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from gandemo.errors import RequestError
from gandemo.ui import catalog

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
THUMB = 152  # pixels of the longer side


@dataclass(frozen=True)
class Example:
    """A photo that ships.

    Attributes:
        file: below the samples; CREDITS.csv beside it says whose it is.
        title: below its picture.
        about: what is told of it once it is chosen.
        mask: a file that marks what is lost in it; empty where nothing is.
        scale: how many times as large it is best made.
        restore: whether it is one for the whole chain.
    """

    file: str
    title: str
    about: str
    mask: str = ""
    scale: int = 1
    restore: bool = False

    @property
    def path(self) -> Path:
        """The photo's file."""
        return SAMPLES / self.file


_PHOTOGRAPHER = "The photographer Antoine Claudet in his London studio, about 1855"
_EXPEDITION = "Members of an expedition in 1897; photographer unknown"
_LIBRARIAN = "The librarian Aksel Andersson, before 1924; photographer unknown"
_DEADWOOD = "Deadwood in Dakota, between 1887 and 1892 (John C. H. Grabill, Library of Congress)"
_MADE_GREY = "A colour photograph of today made grey; the network never saw it"

COLORIZE = {
    "deadwood": Example("old/deadwood.jpg", "Deadwood, 1890", _DEADWOOD),
    "fishmonger": Example(
        "old/fishmonger.jpg", "Fishmonger, 1921", "A fishmonger and a customer, 1921 (Library of Congress)"
    ),
    "race": Example(
        "old/race.jpg",
        "Race, 1888",
        "A race of fire brigades in Deadwood on 4 July 1888 (John C. H. Grabill, Library of Congress)",
    ),
    "librarian": Example("old/librarian.jpg", "Librarian, 1910s", _LIBRARIAN),
    "expedition": Example("old/expedition.jpg", "Expedition, 1897", _EXPEDITION),
    "photographer": Example("old/photographer.jpg", "Photographer, 1855", _PHOTOGRAPHER),
    "lake": Example("made/lake-grey.jpg", "Lake", _MADE_GREY),
    "forest": Example("made/forest-path-grey.jpg", "Forest path", _MADE_GREY),
    "portrait": Example("made/red-lips-grey.jpg", "Portrait", _MADE_GREY),
    "tree": Example("made/lone-tree-grey.jpg", "Lone tree", _MADE_GREY),
}
ENHANCE = {
    "scratched": Example(
        "made/lake-scratched.jpg",
        "Scratched print",
        "A photograph of today made grey, soft and grainy, and scratched; the scratches are marked already",
        mask="made/lake-scratched-mask.png",
        restore=True,
    ),
    "photographer": Example("old/photographer.jpg", "Photographer, 1855", _PHOTOGRAPHER, scale=2, restore=True),
    "expedition": Example("old/expedition.jpg", "Expedition, 1897", _EXPEDITION),
    "deadwood": Example("old/deadwood.jpg", "Deadwood, 1890", _DEADWOOD, restore=True),
    "grain": Example(
        "made/colosseum-grain.jpg", "Noise", "A photograph with noise of σ 25, as of a camera in the dark"
    ),
    "blur": Example("made/sandstone-blur.jpg", "Blur", "A photograph out of focus: a blur of σ 2"),
    "blocks": Example("made/palace-square-blocks.jpg", "Blocks", "A photograph squeezed into a JPEG of quality 12"),
    "small": Example(
        "made/red-lips-small.jpg", "Too small", "A photograph of 128 × 128 pixels, made four times as large", scale=4
    ),
}
EXAMPLES = {"colorize": COLORIZE, "enhance": ENHANCE}


def find(task: str, name: object) -> Example:
    """The example of that name; only those that are listed are ever opened.

    Raises:
        RequestError: there is none.
    """
    known = EXAMPLES[task]
    if not isinstance(name, str) or name not in known:
        raise RequestError(f"there is no example {str(name)[:60]!r}; choose one of {', '.join(known)}")
    return known[name]


@cache
def shown(task: str) -> list[dict[str, Any]]:
    """The examples for the page: name, title, a small picture, and the settings that show them best."""
    return [
        {
            "name": name,
            "title": example.title,
            "about": example.about,
            "thumb": _thumb(example.path),
            "scale": example.scale,
            "restore": example.restore,
            "mask": catalog.inline((SAMPLES / example.mask).read_bytes()) if example.mask else None,
        }
        for name, example in EXAMPLES[task].items()
    ]


def _thumb(path: Path) -> str:
    with Image.open(path) as image:
        image.draft("RGB", (THUMB, THUMB))  # an eighth of the work
        small = image.convert("RGB")
    small.thumbnail((THUMB, THUMB))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=68)
    return catalog.inline(buffer.getvalue(), "jpeg")
