"""`generate`, `colorize`, `enhance`, `inpaint`, `restore`: what a checkpoint is used for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gandemo.commands import batch
from gandemo.commands.options import writing
from gandemo.errors import RequestError

if TYPE_CHECKING:
    from PIL import Image

    from gandemo.data.images import Photo

    Progress = Callable[[int, int], None]

Photos = Annotated[list[Path], typer.Argument(help="Photos, folders, zips or tars of them.", show_default=False)]
Output = Annotated[Path, typer.Option("-o", "--output", help="The folder for the PNGs.", show_default=False)]
Crisp = Annotated[float | None, typer.Option(help="0: faithful, 1: crisp; default: as the checkpoint has it.")]


def generate(
    checkpoint: str,
    output: Annotated[Path, typer.Option("-o", "--output", help="grid.png or samples.npz")],
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures.")] = 64,
    label: Annotated[int | None, typer.Option(help="The class of all pictures.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
) -> None:
    """Make pictures from noise: a contact sheet (.png) or an array (.npz)."""
    if output.suffix not in (".png", ".npz"):
        raise RequestError(f"--output must end in .png or .npz, got {str(output)!r}")
    if output.suffix == ".png" and count > 10_000:
        raise RequestError(f"a contact sheet holds up to 10,000 pictures, got {count:,}; take samples.npz")
    from gandemo.pipeline import Pipeline

    samples = Pipeline.from_pretrained(checkpoint).generate(count, labels=label, seed=seed, truncation=truncation)
    with writing(output) as temporary:
        if output.suffix == ".npz":
            import numpy as np

            np.savez(temporary, images=samples.images, labels=samples.labels)
        else:
            from gandemo.data.images import grid

            columns = 10 if samples.labels[0] >= 0 and label is None and count >= 10 else max(1, round(count**0.5))
            grid(samples.images, columns=columns).save(temporary)
    print(f"wrote {output}")


def colorize(
    photos: Photos,
    output: Output,
    checkpoint: Annotated[str, typer.Option(help="A checkpoint for colorize.")] = "colorize",
    strength: Annotated[float, typer.Option(help="A factor on the colour, 0 to 1.5.")] = 1.0,
    recolour: Annotated[bool, typer.Option("--recolour", help="Photos in colour, too: anew.")] = False,
) -> None:
    """Give black-and-white photos colour; sepia counts as black-and-white."""
    from gandemo.pipeline import Pipeline, is_grey

    pipeline = Pipeline.from_pretrained(checkpoint)
    pipeline.colorize(batch.probe(), strength=strength)

    def work(photo: Photo, progress: Progress) -> Photo:
        if not recolour and not is_grey(photo):
            raise RequestError("it is in colour already; to colour it anew, add --recolour")
        return pipeline.colorize(photo, strength=strength, progress=progress)

    batch.run(photos, output, work, title="colorize")


def enhance(
    photos: Photos,
    output: Output,
    checkpoint: Annotated[str, typer.Option(help="A checkpoint for enhance.")] = "enhance",
    strength: Annotated[float, typer.Option(help="0: as it was, to 1.")] = 1.0,
    crisp: Crisp = None,
    scale: Annotated[int, typer.Option(help="1, 2 or 4 times as wide and high.")] = 1,
) -> None:
    """Take blur, noise and the traces of JPEG and of enlargement out of photos."""
    from gandemo.pipeline import Pipeline

    pipeline = Pipeline.from_pretrained(checkpoint)
    pipeline.enhance(batch.probe(), strength=strength, crisp=crisp, scale=scale)

    def work(photo: Photo, progress: Progress) -> Photo:
        return pipeline.enhance(photo, strength=strength, crisp=crisp, scale=scale, progress=progress)

    batch.run(photos, output, work, title="enhance")


def inpaint(
    photo: Annotated[Path, typer.Argument(help="The photo.", show_default=False)],
    mask: Annotated[Path, typer.Option(help="A picture of the same size, white where to paint in.")],
    output: Output,
    checkpoint: Annotated[str, typer.Option(help="A checkpoint for inpaint.")] = "inpaint",
) -> None:
    """Paint in what a mask marks: a scratch, or a thing that should go."""
    from gandemo.pipeline import Pipeline

    pipeline = Pipeline.from_pretrained(checkpoint)
    marked = _mask(mask)

    def work(found: Photo, progress: Progress) -> Photo:
        return pipeline.inpaint(found, marked, progress=progress)

    batch.run([photo], output, work, title="inpaint")


def restore(
    photos: Photos,
    output: Output,
    mask: Annotated[Path | None, typer.Option(help="For one photo: white where to paint in.")] = None,
    crisp: Crisp = None,
    inpainter: Annotated[str, typer.Option(help="A checkpoint for inpaint.")] = "inpaint",
    enhancer: Annotated[str, typer.Option(help="A checkpoint for enhance.")] = "enhance",
    colorizer: Annotated[str, typer.Option(help="A checkpoint for colorize.")] = "colorize",
    colour: Annotated[bool, typer.Option("--colour/--no-colour", help="Give colour to what has none.")] = True,
) -> None:
    """Restore old photos: paint in what is marked, enhance, and give colour to what has none."""
    if mask is not None and (len(photos) != 1 or not photos[0].is_file()):
        raise RequestError("a mask is for one photo; name that photo alone")
    from gandemo.pipeline import Pipeline
    from gandemo.pipeline import restore as restored

    paints = None if mask is None else Pipeline.from_pretrained(inpainter)
    sharpens = Pipeline.from_pretrained(enhancer)
    colours = Pipeline.from_pretrained(colorizer) if colour else None
    restored(batch.probe(), enhancer=sharpens, colorizer=colours, crisp=crisp)
    marked = None if mask is None else _mask(mask)

    def work(photo: Photo, progress: Progress) -> Photo:
        return restored(
            photo,
            inpainter=paints,
            mask=marked,
            enhancer=sharpens,
            colorizer=colours,
            crisp=crisp,
            progress=progress,
        )

    batch.run(photos, output, work, title="restore")


def _mask(path: Path) -> Image.Image:
    """A mask from a file: what is lighter than middle grey, or, on a transparent ground, what is drawn at all."""
    from PIL import Image

    from gandemo.data.images import open_photo

    found = open_photo(path)
    if found.alpha is not None:
        return Image.fromarray(found.alpha)
    return Image.fromarray(found.pixels).convert("L").point(lambda value: 255 if value > 127 else 0)
