"""What the tabs Colorize and Enhance may be asked: requests as a browser or a client sends them, checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandemo.errors import RequestError
from gandemo.figures import finite
from gandemo.places import stem
from gandemo.ui import photo_examples
from gandemo.ui.photo_files import PhotoFiles

MOST_PHOTOS = 50  # at once
MOST_HINTS = 100  # as many as a pipeline takes
MOST_MASK = 4 * 2**20  # characters of base64
SCALES = (1, 2, 4)

Dab = tuple[float, float, tuple[int, int, int]]  # x and y from 0 to 1, and the colour


@dataclass(frozen=True)
class Source:
    """A photo to work on.

    Attributes:
        path: its file.
        name: as its owner calls it.
        about: what is told of it, where it is an example.
    """

    path: Path
    name: str
    about: str = ""


@dataclass(frozen=True)
class ColourWish:
    """How a photo is to be coloured.

    Attributes:
        strength: 0 to 1.5.
        hints: dabs of colour.
        recolour: also where the photo has colour.
        vivid: the strongest colour is wanted, too.
    """

    strength: float = 1.0
    hints: tuple[Dab, ...] = ()
    recolour: bool = False
    vivid: bool = False

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> ColourWish:
        """A request from outside.

        Raises:
            RequestError: a value is of the wrong kind or out of range.
        """
        dabs = values.get("hints") or []
        if not isinstance(dabs, list) or len(dabs) > MOST_HINTS:
            raise RequestError(f"hints must be a list of at most {MOST_HINTS}, each with x, y and colour")
        return cls(
            strength=number(values.get("strength", 1.0), "the strength", 0.0, 1.5),
            hints=tuple(_dab(dab) for dab in dabs),
            recolour=values.get("recolour") is True,
            vivid=values.get("vivid") is True,
        )


@dataclass(frozen=True)
class EnhanceWish:
    """How a photo is to be enhanced.

    Attributes:
        strength: 0 to 1.
        crisp: 0 faithful to 1 crisp; None: as the checkpoint has it.
        scale: 1, 2 or 4 times as wide and high.
        mask: a picture, white where something is to be painted in; empty where nothing is.
        restore: also give it colour, where it has none.
    """

    strength: float = 1.0
    crisp: float | None = None
    scale: int = 1
    mask: bytes = b""
    restore: bool = False

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> EnhanceWish:
        """A request from outside.

        Raises:
            RequestError: a value is of the wrong kind or out of range.
        """
        crisp, scale = values.get("crisp"), values.get("scale", 1)
        if isinstance(scale, bool) or scale not in SCALES:
            raise RequestError(f"the scale must be 1, 2 or 4, got {str(scale)[:40]}")
        return cls(
            strength=number(values.get("strength", 1.0), "the strength", 0.0, 1.0),
            crisp=None if crisp is None else number(crisp, "crisp", 0.0, 1.0),
            scale=int(scale),
            mask=_mask(values.get("mask")),
            restore=values.get("restore") is True,
        )


def sources(files: PhotoFiles, task: str, sent: object) -> list[Source]:
    """The photos that a request names: examples, or files that were sent.

    Raises:
        RequestError: there are none, too many, or one is not there.
    """
    if not isinstance(sent, list) or not sent:
        raise RequestError("there is no photo; choose one")
    if len(sent) > MOST_PHOTOS:
        raise RequestError(f"up to {MOST_PHOTOS} photos are taken at once, got {len(sent)}; send the others after them")
    return [_source(files, task, one) for one in sent]


def _source(files: PhotoFiles, task: str, sent: object) -> Source:
    if not isinstance(sent, Mapping):
        raise RequestError("there is no photo; choose one")
    if "example" in sent:
        example = photo_examples.find(task, sent["example"])
        return Source(example.path, example.path.name, example.about)
    path = files.sent(sent.get("path"))
    name = sent.get("name")
    return Source(path, _printable(name) if isinstance(name, str) and name.strip() else path.name)


def _printable(name: str) -> str:
    """A file's own name as a sentence may repeat it."""
    ending = "." + name.rpartition(".")[2][:8] if "." in name else ""
    return stem(name) + "".join(letter for letter in ending if letter.isalnum() or letter == ".")


def number(value: object, what: str, low: float, high: float) -> float:
    """A number within bounds.

    Raises:
        RequestError: it is none, or out of them.
    """
    known = finite(value)
    if known is None or not low <= known <= high:
        raise RequestError(f"{what} must be a number from {low:g} to {high:g}, got {str(value)[:40]}")
    return known


def _dab(sent: object) -> Dab:
    if not isinstance(sent, Mapping):
        raise RequestError("a hint must have x, y and colour")
    colour = sent.get("colour")
    if not isinstance(colour, list | tuple) or len(colour) != 3:
        raise RequestError("a hint's colour must be red, green and blue, 0 to 255 each")
    red, green, blue = (round(number(part, "a hint's colour", 0, 255)) for part in colour)
    x, y = (number(sent.get(axis), f"a hint's {axis}", 0.0, 1.0) for axis in ("x", "y"))
    return x, y, (red, green, blue)


def _mask(sent: object) -> bytes:
    if sent in (None, ""):
        return b""
    if not isinstance(sent, str) or len(sent) > MOST_MASK:
        raise RequestError("the mask is no picture that can be read; mark the photo again")
    try:
        return base64.b64decode(sent.removeprefix("data:image/png;base64,"), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("the mask is no picture that can be read; mark the photo again") from None
