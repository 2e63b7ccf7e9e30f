"""What OpenCV and scikit-image do for a poor photo: what a network has to beat.

Every kind of harm has its candidates, and the one that does best on training photos stands for all. So a method here is
told which harm it was and how strong, which a network is not. Both libraries are needed for measuring alone; they are
loaded when a method runs, and `missing` tells whether they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from gandemo.data.images import Pixels
from gandemo.metrics.comparison import compare

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """One method with its settings.

    Attributes:
        title: what it is, with which settings, and whose.
        run: a photo uint8 [H, W, 3], and the mask uint8 [H, W] of its holes, to a photo of the same size; only a method
            for holes looks at the mask.
    """

    title: str
    run: Callable[[Pixels, Pixels], Pixels]


def missing() -> str:
    """A sentence that says what to install, or nothing where all is there."""
    packages = {"skimage": "scikit-image", "cv2": "opencv-python-headless"}
    lacking = [package for module, package in packages.items() if find_spec(module) is None]
    if not lacking:
        return ""
    return f"classical methods are left out: they need {' and '.join(lacking)} (pip install {' '.join(lacking)})"


def best_of(
    methods: Sequence[Method],
    poor: Sequence[Pixels],
    truth: Sequence[Pixels],
    lost: Sequence[Pixels] | None = None,
    *,
    figure: str,
) -> Method:
    """The method that does best on average.

    Args:
        methods: candidates; the first one wins a tie.
        poor: photos, uint8 [H, W, 3] each.
        truth: the same photos as they were.
        lost: masks of their holes, uint8 [H, W] each; None: there are none.
        figure: of `compare`, the higher the better.
    """
    masks = lost if lost is not None else [np.zeros(photo.shape[:2], np.uint8) for photo in poor]

    def score(method: Method) -> float:
        triples = zip(poor, masks, truth, strict=True)
        return float(np.mean([compare(method.run(photo, mask), true, mask)[figure] for photo, mask, true in triples]))

    return max(methods, key=score)


# --- against noise and the traces of JPEG -----------------------------------------------------------------


def non_local_means(sigma: float, strength: float) -> Method:
    """Each pixel the mean of those whose surroundings look alike (Buades et al. 2005), noise of `sigma` allowed for."""

    def run(photo: Pixels, _: Pixels) -> Pixels:
        from skimage.restoration import denoise_nl_means

        return _bytes(
            denoise_nl_means(
                photo / 255.0,
                patch_size=5,
                patch_distance=6,
                h=strength * sigma / 255.0,
                sigma=sigma / 255.0,
                channel_axis=2,
            )
        )

    return Method(f"non-local means, σ {sigma:g}, h {strength:g} σ (scikit-image)", run)


def bilateral(colour: float, space: float) -> Method:
    """Each pixel the mean of its neighbours, those of like colour above all (Tomasi & Manduchi 1998)."""

    def run(photo: Pixels, _: Pixels) -> Pixels:
        import cv2

        return np.asarray(cv2.bilateralFilter(photo, -1, colour, space), np.uint8)

    return Method(f"bilateral filter, σ {colour:g} of colour, {space:g} of space (OpenCV)", run)


def total_variation(weight: float) -> Method:
    """The nearest picture with little variation in all (Rudin, Osher & Fatemi 1992; Chambolle 2004)."""

    def run(photo: Pixels, _: Pixels) -> Pixels:
        from skimage.restoration import denoise_tv_chambolle

        return _bytes(denoise_tv_chambolle(photo / 255.0, weight=weight, channel_axis=2))

    return Method(f"total variation, weight {weight:g} (scikit-image)", run)


# --- against blur and few pixels --------------------------------------------------------------------------


def unsharp_mask(radius: float, amount: float) -> Method:
    """The photo, and so much of its difference from a blurred one."""

    def run(photo: Pixels, _: Pixels) -> Pixels:
        from skimage.filters import unsharp_mask as sharpen

        # an axis of -1 gives rubbish: github.com/scikit-image/scikit-image/issues/7264
        return _bytes(sharpen(photo / 255.0, radius=radius, amount=amount, channel_axis=2))

    return Method(f"unsharp mask, radius {radius:g}, amount {amount:g} (scikit-image)", run)


def wiener(sigma: float, balance: float) -> Method:
    """The inverse of a Gaussian blur where that does not magnify noise too much (Hunt 1971)."""

    def deconvolve(channel: Floats, kernel: Floats) -> Floats:
        from skimage.restoration import wiener as wiener_hunt

        return np.asarray(wiener_hunt(channel, kernel, balance), np.float64)

    return Method(
        f"Wiener filter, blur of σ {sigma:g}, balance {balance:g} (scikit-image)", _deconvolution(sigma, deconvolve)
    )


def richardson_lucy(sigma: float, rounds: int) -> Method:
    """The likeliest picture before a Gaussian blur, approached in rounds (Richardson 1972, Lucy 1974)."""

    def deconvolve(channel: Floats, kernel: Floats) -> Floats:
        from skimage.restoration import richardson_lucy as approach

        return np.asarray(approach(channel, kernel, num_iter=rounds, filter_epsilon=1e-6), np.float64)

    return Method(
        f"Richardson–Lucy, blur of σ {sigma:g}, {rounds} rounds (scikit-image)", _deconvolution(sigma, deconvolve)
    )


def _deconvolution(sigma: float, deconvolve: Callable[[Floats, Floats], Floats]) -> Callable[[Pixels, Pixels], Pixels]:
    """Channel by channel, with the edges mirrored so far out that what happens there does no harm."""

    def run(photo: Pixels, _: Pixels) -> Pixels:
        reach = int(np.ceil(4 * sigma))
        bell = np.exp(-np.square(np.arange(-reach, reach + 1)) / (2 * sigma**2))
        kernel = np.outer(bell, bell) / bell.sum() ** 2
        # no further than a mirror reaches
        margin = min(4 * reach, min(photo.shape[:2]) - 1)
        around = np.pad(photo / 255.0, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
        channels = [deconvolve(channel, kernel) for channel in np.moveaxis(around, 2, 0)]
        return _bytes(np.stack(channels, axis=2)[margin:-margin, margin:-margin])

    return run


def _bytes(values: Floats) -> Pixels:
    """[0, 1], as good as, to 0..255."""
    return np.asarray(np.rint(values.clip(0.0, 1.0) * 255.0), np.uint8)


# --- for holes --------------------------------------------------------------------------------------------


def telea(radius: int) -> Method:
    """From the edge inwards along the quickest front (Telea 2004)."""

    def run(photo: Pixels, lost: Pixels) -> Pixels:
        import cv2

        return np.asarray(cv2.inpaint(photo, (lost != 0).astype(np.uint8), radius, cv2.INPAINT_TELEA), np.uint8)

    return Method(f"Telea, radius {radius} (OpenCV)", run)


def navier_stokes(radius: int) -> Method:
    """Lines of equal brightness carried on as a fluid flows (Bertalmio et al. 2001)."""

    def run(photo: Pixels, lost: Pixels) -> Pixels:
        import cv2

        return np.asarray(cv2.inpaint(photo, (lost != 0).astype(np.uint8), radius, cv2.INPAINT_NS), np.uint8)

    return Method(f"Navier–Stokes, radius {radius} (OpenCV)", run)


def biharmonic() -> Method:
    """The smoothest surface over the hole (Damelin & Hoang 2018)."""

    def run(photo: Pixels, lost: Pixels) -> Pixels:
        from skimage.restoration import inpaint_biharmonic

        painted = inpaint_biharmonic(photo / 255.0, lost != 0, split_into_regions=True, channel_axis=2)
        return np.where(lost[:, :, None] != 0, _bytes(painted), photo)

    return Method("biharmonic equation (scikit-image)", run)


# --- the candidates ---------------------------------------------------------------------------------------


def nothing(title: str) -> Method:
    """The photo as it is: no candidate has to do harm."""
    return Method(title, lambda photo, _: photo)


def then(first: Method, second: Method) -> Method:
    """One after the other."""
    return Method(f"{first.title}, then {second.title}", lambda photo, lost: second.run(first.run(photo, lost), lost))


def _denoisers(sigma: float) -> Iterator[Method]:
    yield nothing("nothing done")
    for share in (0.2, 0.6, 0.8):
        for strength in (0.6, 0.8, 1.0):
            yield non_local_means(share * sigma, strength)
    for colour in (1.0, 2.0, 3.0):
        for space in (1.5, 3.0):
            yield bilateral(colour * sigma, space)
    for weight in (0.3, 0.7, 1.0):
        yield total_variation(weight * sigma / 255.0)


def _sharpeners(title: str, sigmas: Sequence[float], rounds: Sequence[int]) -> Iterator[Method]:
    yield nothing(title)
    for sigma in sigmas:
        for amount in (0.5, 1.0, 2.0, 3.0):
            yield unsharp_mask(sigma, amount)
        for balance in (0.001, 0.003, 0.01, 0.03, 0.1):
            yield wiener(sigma, balance)
    for count in rounds:
        yield richardson_lucy(sigmas[-1], count)


# by the names of `data.degradations.YARDSTICKS`; the settings lie around those that a wider search found
RESTORERS: dict[str, tuple[Method, ...]] = {
    "mixed": (
        *_denoisers(12.0),
        *(
            then(non_local_means(sigma, strength), unsharp_mask(2.0, amount))
            for sigma, strength in ((5.0, 1.0), (8.0, 0.6))
            for amount in (0.4, 0.7, 1.0)
        ),
    ),
    "noise-25": tuple(_denoisers(25.0)),
    "blur-2": tuple(_sharpeners("nothing done", (1.6, 2.0), (10, 30))),
    "jpeg-30": tuple(_denoisers(10.0)),
    "downscale-2": tuple(_sharpeners("bicubic", (0.7, 0.8), (3, 5, 10))),
    "downscale-4": tuple(_sharpeners("bicubic", (1.3, 1.6), (3, 5, 10))),
    "grain-15": (
        nothing("nothing done"),
        *(
            non_local_means(sigma, strength)  # grain counts for more than its σ, being no noise of single pixels
            for sigma, strength in ((12.0, 1.0), (15.0, 0.8), (15.0, 1.0), (18.0, 0.8), (21.0, 0.6))
        ),
        *(bilateral(colour, 5.0) for colour in (60.0, 90.0, 120.0)),
        *(total_variation(weight * 15.0 / 255.0) for weight in (1.0, 1.5)),
    ),
}

INPAINTERS: tuple[Method, ...] = (
    *(telea(radius) for radius in (2, 4, 8)),
    *(navier_stokes(radius) for radius in (2, 4, 8)),
    biharmonic(),
)
