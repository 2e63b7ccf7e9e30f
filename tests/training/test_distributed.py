"""Two processes that train together give what one gives; and whatever happens to one of them happens to both.

The processes are real and talk over gloo. Loading torch takes seconds, so one helper process, this file as a script,
loads it once and forks the pairs; the last test starts a pair as people do, with torchrun.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_photos
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from gandemo import __main__ as command_line
from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import DataError, GanDemoError
from gandemo.nets import build_generator
from gandemo.recipe import Recipe
from gandemo.tasks.digits import Digits
from gandemo.training import distributed, events, process, runs, state
from gandemo.training.distributed import ALONE, Part, Team
from gandemo.training.events import Event, Finished, Progress, Started
from gandemo.training.loop import train
from gandemo.training.shared_norm import share_batch_norm
from gandemo.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)

# without dropout, whose masks are each process's own
SAME: dict[str, Recipe] = {
    # no batch norm, real and fake in one pass
    "plain": tiny.TINY["vanilla"].with_settings({"discriminator.args.dropout": 0.0}),
    # batch norm, spectral norm, classes, an average, the same fakes for both players
    "digits": tiny.DIGITS,
    # batch norm in both players, real and fake apart, noisy targets, a gradient of the gradient through batch norm
    "conv": tiny.TINY["conv"].with_settings({"discriminator.args.dropout": 0.0, "loss.r1": 1.0}),
    # pairs judged at once, lazy penalties on both sides, two steps of each player
    "relativistic": tiny.TINY["relativistic"],
    # random points between real and fake
    "wgan-gp": tiny.TINY["wgan-gp"].with_settings({"d_steps": 2}),
    # no game
    "colorize-l1": tiny_photos.TINY["colorize-l1"],
    # a colour weighs by how rare it is in the whole batch; points of the true colour as hints
    "colorize": tiny_photos.TINY["colorize"],
    # a hole weighs by how much is lost of the whole batch
    "inpaint": tiny_photos.TINY["inpaint"],
}


# --- the helper process -----------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def digest(trainer: Trainer) -> str:
    """Of all that must be the same in every process."""
    whole = hashlib.sha256()
    for network in trainer.networks.values():
        for tensor in network.state_dict().values():
            whole.update(tensor.contiguous().numpy().tobytes())
    whole.update(trainer.rng.get_state().numpy().tobytes())
    return whole.hexdigest()


def watched(work: Callable[[], object], report: Path) -> None:
    """Does one process's work and writes down what it said, how it ended, and its state after each step."""
    digests: list[str] = []
    before = Trainer.round

    def step(trainer: Trainer) -> None:
        before(trainer)
        digests.append(digest(trainer))

    Trainer.round = step  # type: ignore[method-assign]
    said, problem = io.StringIO(), ""
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            work()
        except GanDemoError as error:
            problem = str(error)
        except SystemExit as error:
            problem = f"status {error.code}"
        except BaseException:
            problem = traceback.format_exc()
    report.write_text(json.dumps({"said": said.getvalue(), "problem": problem, "digests": digests}))


def together(size: int, folder: Path, work: Callable[[int], object]) -> list[dict[str, Any]]:
    """Does `work(rank)` in so many forked processes; what `watched` wrote of each."""
    folder.mkdir(parents=True, exist_ok=True)
    port, children = free_port(), []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            if size > 1:
                os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
                os.environ |= {"LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            watched(lambda rank=rank: work(rank), folder / f"{rank}.json")
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def play(recipe: Recipe, folder: Path, **kwargs: Any) -> Callable[[int], None]:
    """A whole training; processes other than the first are told of a folder that must stay away."""

    def work(rank: int) -> None:
        for _ in train(recipe, run_dir=folder if rank == 0 else folder / "other", device=tiny.CPU, **kwargs):
            pass

    return work


def same_curves(folder: Path) -> None:
    for name, recipe in SAME.items():
        recipe = recipe.with_settings({"steps": 4})
        for size in (1, 2):
            place = folder / name / str(size)
            together(size, place / "told", play(recipe, place / "run"))


def stop_and_go_on(folder: Path) -> None:
    """The second of two is asked to stop after step 3 of 6; then two go on, or one alone does."""

    def stopped(rank: int) -> None:
        seen: list[Event] = []
        asked = lambda: rank == 1 and any(event.step == 3 for event in seen)  # noqa: E731
        place = folder / "run" if rank == 0 else folder / "other"
        for event in train(DROPOUT, run_dir=place, device=tiny.CPU, should_stop=asked):
            seen.append(event)

    together(2, folder / "whole-told", play(DROPOUT, folder / "whole"))
    together(2, folder / "stopped-told", stopped)
    copy = folder / "alone"
    subprocess.run(["cp", "-r", folder / "run", copy], check=True)
    together(2, folder / "resumed-told", play(DROPOUT, folder / "run", resume=True))
    together(1, folder / "alone-told", play(DROPOUT, copy, resume=True))


# dropout, RMSprop, batch norm: what a resume must bring back in both processes
DROPOUT = tiny.TINY["selu"].with_settings({"checkpoint_every": 100, "evaluate_every": 100})


def failures(folder: Path) -> None:
    def spoiled(rank: int, spoil: Callable[[Trainer], None]) -> None:
        before = Trainer.round

        def step(trainer: Trainer) -> None:
            if trainer.step == 2 and rank == 1:
                spoil(trainer)
            before(trainer)

        Trainer.round = step  # type: ignore[method-assign]
        play(tiny.DIGITS, folder / spoil.__name__)(rank)

    def vanished(_: Trainer) -> None:
        raise DataError("photo.jpg is gone; put it back")

    def killed(_: Trainer) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def infinite(trainer: Trainer) -> None:
        with torch.no_grad():
            next(trainer.generator.parameters()).fill_(math.inf)

    def alone_in_need(rank: int) -> None:
        if rank == 1:
            datasets.load = lambda *_: (_ for _ in ()).throw(DataError("tiny is nowhere; put it there"))  # type: ignore[assignment]
        play(tiny.DIGITS, folder / "start")(rank)

    def other_pictures(rank: int) -> None:
        if rank == 1:
            datasets.load = lambda *_: tiny.pictures(80, seed=7)  # type: ignore[assignment]
        play(tiny.DIGITS, folder / "pictures")(rank)

    def stuck(rank: int) -> None:
        """The leader waits for ever, as for a GPU, for the one that has failed."""
        distributed.GRACE = 0.1
        distributed.join().deaf = True
        Trainer.round = vanished if rank else lambda _: threading.Event().wait()  # type: ignore[method-assign,assignment]
        play(tiny.DIGITS, folder / "stuck")(rank)

    for spoil in (vanished, infinite):
        together(2, folder / f"{spoil.__name__}-told", lambda rank, spoil=spoil: spoiled(rank, spoil))
    (folder / "killed-told").mkdir(parents=True)
    (folder / "killed-told" / "1.json").write_text("{}")
    together(2, folder / "killed-told", lambda rank: spoiled(rank, killed))
    (folder / "stuck-told").mkdir()
    (folder / "stuck-told" / "0.json").write_text("{}")
    together(2, folder / "stuck-told", stuck)
    together(2, folder / "start-told", alone_in_need)
    together(2, folder / "pictures-told", other_pictures)
    uneven = tiny.DIGITS.with_settings({"batch_size": 15})
    together(2, folder / "uneven-told", play(uneven, folder / "uneven"))


def long_evaluation(folder: Path) -> None:
    """While the leader evaluates, no collective of the training may be waiting: its timeout is nothing then."""

    def work(rank: int) -> None:
        before = Team.tell

        def tell(team: Team, content: bytes = b"") -> bytes:
            dist.distributed_c10d._set_pg_timeout(timedelta(milliseconds=1))
            found = before(team, content)
            dist.distributed_c10d._set_pg_timeout(timedelta(minutes=30))
            return found

        Team.tell = tell  # type: ignore[method-assign]
        Digits.evaluate = lambda *_args, **_kwargs: time.sleep(0.3) or {"frechet": 1.0}  # type: ignore[method-assign,assignment,func-returns-value]
        # nothing gets better than at step 1, and that is enough: the leader alone knows the score
        recipe = tiny.DIGITS.with_settings({"evaluate_every": 1, "patience": 2, "features": "mnist-classifier"})
        play(recipe, folder / "run")(rank)

    together(2, folder / "told", work)


def typed(folder: Path) -> None:
    """The command line in two processes."""

    def command(*arguments: str) -> Callable[[int], None]:
        def work(rank: int) -> None:
            sys.argv = ["gandemo", *arguments]
            command_line.main()

        return work

    recipe = folder / "recipe.json"
    recipe.write_text(tiny.DIGITS.to_json())
    together(2, folder / "train-told", command("train", str(recipe), "--run-dir", str(folder / "run")))
    together(2, folder / "again-told", command("train", str(recipe), "--run-dir", str(folder / "run")))
    together(2, folder / "resume-told", command("resume", str(folder / "nowhere")))
    together(2, folder / "fork-told", command("fork", str(folder / "run"), "--run-dir", str(folder / "fork")))


SCENES = {scene.__name__: scene for scene in (same_curves, stop_and_go_on, failures, long_evaluation, typed)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scenes, a folder each."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked here")
    folder = tmp_path_factory.mktemp("played")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    environment |= {"GANDEMO_HOME": str(folder), "GANDEMO_DATA": str(folder / "data")}
    if LOOPBACK:
        environment["GLOO_SOCKET_IFNAME"] = LOOPBACK
    done = subprocess.run(
        [sys.executable, __file__, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]


def reports(run: Path) -> list[Progress]:
    return [event for event in events.read(run / "events.jsonl") if isinstance(event, Progress)]


def tensors(run: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(run / "state" / f"step-{step}" / "tensors.safetensors")


# --- the same as one --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAME)
def test_two_at_half_the_batch_are_one_with_the_whole(played: Path, name: str) -> None:
    one, two = (reports(played / "same_curves" / name / size / "run") for size in "12")
    assert [report.step for report in two] == [1, 2, 3, 4]
    for alone, both in zip(one, two, strict=True):
        assert both.losses == pytest.approx(alone.losses, rel=1e-3, abs=1e-4), alone.step
        assert both.samples == pytest.approx(alone.samples, rel=1e-3, abs=1e-3), alone.step
        # where a loss is blind to a bias, Adam makes whole steps of rounding errors
        assert both.signals == pytest.approx(alone.signals, rel=0.02, abs=0.01), alone.step
    assert max(abs(value) for report in one for value in report.losses.values()) > 0.01


@pytest.mark.parametrize("name", SAME)
def test_both_hold_the_same_to_the_last_bit(played: Path, name: str) -> None:
    """Weights, averages, running statistics and spectral norms, after each step."""
    first, second = told(played / "same_curves" / name / "2" / "told")
    assert (first["problem"], second["problem"]) == ("", "")
    assert len(set(first["digests"])) == 4
    assert first["digests"] == second["digests"]


def test_the_weights_are_those_of_one(played: Path) -> None:
    one, two = (tensors(played / "same_curves" / "plain" / size / "run", 4) for size in "12")
    fresh = build_generator(SAME["plain"])  # from another seed: how far apart weights may be
    for key, value in one.items():
        if key.startswith("network."):
            assert two[key] == pytest.approx(value, abs=1e-4), key
    name = next(iter(fresh.state_dict()))
    assert not torch.allclose(one[f"network.generator.{name}"], fresh.state_dict()[name], atol=1e-2)
    assert torch.equal(one["random.noise"], two["random.noise"])


def test_only_the_leader_writes(played: Path) -> None:
    run = played / "same_curves" / "digits" / "2" / "run"
    assert not (run / "other").exists()
    assert runs.summarise(run).state == "done"
    kinds = [event.kind for event in events.read(run / "events.jsonl")]
    assert kinds == [event.kind for event in events.read(run.parents[1] / "1" / "run" / "events.jsonl")]
    (started,) = [event for event in events.read(run / "events.jsonl") if isinstance(event, Started)]
    assert (started.processes, started.pictures) == (2, 80)
    checkpoint.load(run / "checkpoints" / "step-4").generator()


# --- stopped, and gone on ---------------------------------------------------------------------------------


def test_one_is_asked_and_both_stop(played: Path) -> None:
    scene = played / "stop_and_go_on"
    assert [each["problem"] for each in told(scene / "stopped-told")] == ["", ""]
    first, second = told(scene / "stopped-told")
    assert len(first["digests"]) == len(second["digests"]) == 3
    whole, _ = told(scene / "whole-told")
    assert first["digests"] == whole["digests"][:3]


def test_two_go_on_to_the_same_bits(played: Path) -> None:
    scene = played / "stop_and_go_on"
    first, second = told(scene / "resumed-told")
    assert (first["problem"], second["problem"]) == ("", "")
    assert first["digests"] == second["digests"] == told(scene / "whole-told")[0]["digests"][3:]
    one, other = tensors(scene / "whole", 6), tensors(scene / "run", 6)
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    last = [event for event in events.read(scene / "run" / "events.jsonl") if isinstance(event, Started)][-1]
    assert (last.step, last.resumed, last.remarks) == (3, True, [])


def test_one_goes_on_alone(played: Path) -> None:
    scene = played / "stop_and_go_on"
    assert told(scene / "alone-told")[0]["problem"] == ""
    assert runs.summarise(scene / "alone").state == "done"
    last = [event for event in events.read(scene / "alone" / "events.jsonl") if isinstance(event, Started)][-1]
    assert last.remarks == ["processes was 2, is 1"]


# --- what goes wrong in one -------------------------------------------------------------------------------


def test_an_error_in_one_ends_both(played: Path) -> None:
    scene = played / "failures"
    first, second = told(scene / "vanished-told")
    assert second["problem"] == "photo.jpg is gone; put it back"
    assert first["problem"] == f"process 1 of 2 failed: {second['problem']}"
    found = runs.summarise(scene / "vanished")
    assert (found.state, found.reason, found.step) == ("failed", first["problem"], 2)
    assert process.holder(scene / "vanished") is None


def test_a_killed_process_ends_both(played: Path) -> None:
    first = told(played / "failures" / "killed-told")[0]
    assert first["problem"].startswith("another process is gone (")
    assert first["problem"].endswith("); look at what it printed, then resume the run")
    assert runs.summarise(played / "failures" / "killed").state == "failed"


def test_a_leader_that_hears_nothing(played: Path) -> None:
    found = runs.summarise(played / "failures" / "stuck")
    assert (found.state, found.reason) == ("failed", "process 1 of 2 failed: photo.jpg is gone; put it back")
    assert told(played / "failures" / "stuck-told")[0] == {}  # it was ended


def test_what_diverges_in_one_stops_both_at_the_same_step(played: Path) -> None:
    first, second = told(played / "failures" / "infinite-told")
    assert first["problem"] == second["problem"]
    assert "at step 3: training diverged" in first["problem"]
    assert len(first["digests"]) == len(second["digests"]) == 2


def test_data_that_one_lacks(played: Path) -> None:
    first, second = told(played / "failures" / "start-told")
    assert second["problem"] == "tiny is nowhere; put it there"
    assert first["problem"] == f"process 1 of 2: {second['problem']}"
    assert not (played / "failures" / "start").exists()


def test_other_pictures_in_one(played: Path) -> None:
    first, second = told(played / "failures" / "pictures-told")
    assert second["problem"].startswith("other data, or another version, than process 0 has: the data set's content ")
    assert first["problem"] == f"process 1 of 2: {second['problem']}"


def test_a_batch_that_cannot_be_shared_out(played: Path) -> None:
    problem = "batch_size 15 can't be shared out evenly among 2 processes; make it a multiple of 2"
    assert [each["problem"] for each in told(played / "failures" / "uneven-told")] == [problem, problem]
    assert not (played / "failures" / "uneven").exists()


def test_a_long_evaluation_and_patience(played: Path) -> None:
    first, second = told(played / "long_evaluation" / "told")
    assert (first["problem"], second["problem"]) == ("", "")
    assert len(first["digests"]) == len(second["digests"]) == 3
    last = list(events.read(played / "long_evaluation" / "run" / "events.jsonl"))[-1]
    assert isinstance(last, Finished)
    assert last.reason == "no better frechet in 2 evaluations"


# --- the command line -------------------------------------------------------------------------------------


def test_only_the_leader_speaks(played: Path) -> None:
    first, second = told(played / "typed" / "train-told")
    assert first["said"].splitlines() == [f"done; the run is in {played / 'typed' / 'run'}"]
    assert (second["said"], first["problem"], second["problem"]) == ("", "status 0", "status 0")
    for what, words in (("again", "is not empty; resume it"), ("resume", "there is no run")):
        first, second = told(played / "typed" / f"{what}-told")
        assert first["said"].startswith("gandemo: ")
        assert words in first["said"]
        assert (second["said"], first["problem"], second["problem"]) == ("", "status 2", "status 2")
    assert runs.summarise(played / "typed" / "fork").state == "done"


@contextlib.contextmanager
def _torchrun(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    with subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, **({"GLOO_SOCKET_IFNAME": LOOPBACK} if LOOPBACK else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.terminate()


def test_torchrun_stops_saved(home: Path) -> None:
    """As people start it, and end it with Ctrl-C."""
    recipe = tiny.DIGITS.with_settings({"dataset": "mnist", "steps": 100_000, "evaluate_every": 50_000})
    (home / "recipe.json").write_text(recipe.to_json())
    run = home / "runs" / "mine"
    arguments = ("-m", "gandemo", "train", str(home / "recipe.json"), "--run-dir", str(run))
    with _torchrun(*arguments) as started:
        while not reports(run):
            assert started.poll() is None, started.communicate()
            time.sleep(0.1)
        started.send_signal(signal.SIGINT)
        out, err = started.communicate()
    found = runs.summarise(run)
    assert (found.state, found.reason) == ("stopped", ""), err
    assert [path.name for path in state.state_folders(run / "state")][:1] == [f"step-{found.step}"]
    assert out.splitlines() == [f"stopped at step {found.step:,} and saved; go on with: python -m gandemo resume mine"]


# --- in one process ---------------------------------------------------------------------------------------


def test_alone_nothing_is_shared() -> None:
    tensor = torch.ones(3)
    assert ALONE.mean(tensor) is tensor
    assert ALONE.average([tensor], tensor) is tensor
    assert ALONE.gather(tensor) is tensor
    assert ALONE.any(True)
    assert ALONE.tell(b"words") == b"words"
    trainer = Trainer(tiny.DIGITS, tiny.pictures(), tiny.CPU)
    assert not isinstance(trainer._batch(), Part)
    assert not [
        name for name, module in trainer.generator.named_modules() if type(module).__name__ == "SharedBatchNorm"
    ]


@pytest.mark.parametrize("pack", [1, 2])
def test_parts_make_up_the_batch(pack: int) -> None:
    trainer = Trainer(tiny.DIGITS, tiny.pictures(), tiny.CPU)
    batch = trainer._batch()
    parts = [Team(rank, 4).part(batch) for rank in range(4)]
    assert torch.equal(torch.cat([part.real for part in parts]), batch.real)
    assert torch.equal(torch.cat([part.labels for part in parts]), batch.labels)
    assert all(isinstance(part, Part) and part.whole is batch for part in parts)


class Twins(Team):
    """Two processes that always hold the same, played by one."""

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows, rows])

    def sum(self, values: torch.Tensor) -> None:
        values.mul_(2)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4, 5)])
def test_shared_batch_norm_is_that_of_the_whole(shape: tuple[int, ...]) -> None:
    """Output, running statistics, gradient, and the gradient of a gradient."""
    kind = torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d
    torch.manual_seed(0)
    plain, shared = (torch.nn.Sequential(kind(3, momentum=0.3)) for _ in range(2))
    share_batch_norm(shared, Twins(0, 2))
    assert plain.state_dict().keys() == shared.state_dict().keys()
    rows = torch.randn(shape)
    found = []
    for network, times in ((plain, 2), (shared, 1)):
        x = rows.repeat(times, *[1] * (len(shape) - 1)).requires_grad_()
        y = network(x)
        (slope,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.square().sum(), x)
        count = len(rows)
        running = [network.state_dict()[f"0.running_{name}"] for name in ("mean", "var")]
        found.append([y[:count], slope[:count], bend[:count], *running])
        network.eval()
        found[-1].append(network(rows))
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)


def test_shared_batch_norm_in_half_precision() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    share_batch_norm(network, Twins(0, 2))
    with torch.autocast("cpu", torch.bfloat16):
        output = network(torch.randn(4, 1, 6, 6))
    assert output.dtype == torch.bfloat16
    assert float(output.detach().float().mean().abs()) < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_in_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)
    recipe = tiny.DIGITS.with_settings({"precision": "auto"})
    told = list(train(recipe, run_dir=tmp_path / "run"))
    assert isinstance(told[0], Started)
    assert told[0].device.startswith("cuda")
    assert told[0].precision == ("bf16" if torch.cuda.is_bf16_supported() else "fp32")
    assert isinstance(told[-1], Finished)
    *_, last = train(recipe, run_dir=tmp_path / "again", should_stop=_after(3))
    assert (last.step, last.kind) == (3, "finished")
    *_, last = train(recipe, run_dir=tmp_path / "again", resume=True)
    assert last.step == 6


def _after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps))
    return lambda: next(left, None) is None


if __name__ == "__main__":
    torch.set_num_threads(1)
    tiny.add_dataset(pytest.MonkeyPatch())
    tiny_photos.add_dataset(pytest.MonkeyPatch())
    Trainer(tiny.DIGITS, tiny.pictures(), tiny.CPU)  # loads what torch loads at first use; no step before forks
    chosen = sys.argv[2:] or list(SCENES)
    for scene in chosen:
        place = Path(sys.argv[1]) / scene
        place.mkdir()
        began = time.perf_counter()
        SCENES[scene](place)
        print(scene, round(time.perf_counter() - began, 1), flush=True)
