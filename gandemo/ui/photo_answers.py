"""What the tabs Colorize and Enhance ask of the models: a photo in, pictures and words for the page out.

Importing it loads torch; the tabs do so at first use, when the page is already up.
"""

from __future__ import annotations

import dataclasses
import io
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gandemo.data import archives
from gandemo.data import images as im
from gandemo.errors import GanDemoError, RequestError
from gandemo.pipeline import Hint, Pipeline, is_grey, restore
from gandemo.places import stem
from gandemo.ui import catalog, models
from gandemo.ui.long_work import Tell, unheard
from gandemo.ui.photo_files import PhotoFiles
from gandemo.ui.photo_wishes import MOST_PHOTOS, ColourWish, EnhanceWish, Source

PREVIEW = 1280  # pixels of the longer side, for what must answer at once
SHOWN = 4096  # of what is looked at closely
VIVID = 1.5
MOST_MEGAPIXELS = 300.0  # of all that is made of the photos that are sent at once
MOST_ZIPPED = 512 * 2**20
THUMB = 240
IN_COLOUR = "is in colour already"
READING, WRITING = "Reading the photo", "Writing the PNG"
PREVIEWS_KEPT = 8

Painter = Callable[[im.Photo, Tell], im.Photo]

_previews: OrderedDict[tuple[Path, int], tuple[im.Photo, tuple[int, int]]] = OrderedDict()
_lock = threading.Lock()


# --- one photo, coloured ----------------------------------------------------------------------------------


def coloured(
    files: PhotoFiles, checkpoint: object, source: Source, wish: ColourWish, fresh: bool, tell: Tell = unheard
) -> dict[str, Any]:
    """A small copy of a photo with its colour, for the page: what it asks for while somebody plays with it.

    Args:
        files: where the pictures go.
        checkpoint: its name in the catalogue.
        source: the photo.
        wish: how; its strength is the page's own matter.
        fresh: the page has not seen this photo yet.
        tell: hears how far it is.
    """
    photo, size = _preview(source, tell)
    grey = is_grey(photo)
    answer: dict[str, Any] = {
        "kind": "photo",
        **_described(source, size),
        "before": _keep(files, photo, "before") if fresh else None,
        "in_colour": not grey,
        "asks": "" if grey or wish.recolour else f"This photo {IN_COLOUR}. Shall its colour be made anew?",
        "after": None,
        "vivid": None,
        "takes_hints": False,
    }
    pipeline = models.pipeline(checkpoint, "colorize")
    answer["takes_hints"] = bool(pipeline.recipe.options.get("hints"))
    if not answer["asks"]:
        hints, look = _hints(wish), _looking(tell)
        look()
        answer["after"] = _keep(files, pipeline.colorize(photo, hints=hints, progress=look), "colour")
        if wish.vivid:
            vivid = pipeline.colorize(photo, strength=VIVID, hints=hints, progress=look)
            answer["vivid"] = _keep(files, vivid, "vivid")
    return answer


def colour_painter(checkpoint: object, wish: ColourWish) -> Painter:
    """What colours a photo at its full size.

    Raises:
        RequestError: when it paints a photo that has colour, and that is not wished.
    """
    pipeline, hints = models.pipeline(checkpoint, "colorize"), _hints(wish)

    def paint(photo: im.Photo, tell: Tell) -> im.Photo:
        if not wish.recolour and not is_grey(photo):
            raise RequestError(f"{IN_COLOUR} and was left out; open it alone to give it new colours")
        return pipeline.colorize(photo, strength=wish.strength, hints=hints, progress=_shares(tell))

    return paint


def _hints(wish: ColourWish) -> list[Hint]:
    return [Hint(x, y, colour) for x, y, colour in wish.hints]


def _preview(source: Source, tell: Tell) -> tuple[im.Photo, tuple[int, int]]:
    """A small copy, and the photo's own size; the last few stay in memory, since many wishes follow one photo."""
    key = (source.path, source.path.stat().st_mtime_ns)
    with _lock:
        if key in _previews:
            _previews.move_to_end(key)
            return _previews[key]
    photo = im.open_photo(source.path, name=source.name, look=_looking(tell, READING))
    made = _within(photo, PREVIEW), photo.size
    with _lock:
        _previews[key] = made
        while len(_previews) > PREVIEWS_KEPT:
            _previews.popitem(last=False)
    return made


# --- one photo, enhanced ----------------------------------------------------------------------------------


def enhanced(
    files: PhotoFiles, checkpoint: object, source: Source, wish: EnhanceWish, fresh: bool, tell: Tell
) -> dict[str, Any]:
    """A photo made better at full size, for the page.

    The page blends `base` (what was marked painted in, and colour, but not enhanced) and `after` by itself.
    """
    photo = im.open_photo(source.path, name=source.name, look=_looking(tell, READING))
    enhancer = models.pipeline(checkpoint, "enhance")
    wish = dataclasses.replace(wish, strength=1.0)
    paint, notes = enhance_painter(checkpoint, wish)
    result = paint(photo, tell)
    look = _looking(tell, WRITING, 0.95)
    look()
    base = None
    if wish.mask or (wish.restore and is_grey(photo)):
        plain, _ = enhance_painter(checkpoint, wish, sharpen=False)
        base = _keep(files, plain(_within(photo, PREVIEW), look), "base")
    return {
        "kind": "photo",
        **_described(source, photo.size),
        "before": _keep(files, _within(photo, SHOWN), "before") if fresh else None,
        "base": base,
        "after": _keep(files, _within(result, SHOWN), "better"),
        "file": {"path": files.keep(f"{stem(source.name)}-enhanced.png", result.to_png(look)), "strength": 1.0},
        "result_size": _size_words(result.size) if result.size != photo.size else "",
        "notes": notes,
        "can_paint": bool(catalog.entries("inpaint")),
        "can_blend": enhancer.can_blend,
        "crisp": enhancer.default_crisp,
    }


def enhance_painter(checkpoint: object, wish: EnhanceWish, *, sharpen: bool = True) -> tuple[Painter, list[str]]:
    """What enhances a photo at its full size, and what has to be told of it.

    Raises:
        RequestError: there is no such checkpoint, or none to paint in what is marked; or, when it paints, the photo
            would become too large.
    """
    enhancer, notes = models.pipeline(checkpoint, "enhance"), []
    inpainter = models.pipeline(_first("inpaint"), "inpaint") if wish.mask else None
    colorizer = None
    if wish.restore:
        if catalog.entries("colorize"):
            colorizer = models.pipeline(_first("colorize"), "colorize")
        else:
            notes.append("Its colour was left out: there is no checkpoint for colorize yet.")

    def paint(photo: im.Photo, tell: Tell) -> im.Photo:
        width, height = photo.size
        pixels = width * height * wish.scale**2
        if pixels > im.MAX_PIXELS:
            raise RequestError(
                f"{width:,}×{height:,} pixels, {wish.scale} times as wide and high, would be "
                f"{pixels / 1e6:.0f} megapixels; up to {im.MAX_PIXELS // 10**6} are made, so choose a smaller scale"
            )
        part = 0.2 if wish.mask else 0.0
        if inpainter is not None:
            mask = _mask_for(photo, wish.mask)
            photo = restore(photo, inpainter=inpainter, mask=mask, progress=_shares(tell, 0.0, part, "Painting in"))
        if sharpen:
            photo = enhancer.enhance(
                photo,
                strength=wish.strength,
                crisp=wish.crisp,
                scale=wish.scale,
                progress=_shares(tell, part, 0.95, "Enhancing", pixels / 1e6),
            )
        return restore(photo, colorizer=colorizer, progress=_shares(tell, 0.95, 1.0, "Colouring"))

    return paint, notes


def _first(task: str) -> str:
    known = catalog.entries(task)
    return catalog.find(known[0].name if known else None, task).name


def _mask_for(photo: im.Photo, raw: bytes) -> Image.Image:
    """The marks of the page, in the photo's size."""
    marks = im.open_photo(raw, name="the mask")
    return Image.fromarray(marks.pixels).convert("L").resize(photo.size, Image.Resampling.NEAREST)


def mask_from_file(path: str) -> str:
    """A mask that a client has sent, in the form that the page has.

    Raises:
        GanDemoError: it is no picture.
    """
    return catalog.data_url(Image.fromarray(im.open_photo(Path(path), name="the mask").pixels).convert("L"))


# --- files to take home -----------------------------------------------------------------------------------


def full_size(files: PhotoFiles, source: Source, paint: Painter, ending: str, tell: Tell) -> dict[str, Any]:
    """A photo at full size as a PNG, with its transparency and colour profile."""
    photo = im.open_photo(source.path, name=source.name, look=_looking(tell, READING))
    name = f"{stem(source.name)}-{ending}.png"
    png = paint(photo, tell).to_png(_looking(tell, WRITING, 0.95))
    return {"kind": "file", "path": files.keep(name, png), "name": name}


def album(
    files: PhotoFiles, given: list[Source], paint: Painter, ending: str, tell: Tell, *, scale: int = 1
) -> dict[str, Any]:
    """Several photos, or those in a zip, into a zip of PNGs; what can't be done is told in a sentence each.

    `scale`: how many times as wide and high `paint` makes them; what they become is bounded, not what they were.
    """
    problems: list[str] = []
    count = sum(1 for _ in _unpacked(given, []))
    done: list[dict[str, Any]] = []
    used: set[str] = set()
    megapixels = 0.0
    place = files.place(f"gandemo-{ending}.zip")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as pack:
        for index, (name, read) in enumerate(_unpacked(given, problems)):
            label = f"Photo {index + 1} of {count}"
            look = _looking(tell, label, index / count)
            look()
            try:
                photo = im.open_photo(read(), name=name, look=look)
                more = photo.pixels.shape[0] * photo.pixels.shape[1] * scale**2 / 1e6
                if megapixels + more > MOST_MEGAPIXELS:
                    raise RequestError(
                        f"is one too many: up to {MOST_MEGAPIXELS:.0f} megapixels are done at once; send it again alone"
                    )
                result = paint(photo, _nested(tell, index, count, label))
                megapixels += more  # what was refused takes no room from the next
            except GanDemoError as error:
                problems.append(_about(name, str(error)))
                continue
            title = _unused(f"{stem(name)}.png", used)
            pack.writestr(title, result.to_png(_looking(tell, label, (index + 0.95) / count)))
            done.append({"name": title, "thumb": catalog.data_url(_thumb(result))})
    return {
        "kind": "album",
        "items": done,
        "problems": problems,
        "text": _tally(len(done), count, bool(problems)),
        "path": str(place) if done else None,
        "name": place.name,
    }


def _tally(done: int, count: int, has_problems: bool) -> str:
    if count == 0:
        return "No photo was found."
    if done == count == 1:
        return "The photo is done."
    if has_problems:
        return f"{done} of {count} photos {'is' if done == 1 else 'are'} done."
    return f"All {count} photos are done."


def _unpacked(given: list[Source], problems: list[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Every photo by name, and how to read it before the next is asked for; of zips those inside, never unpacked."""
    count = 0
    for source in given:
        if source.path.suffix.lower() != ".zip":
            count += 1
            yield source.name, source.path.read_bytes
            continue
        passed = more = 0
        try:
            for name, read in archives.members(source.path, most_bytes=MOST_ZIPPED):
                if Path(name).suffix.lower() not in im.SUFFIXES:
                    passed += 1
                elif count >= MOST_PHOTOS:
                    more += 1
                else:
                    count += 1
                    yield Path(name).name, read
        except GanDemoError as error:
            problems.append(_about(source.name, str(error).replace(str(source.path), source.name)))
        if passed:
            others = "1 other file" if passed == 1 else f"{passed} other files"
            problems.append(f"{others} in {source.name} {'was' if passed == 1 else 'were'} passed over.")
        if more:
            problems.append(f"{source.name} holds {more} more; up to {MOST_PHOTOS} photos are done at once.")


def _about(name: str, message: str) -> str:
    """An error as a sentence that begins with the photo's name."""
    sentence = (
        message
        if message.startswith(name)
        else f"{name} {message}"
        if message.startswith("is ")
        else f"{name}: {message}"
    )
    return sentence if sentence.endswith(".") else sentence + "."


def _unused(name: str, used: set[str]) -> str:
    """The name, or with a number where it was given already."""
    base, number = name.removesuffix(".png"), 2
    while name.lower() in used:
        name, number = f"{base} ({number}).png", number + 1
    used.add(name.lower())
    return name


# --- pictures and words -----------------------------------------------------------------------------------


def _described(source: Source, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "name": source.name,
        "width": size[0],
        "height": size[1],
        "caption": source.about or f"{source.name}, {_size_words(size)}",
    }


def _size_words(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,} pixels"


def _within(photo: im.Photo, side: int) -> im.Photo:
    """A photo scaled down so that its longer side is no longer than `side`."""
    longest = max(photo.size)
    if longest <= side:
        return photo
    width, height = (max(1, round(length * side / longest)) for length in photo.size)

    def small(plane: im.Pixels) -> im.Pixels:
        return np.array(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))

    alpha = None if photo.alpha is None else small(photo.alpha)
    return dataclasses.replace(photo, pixels=small(photo.pixels), alpha=alpha)


def _keep(files: PhotoFiles, photo: im.Photo, name: str) -> str:
    """A picture for the page to show: JPEG, or PNG where it is transparent."""
    if photo.alpha is not None:
        return files.keep(f"{name}.png", photo.to_png())
    buffer = io.BytesIO()
    Image.fromarray(photo.pixels).save(buffer, format="JPEG", quality=92, subsampling=0, icc_profile=photo.icc)
    return files.keep(f"{name}.jpg", buffer.getvalue())


def _thumb(photo: im.Photo) -> Image.Image:
    image = Image.fromarray(photo.pixels)
    image.thumbnail((THUMB, THUMB))
    return image


def _looking(tell: Tell, label: str = "", share: float = 0.0) -> Callable[..., None]:
    """What long work may call as often as it likes, to be ended where it is no longer wanted."""
    return lambda *_, **__: tell(share, label)


def _shares(
    tell: Tell, start: float = 0.0, end: float = 1.0, label: str = "", megapixels: float = 0.0
) -> Callable[[int, int], None]:
    """A pipeline's count of tiles as a part of the whole."""
    return lambda done, total: tell(start + (end - start) * done / max(1, total), label, megapixels)


def _nested(tell: Tell, index: int, count: int, name: str) -> Tell:
    """The progress of one of several."""

    def told(share: float, label: str = name, megapixels: float = 0.0) -> None:
        tell((index + share) / count, name)

    return told


def warm(task: str, example: Path) -> None:
    """Loads a task's first checkpoint and lets it work on a small photo once."""
    pipeline: Pipeline = models.pipeline(_first(task), task)
    photo = _within(im.open_photo(example), 256)
    if task == "colorize":
        pipeline.colorize(photo)
    else:
        pipeline.enhance(photo)
