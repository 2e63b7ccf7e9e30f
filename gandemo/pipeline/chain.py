"""An old photo restored in one go: what is lost painted in, then enhanced, then coloured where it has no colour."""

from __future__ import annotations

from PIL import Image

from gandemo.data.images import Photo
from gandemo.errors import RequestError
from gandemo.pipeline.colour import is_grey
from gandemo.pipeline.model import Pipeline
from gandemo.pipeline.painting import Progress


def restore(
    photo: Photo,
    *,
    inpainter: Pipeline | None = None,
    mask: Image.Image | None = None,
    enhancer: Pipeline | None = None,
    colorizer: Pipeline | None = None,
    crisp: float | None = None,
    progress: Progress | None = None,
) -> Photo:
    """Restores an old photo; a step whose pipeline is not given is left out.

    Args:
        photo: the photo.
        inpainter: paints in what `mask` marks.
        mask: as for `Pipeline.inpaint`.
        enhancer: sharpens and cleans.
        colorizer: gives colour, where the photo has none (`is_grey`).
        crisp: as for `Pipeline.enhance`.
        progress: called with what is done and the total, in thousandths of a step.

    Raises:
        RequestError: a mask without an inpainter, or as the steps raise it.
    """
    if mask is not None and inpainter is None:
        raise RequestError("a mask needs an inpainter; name a checkpoint for inpaint, or leave the mask out")
    grey = colorizer is not None and is_grey(photo)
    steps = [mask is not None, enhancer is not None, grey]
    total, before = 1000 * sum(steps), 0

    def tell(done: int, of: int) -> None:
        if progress is not None:
            progress(before + 1000 * done // of, total)

    if mask is not None and inpainter is not None:
        photo = inpainter.inpaint(photo, mask, progress=tell)
        before += 1000
    if enhancer is not None:
        photo = enhancer.enhance(photo, crisp=crisp, progress=tell)
        before += 1000
    if colorizer is not None and grey:
        photo = colorizer.colorize(photo, progress=tell)
    return photo
