"""Several processes, on one machine or many, that train one run together, as `torchrun` starts them.

Every process holds both players and draws the whole batch with the run's one stream of random numbers, but sends only
its own rows of it through them; then the gradients are averaged. So a step is the step that one process takes with
the whole batch, up to rounding: batch norm takes its statistics over all processes, and the supervised terms see the
whole output. Only dropout differs: its masks are each process's own.

The process of rank 0 leads: it alone knows the run folder, and it evaluates. The others wait for it in a group of
their own (gloo, for a day), so that no collective on the GPUs runs into its timeout meanwhile.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from gandemo.errors import DataError, GanDemoError, RecipeError, TrainingError
from gandemo.recipe import Recipe
from gandemo.tasks import Batch
from gandemo.training import fingerprint, process, state

T = TypeVar("T")

PATIENCE = timedelta(days=1)  # of those who wait for the leader
MESSAGE = 1_000  # bytes of an error that another process tells of
FAILED = "gandemo/failed"
GRACE = 10.0  # seconds for the loop to hear by itself that another process has failed


class LostProcessError(TrainingError):
    """Another process is gone.

    Attributes:
        told: it said why.
    """

    def __init__(self, message: str, told: bool) -> None:
        """Keeps whether the cause is known."""
        super().__init__(message)
        self.told = told


@dataclass(frozen=True, kw_only=True)
class Part(Batch):
    """One process's rows of a batch.

    Attributes:
        whole: the batch that all have drawn.
        rows: which of its rows these are.
    """

    whole: Batch
    rows: slice


class Team:
    """The processes that train together, as one of them sees them; in `ALONE` every method does next to nothing.

    Attributes:
        rank: of this process.
        size: how many there are.
        leads: whether this one writes, evaluates and decides.
        place: (rank, size), as the losses want it to draw for all.
        deaf: a collective of the training may wait on a GPU for a process that has failed, and never hear of it.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, first_here: bool = True, control: Any = None, deaf: bool = False
    ) -> None:
        """Takes what `join` has found out."""
        self.rank, self.size, self.leads, self.place = rank, size, rank == 0, (rank, size)
        self._first_here, self._control, self.deaf = first_here, control, deaf

    # --- agreeing -----------------------------------------------------------------------------------------

    def any(self, asked: bool) -> bool:
        """Whether any of them says so; all hear the same answer."""
        if self.size == 1:
            return asked
        flag = torch.tensor([int(asked)])
        self._call(dist.all_reduce, flag, op=dist.ReduceOp.MAX, group=self._control)
        return bool(flag)

    def tell(self, content: bytes = b"") -> bytes:
        """The leader's bytes, for all; the others wait for them, however long it takes."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        self._call(dist.broadcast, length, 0, group=self._control)
        sent = torch.empty(int(length), dtype=torch.uint8)
        if self.leads and content:
            sent = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        if len(sent):
            self._call(dist.broadcast, sent, 0, group=self._control)
        return sent.numpy().tobytes()

    @contextmanager
    def together(self) -> Iterator[None]:
        """An error in the body of one is raised in all of them. The body must not need another process.

        Raises:
            TrainingError: another process could not; the message says which and why.
        """
        problem: GanDemoError | None = None
        try:
            yield
        except GanDemoError as error:
            problem = error
        if self.size > 1:
            said = str(problem or "").encode()[:MESSAGE].ljust(MESSAGE, b"\0")
            everybody = [torch.empty(MESSAGE, dtype=torch.uint8) for _ in range(self.size)]
            mine = torch.frombuffer(bytearray(said), dtype=torch.uint8)
            self._call(dist.all_gather, everybody, mine, group=self._control)
            for rank, other in enumerate(everybody):
                if bool(other.any()) and problem is None:
                    text = other.numpy().tobytes().rstrip(b"\0").decode(errors="ignore")
                    raise TrainingError(f"process {rank} of {self.size}: {text}")
        if problem is not None:
            raise problem

    def lead(self, work: Callable[[], T]) -> T | None:
        """What the leader's work gives it, None for the others; its error is everybody's."""
        found = None
        with self.together():
            if self.leads:
                found = work()
        return found

    def first_here(self, work: Callable[[], T]) -> T:
        """Work that leaves files on each machine: done by one process of it first, then by the others."""
        found: list[T] = []
        for turn in (True, False):
            with self.together():
                if self._first_here is turn or self.size == 1:
                    found = found or [work()]
        return found[0]

    def compare(self, mark: Mapping[str, Any]) -> None:
        """Makes sure that all train the same recipe on the same pictures.

        Raises:
            DataError: one of them has something else than the leader.
        """
        if self.size == 1:
            return
        leaders = json.loads(self.tell(json.dumps(mark).encode()))
        with self.together():
            if differences := fingerprint.refusals(leaders, mark):
                raise DataError(f"other data, or another version, than process 0 has: {'; '.join(differences)}")

    def same_recipe(self, recipe: Recipe | None) -> Recipe:
        """The leader's recipe, for all; None on the others."""
        if recipe is not None and self.size == 1:
            return recipe
        return Recipe.from_json(self.tell(b"" if recipe is None else recipe.to_json().encode()).decode())

    def failed(self, reason: str) -> None:
        """Leaves word for the others why this process is about to end."""
        if self.size > 1 and self._word() is None:
            with suppress(RuntimeError):
                store = dist.distributed_c10d._get_default_store()
                store.set(FAILED, f"process {self.rank} of {self.size} failed: {reason[:MESSAGE]}")

    def _word(self) -> str | None:
        """What a process that failed has left for the others."""
        with suppress(RuntimeError):
            store = dist.distributed_c10d._get_default_store()
            if store.check([FAILED]):
                return str(store.get(FAILED).decode())
        return None

    @contextmanager
    def listening(self, note: Callable[[str], None]) -> Iterator[None]:
        """While the leader is in the body: should it wait on a GPU for a process that has failed, it ends instead.

        Args:
            note: writes down why, since the body can't any more.
        """
        if not (self.leads and self.deaf):
            yield
            return
        over = threading.Event()

        def listen() -> None:
            while not over.wait(1.0):
                if (reason := self._word()) is not None and not over.wait(GRACE):
                    note(reason)
                    print(f"gandemo: {reason}", file=sys.stderr, flush=True)
                    os._exit(2)

        threading.Thread(target=listen, name="listening", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _call(self, collective: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            collective(*args, **kwargs)
        except RuntimeError as error:
            said = self._word()
            detail = " ".join(re.sub(r"\[/[^]]*\]", "", str(error)).split()).partition(". ")[0][:120]
            raise LostProcessError(
                said or f"another process is gone ({detail}); look at what it printed, then resume the run",
                said is not None,
            ) from error

    # --- the batch ----------------------------------------------------------------------------------------

    def check(self, recipe: Recipe) -> None:
        """Makes sure that a batch can be shared out.

        Raises:
            RecipeError: it can't.
        """
        parts = self.size * recipe.pack
        if recipe.batch_size % parts:
            packs = f", in packs of {recipe.pack}," if recipe.pack > 1 else ""
            raise RecipeError(
                f"batch_size {recipe.batch_size}{packs} can't be shared out evenly among {self.size} processes; make "
                f"it a multiple of {parts}"
            )

    def part(self, batch: Batch) -> Batch:
        """This process's rows of a batch."""
        if self.size == 1:
            return batch
        count = len(batch.real) // self.size
        rows = slice(self.rank * count, (self.rank + 1) * count)
        condition = None if batch.condition is None else batch.condition[rows]
        return Part(
            real=batch.real[rows],
            condition=condition,
            labels=batch.labels[rows],
            terms=batch.terms,
            whole=batch,
            rows=rows,
        )

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes [N · size, …], by rank; no gradient."""
        if self.size == 1:
            return rows
        mine = rows.detach().contiguous()
        everybody = [torch.empty_like(mine) for _ in range(self.size)]
        self._call(dist.all_gather, everybody, mine)
        return torch.cat(everybody)

    def whole(self, output: Tensor) -> Tensor:
        """As `gather`, with the gradient of this process's own rows."""
        others = list(self.gather(output).chunk(self.size))
        others[self.rank] = output
        return torch.cat(others)

    # --- numbers ------------------------------------------------------------------------------------------

    def sum(self, values: Tensor) -> None:
        """Adds up a contiguous tensor over all processes, in place."""
        self._call(dist.all_reduce, values)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.size == 1:
            return values
        total = values.detach().clone(memory_format=torch.contiguous_format)
        self.sum(total)
        return total / self.size

    def average(self, gradients: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Averages gradients over all processes, in place; returns the mean loss.

        One exchange after the backward pass, and not DDP's hooks during it: exact with two passes through the
        discriminator, players that stand still and gradients of gradients alike.
        """
        if self.size == 1:
            return loss
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), loss.detach().reshape(1)])
        self.sum(flat)
        flat /= self.size
        pieces = flat.split([*(gradient.numel() for gradient in gradients), 1])
        for gradient, piece in zip(gradients, pieces, strict=False):
            gradient.copy_(piece.view(gradient.shape))
        mean: Tensor = pieces[-1][0]
        return mean

    @torch.no_grad()
    def align(self, networks: Iterable[nn.Module], optimizers: Iterable[Optimizer]) -> None:
        """Gives all processes the leader's weights and moments: on unlike machines the last bits drift apart."""
        if self.size == 1:
            return
        tensors = [tensor for network in networks for tensor in network.state_dict().values()]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    kept = optimizer.state.get(parameter, {})
                    tensors += [kept[key] for key in sorted(kept) if isinstance(kept[key], Tensor)]
        kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        for alike in kinds.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in alike])
            self._call(dist.broadcast, flat, 0)
            if not self.leads:
                for tensor, piece in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
                    tensor.copy_(piece.view(tensor.shape))

    def load_state(
        self,
        folder: Path,
        networks: dict[str, nn.Module],
        optimizers: dict[str, Optimizer],
        randomness: dict[str, torch.Generator],
    ) -> tuple[int, dict[str, Any]]:
        """As `state.load_state`, from the leader's folder: the other machines need not see it."""
        found = self.lead(lambda: state.load_state(folder, networks, optimizers, randomness))
        if self.size == 1:
            assert found is not None
            return found
        step = int.from_bytes(self.tell(b"" if found is None else found[0].to_bytes(8, "big")), "big")
        name = f"step-{step}"
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / name
            copy.mkdir()
            for file in ("tensors.safetensors", "state.json"):
                content = self.tell((folder / name / file).read_bytes() if self.leads else b"")
                if not self.leads:
                    (copy / file).write_bytes(content)
            return found or state.load_state(copy.parent, networks, optimizers, randomness)

    def stir(self, seed: int, step: int) -> None:
        """Gives each process but the leader dropout masks of its own, the same again after a resume."""
        if self.rank:
            torch.manual_seed((seed * 1_000_003 + step) * 4_099 + self.rank)


ALONE = Team()


# --- joining ----------------------------------------------------------------------------------------------

_team: Team | None = None


def join() -> Team:
    """The processes that `torchrun` has started with this one; `ALONE` where it has not.

    Raises:
        TrainingError: they can't train together.
    """
    global _team
    if not process.several():
        return ALONE
    if _team is None:
        _team = _connect()
    return _team


def speaks(error: GanDemoError) -> bool:
    """Whether this process is the one to show an error: the leader is, or who has lost it without a word."""
    if _team is None:  # one of each machine, since they have not found each other yet
        return os.environ.get("LOCAL_RANK", "0") == "0"
    return _team.leads or (isinstance(error, LostProcessError) and not error.told)


def leave() -> None:
    """Takes leave of the others once a training has ended well."""
    global _team
    if _team is not None:
        _team = None
        dist.destroy_process_group()


def _connect() -> Team:
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_RANK", rank))
        here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    except ValueError:
        raise TrainingError("RANK and WORLD_SIZE must be whole numbers; start with torchrun") from None
    if not dist.is_available():
        raise TrainingError("this PyTorch was built without torch.distributed; install another, or train alone")
    device = None
    if torch.cuda.is_available():
        cards = torch.cuda.device_count()
        if here > cards:
            raise TrainingError(
                f"{here} processes were started on a machine with {cards} GPUs; start torchrun with --nproc-per-node "
                f"{cards}, or with CUDA_VISIBLE_DEVICES= to train on its processor"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("gloo" if device is None else "cpu:gloo,cuda:nccl", device_id=device)
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
        dist.barrier(control)  # who leaves at once, with an error of its own, would break off the others' finding
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise TrainingError(f"the {size} processes could not find each other: {reason}") from None
    return Team(rank, size, local == 0, control, deaf=device is not None)
