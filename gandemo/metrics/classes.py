"""What a classifier makes of generated pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandemo.errors import RequestError

_LEARNING_RATE = 1e-3  # of the classification accuracy score's classifier: Adam, cosine down to 0


@dataclass(frozen=True)
class ClassReport:
    """How generated pictures spread over the classes that a classifier reads in them.

    Attributes:
        modes: classes with at least one picture, as Unrolled GAN (arXiv:1611.02163) and PacGAN
            (arXiv:1712.04086) count them; it says nothing about how evenly, see the others.
        kl: KL(generated || reference) in nats; 0 when equal, infinite when a class appears that the reference
            lacks.
        smallest: share of the rarest class, 0 to 1.
        largest: share of the most frequent class, 0 to 1.
        fractions: share of each class; they sum to 1.
    """

    modes: int
    kl: float
    smallest: float
    largest: float
    fractions: tuple[float, ...]


def class_histogram(predicted: Tensor, classes: int) -> Tensor:
    """Share of each class.

    Args:
        predicted: int64 [N] in 0..classes - 1, N at least 1.
        classes: how many classes there are.

    Returns:
        float64 [classes], summing to 1.

    Raises:
        RequestError: There is no prediction, or one outside the classes.
    """
    labels = _checked_labels(predicted, "predicted classes")
    if classes < 1:
        raise RequestError(f"classes must be 1 or more, but it is {classes}.")
    if labels.min() < 0 or labels.max() >= classes:
        raise RequestError(
            f"Predicted classes must lie in 0..{classes - 1}, "
            f"but they reach from {int(labels.min())} to {int(labels.max())}."
        )
    return torch.bincount(labels, minlength=classes).double() / len(labels)


def class_report(
    predicted: Tensor,
    classes: int,
    reference: Tensor | Sequence[float] | None = None,
) -> ClassReport:
    """Modes found and balance of the classes read in generated pictures.

    Args:
        predicted: int64 [N] in 0..classes - 1, N at least 1.
        classes: how many classes there are.
        reference: shares or counts of the real classes [classes]; uniform when None.

    Returns:
        The report.

    Raises:
        RequestError: A prediction lies outside the classes, or the reference is no histogram of that many.
    """
    fractions = class_histogram(predicted, classes)
    expected = torch.ones(classes) if reference is None else torch.as_tensor(reference)
    expected = expected.detach().to("cpu", torch.float64)
    if expected.shape != (classes,):
        raise RequestError(
            f"The reference must hold one share for each of {classes} classes, but its shape is {list(expected.shape)}."
        )
    if not expected.isfinite().all() or expected.min() < 0 or expected.sum() <= 0:
        raise RequestError("The reference must hold shares or counts: finite, none below 0, and not all 0.")
    found = fractions > 0  # 0 log 0 is 0
    terms = fractions[found] * (fractions[found] / (expected / expected.sum())[found]).log()
    return ClassReport(
        modes=int(found.sum()),
        kl=max(0.0, float(terms.sum())),  # rounding may leave -1e-16 between equal histograms
        smallest=float(fractions.min()),
        largest=float(fractions.max()),
        fractions=tuple(fractions.tolist()),
    )


def agreement(predicted: Tensor, asked: Tensor) -> float:
    """Share of pictures that are read as the class that was asked for.

    Args:
        predicted: int64 [N], N at least 1.
        asked: int64 [N].

    Returns:
        The share, 0 to 1.

    Raises:
        RequestError: The two differ in length, or are empty.
    """
    read = _checked_labels(predicted, "predicted classes")
    wanted = _checked_labels(asked, "classes asked for")
    if len(read) != len(wanted):
        raise RequestError(f"{len(read)} pictures were read, but {len(wanted)} classes were asked for.")
    return float((read == wanted).double().mean())


def classification_accuracy_score(
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    *,
    build: Callable[[], nn.Module],
    epochs: int,
    batch_size: int,
    seed: int,
) -> float:
    """Accuracy on real pictures of a classifier that was trained on generated ones only.

    After Ravuri & Vinyals 2019, arXiv:1905.10887: high only when the generated classes are right, sharp and
    as varied as the real ones. Give it the real training pictures instead for the figure to compare with.

    Args:
        images: generated, float32 [N, C, H, W] in [-1, 1]; for digits [N, 1, 28, 28].
        labels: the classes asked for, int64 [N].
        test_images: real and held out, in the same form [M, C, H, W].
        test_labels: int64 [M].
        build: makes the untrained classifier, images → logits float32 [N, classes], on the device to
            train on.
        epochs: passes over the generated pictures, at least 1.
        batch_size: the most pictures in a step, at least 1; all steps are of nearly the same size.
        seed: of weights, order and dropout; the same seed on the same machine gives the same score.

    Returns:
        The share of test pictures that are read rightly, 0 to 1.

    Raises:
        RequestError: Pictures and labels differ in number, a side is empty or not finite, or epochs or
            batch_size is below 1.
    """
    if epochs < 1 or batch_size < 1:
        raise RequestError(f"epochs and batch_size must be 1 or more, but they are {epochs} and {batch_size}.")
    for pictures, classes, what in ((images, labels, "generated"), (test_images, test_labels, "test")):
        if len(pictures) != len(_checked_labels(classes, f"{what} labels")):
            raise RequestError(f"There are {len(pictures)} {what} pictures, but {len(classes)} labels for them.")
        if not pictures.is_floating_point() or not pictures.isfinite().all():
            raise RequestError(f"The {what} pictures must be floating point in -1..1, without NaN or infinity.")

    # Every device's generator is forked, because manual_seed reaches them all; and a caller that only
    # generates pictures may stand in no_grad or inference_mode, where nothing could be trained.
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        classifier = build()
        _train_classifier(classifier, images, labels, epochs, batch_size)
        return _accuracy(classifier, test_images, test_labels)


def _train_classifier(classifier: nn.Module, images: Tensor, labels: Tensor, epochs: int, batch_size: int) -> None:
    """Train in place, drawing order and dropout from the global random state."""
    device = next(classifier.parameters()).device
    steps = math.ceil(len(images) / batch_size)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * steps)
    classifier.train()
    for _ in range(epochs):
        # tensor_split evens the sizes out: a last batch of one picture would break batch norm.
        for batch in torch.randperm(len(images)).tensor_split(steps):
            optimizer.zero_grad(set_to_none=True)
            logits = classifier(images[batch].to(device))
            torch.autograd.backward(functional.cross_entropy(logits, labels[batch].to(device)))
            optimizer.step()
            schedule.step()


def _accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of pictures read rightly, in evaluation mode."""
    device = next(classifier.parameters()).device
    classifier.eval()
    with torch.inference_mode():
        read = torch.cat([classifier(part.to(device)).argmax(dim=1) for part in torch.split(images, 512)])
    return agreement(read, labels)


def _checked_labels(labels: Tensor, what: str) -> Tensor:
    """The labels as int64 on the CPU, once they are a non-empty row of integers."""
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise RequestError(f"The {what} must be int64 [N], but they are {labels.dtype} {list(labels.shape)}.")
    if len(labels) == 0:
        raise RequestError(f"There are no {what} to look at; give at least one.")
    return labels.detach().to("cpu", torch.int64)
