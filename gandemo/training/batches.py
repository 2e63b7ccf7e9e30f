"""The batches of a run: an endless row, each of which can be made from its number alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from gandemo.errors import DataError
from gandemo.tasks import Pictures

T = TypeVar("T")


class BatchSource(Generic[T]):
    """Endless batches, each epoch in a seeded order of its own.

    A batch is a pure function of the seed and of how many were drawn before it: so a resumed run goes on at the very
    next one, and the next one may be made before it is asked for.
    """

    def __init__(
        self,
        pictures: Pictures,
        batch_size: int,
        seed: int,
        prepare: Callable[[Tensor, Tensor, torch.Generator], T],
        *,
        ahead: bool = False,
    ) -> None:
        """Take the pictures; no batch is drawn yet.

        Args:
            pictures: of the training split.
            batch_size: how many make a batch.
            seed: of the order, the crops and whatever `prepare` draws.
            prepare: makes a batch of uint8 [batch_size, C, H, W] pictures, int64 [batch_size] labels and a generator.
            ahead: make the next batch in a thread while this one is worked on; worth its while only where making one
                takes far longer than to hand it over.

        Raises:
            DataError: there are fewer pictures than one batch takes.
        """
        if len(pictures) < batch_size:
            raise DataError(
                f"{len(pictures)} pictures are fewer than a batch of {batch_size}; add pictures or lower batch_size"
            )
        self.pictures, self.batch_size, self.seed, self.prepare = pictures, batch_size, seed, prepare
        self.drawn = 0
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)
        # one thread makes all batches then, this one too, so that nothing is shared between two
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches") if ahead else None
        self._coming: tuple[int, Future[T]] | None = None

    def next(self) -> T:
        """The next batch; what is left over at an epoch's end is skipped."""
        number = self.drawn
        found = self._make(number) if self._thread is None else self._from_thread(self._thread, number)
        self.drawn = number + 1
        return found

    def _from_thread(self, thread: ThreadPoolExecutor, number: int) -> T:
        coming, self._coming = self._coming, None
        if coming is None or coming[0] != number:  # the first of all, or the place was changed
            coming = number, thread.submit(self._make, number)
        found = coming[1].result()
        self._coming = number + 1, thread.submit(self._make, number + 1)
        return found

    def _make(self, number: int) -> T:
        each = len(self.pictures) // self.batch_size
        epoch, index = divmod(number, each)
        if epoch != self._epoch:
            order = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order, self._epoch = torch.randperm(len(self.pictures), generator=order), epoch
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        # mixed, since neighbouring seeds alone would make neighbouring batches alike
        mixed = int(np.random.SeedSequence((self.seed, number)).generate_state(1, np.uint64)[0] >> np.uint64(1))
        rng = torch.Generator().manual_seed(mixed)
        return self.prepare(*self.pictures.take(chosen, rng), rng)
