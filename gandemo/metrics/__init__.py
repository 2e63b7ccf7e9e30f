"""What is measured: how near generated pictures come to real ones, as sets, by class and one by one.

    distribution   two sets of features: Fréchet distance; precision, recall, density, coverage
    classes        what a classifier reads: modes found, agreement with the class asked for, accuracy score
    pictures       pixels: PSNR, SSIM, colourfulness, diversity, distance to the nearest training picture
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
from gandemo.metrics.distribution import PRDC, FeatureStatistics, frechet_distance, prdc
from gandemo.metrics.pictures import (
    colourfulness,
    nearest_distances,
    pairwise_diversity,
    psnr,
    psnr_y,
    ssim,
)

__all__ = [
    "PRDC",
    "Calibration",
    "ClassReport",
    "FeatureStatistics",
    "agreement",
    "class_histogram",
    "class_report",
    "classification_accuracy_score",
    "colourfulness",
    "fit_probability",
    "frechet_distance",
    "nearest_distances",
    "pairwise_diversity",
    "prdc",
    "psnr",
    "psnr_y",
    "ssim",
]
