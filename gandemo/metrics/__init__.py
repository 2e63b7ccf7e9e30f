"""What is measured: how near generated pictures come to real ones, as sets, by class and one by one.

    distribution   two sets of features: Fréchet distance; precision, recall, density, coverage
    classes        what a classifier reads: modes found, agreement with the class asked for, accuracy score
    pictures       pixels: PSNR, SSIM, colour, diversity, distance to the nearest training picture
    comparison     a photo as it was made against the photo as it was, in all figures
    classical      what OpenCV and scikit-image do for a poor photo: what a network has to beat
    calibration    a critic's score as a probability of being real

Figures are computed on the CPU in float64, and torch's global random state stays as it was.
"""

from gandemo.metrics.calibration import Calibration, fit_probability
from gandemo.metrics.classes import (
    ClassReport,
    agreement,
    class_histogram,
    class_report,
    classification_accuracy_score,
)
from gandemo.metrics.comparison import compare, means
from gandemo.metrics.distribution import PRDC, FeatureStatistics, frechet_distance, prdc
from gandemo.metrics.pictures import (
    BEST,
    ab_error,
    colourfulness,
    nearest_distances,
    pairwise_diversity,
    psnr,
    psnr_y,
    ssim,
)

__all__ = [
    "BEST",
    "PRDC",
    "Calibration",
    "ClassReport",
    "FeatureStatistics",
    "ab_error",
    "agreement",
    "class_histogram",
    "class_report",
    "classification_accuracy_score",
    "colourfulness",
    "compare",
    "fit_probability",
    "frechet_distance",
    "means",
    "nearest_distances",
    "pairwise_diversity",
    "prdc",
    "psnr",
    "psnr_y",
    "ssim",
]
