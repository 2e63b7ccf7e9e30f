"""The manager: starts trainings as processes of their own, one after the other, and ends them in good order.

It keeps nothing to itself that a run folder or the queue does not tell: when it dies, its children save and leave, and
the next manager goes on with the queue.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from gandemo import checkpoint, places
from gandemo.data.datasets import data_home
from gandemo.errors import CheckpointError, GanDemoError, TrainingError
from gandemo.recipe import Recipe
from gandemo.training import events, forks, process, runs, state, storage, terms

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
MIN_FREE = 200 * 10**6  # bytes on the disk below which no run is started
_SECRET = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_?KEY)S?(_|$)", re.IGNORECASE)
_MANAGED = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"}


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    folder: Path
    told: int
    asked: float | None = None  # when it was asked to stop, by the monotonic clock
    terminated: bool = False


class Manager:
    """Starts, queues, stops, resumes and deletes runs. Calls may come from several threads.

    Several managers, in servers of their own, may share one GANDEMO_HOME: a run is started once.
    """

    def __init__(
        self,
        *,
        at_once: int = 1,
        threads: int | None = None,
        niceness: int = 10,
        grace: float = 120.0,
        command: Sequence[str] = (sys.executable, "-m", "gandemo"),
        disk: int | None = None,
    ) -> None:
        """Starts to look after the queue.

        Args:
            at_once: how many runs train at a time; the others wait.
            threads: of each; default: all processor cores but one, so that the rest of the page stays quick.
            niceness: how far the priority of a run is lowered.
            grace: seconds from the wish to stop to SIGTERM, and again as many to SIGKILL; an evaluation may take long.
            command: what runs gandemo.
            disk: bytes that all runs may take where nobody has set a bound; None: as many as there are.
        """
        self.disk = disk
        self.at_once, self.grace, self.niceness, self.command = at_once, grace, niceness, list(command)
        self.threads = threads or max(1, runs.cores() - 1)
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._next_look_at_the_disk = 0.0
        self._thread = threading.Thread(target=self._watch, name="runs", daemon=True)
        self._thread.start()

    def __enter__(self) -> Manager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what a person can ask for ------------------------------------------------------------------------

    def start(
        self,
        recipe: Recipe,
        *,
        init: str | Path | None = None,
        owner: str = "",
        max_seconds: float | None = None,
    ) -> runs.RunSummary:
        """A new run: it trains as soon as there is room, and waits until then.

        Args:
            recipe: what to train.
            init: a checkpoint to start from, as `checkpoint.resolve` takes it: a fork of a run, or fine-tuning.
            owner: whose run it is, as `terms.Terms` has it.
            max_seconds: of training in one go; then it is stopped, and can be resumed.

        Raises:
            GanDemoError: there is no such checkpoint, or no room on the disk.
        """
        source = None if init is None else checkpoint.resolve(init).path
        self._check_disk()
        folder = runs.new_run_dir(recipe).absolute()
        runs.lay_out(folder, recipe, source, owner=owner, max_seconds=max_seconds)
        return self._enqueue(folder)

    def fork(self, source: str, settings: Mapping[str, Any] | None = None, *, anew: bool = False) -> runs.RunSummary:
        """A new run from any checkpoint of any run, with some settings changed; see `forks.plan`.

        Raises:
            GanDemoError: there is no such checkpoint, a setting is wrong, the weights no longer fit, or no room.
        """
        planned = forks.plan(source, settings, anew=anew)
        return self.start(planned.recipe, init=None if planned.init is None else planned.init.path)

    def fork_refused(self, run: str, *, owner: str = "", max_seconds: float | None = None) -> runs.RunSummary:
        """A new run where a resume was refused: the run's recipe as it is now, from its last weights, if it has any.

        The terms are those of `start`.

        Raises:
            GanDemoError: there is no such run, its weights no longer fit, or no room.
        """
        folder = self._own(run)
        recipe = Recipe.from_file(folder / "recipe.json")
        saved = state.state_folders(folder / "checkpoints")
        if saved:
            forks.check_fits(recipe, checkpoint.load(saved[0]))
        return self.start(recipe, init=saved[0] if saved else None, owner=owner, max_seconds=max_seconds)

    def resume(self, run: str) -> runs.RunSummary:
        """Goes on with a run that was stopped, interrupted or failed; asking twice does no harm.

        Raises:
            GanDemoError: there is no such run, it is running or done, or there is no room on the disk.
        """
        folder = self._own(run)
        found = runs.summarise(folder)
        if found.state == "queued":
            return found
        if found.state in runs.ACTIVE:
            raise TrainingError(f"{found.id} is {found.state} already")
        if found.state == "done":
            raise TrainingError(f"{found.id} is done; to train on, fork it: start a new run from its last checkpoint")
        self._check_disk()
        return self._enqueue(folder)

    def stop(self, run: str, *, now: bool = False) -> str:
        """Asks a run to save and leave; if it does not, it is ended after a while.

        Args:
            run: its id.
            now: end it at once, without saving; it can still be resumed from its last saved state.

        Returns:
            What happens now, as a sentence.

        Raises:
            GanDemoError: there is no such run, or it is not running.
        """
        folder = runs.find_run(run).absolute()
        said = runs.stop(folder)
        if process.holder(folder) is None:
            return said
        with self._lock:
            child = self._children.get(folder.name)
            if child is not None and child.folder == folder:
                child.asked = time.monotonic() if child.asked is None else child.asked
                if now:
                    child.process.kill()
                else:
                    with suppress(OSError):
                        assert child.process.stdin is not None
                        child.process.stdin.write(b"stop\n")
                        child.process.stdin.flush()
            elif now:
                process.kill(folder)
        return f"{folder.name} was ended without saving" if now else said

    def ask_to_delete(self, run: str) -> storage.Deletion:
        """What deleting a run takes away, and the token that `delete` wants.

        Raises:
            GanDemoError: there is no such run, or it is running.
        """
        return storage.ask_to_delete(self._own(run))

    def delete(self, run: str, token: str) -> None:
        """Deletes a run for good.

        Raises:
            GanDemoError: there is no such run, it is running, or it has changed since it was asked for.
        """
        storage.delete(self._own(run), token)

    def close(self, seconds: float = 60.0) -> None:
        """Lets all children save and leave, and waits for them; what waits in the queue stays there."""
        with self._lock:
            self._closed = True
            children = list(self._children.values())
            for child in children:
                with suppress(OSError):
                    assert child.process.stdin is not None
                    child.process.stdin.close()
        self._wake.set()
        self._thread.join()
        deadline = time.monotonic() + seconds
        for child in children:
            for end in (None, child.process.terminate, child.process.kill):
                if end is not None:
                    end()
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(1.0, deadline - time.monotonic()))
                    break
            self._bury(child)
        self._children.clear()

    def _own(self, run: str) -> Path:
        """The folder of a run by its id: no path of somebody else's making is trained in or deleted."""
        if not checkpoint.NAME.match(run):
            raise CheckpointError(f"{run!r} is no id of a run")
        return runs.find_run(str(runs.runs_home() / run)).absolute()

    def _enqueue(self, folder: Path) -> runs.RunSummary:
        with runs.alone():
            queue = runs.waiting()
            if folder.name not in queue and process.holder(folder) is None:
                runs.write_queue([*queue, folder.name])
        self._launch()
        return runs.summarise(folder)

    def _check_disk(self) -> None:
        home = runs.runs_home()
        with suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            free = shutil.disk_usage(home).free
            if free < MIN_FREE:
                raise TrainingError(f"only {free / 1e6:,.0f} MB are free on the disk of {home}; free some space first")
        limit = storage.disk_limit(self.disk)
        if limit is not None and (taken := storage.tidy(limit)) > limit:
            raise TrainingError(
                f"the runs take {taken / 1e9:.2f} GB of the {limit / 1e9:.2f} GB allowed; delete one or raise the bound"
            )

    # --- what happens meanwhile ---------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closed:
            with suppress(GanDemoError, OSError):  # a full or busy disk now need not be one in a moment
                self._look()
            self._wake.wait(0.2)
            self._wake.clear()

    def _look(self) -> None:
        with self._lock:
            for name, child in list(self._children.items()):
                if child.process.poll() is not None:
                    del self._children[name]
                    self._bury(child)
                else:
                    self._press(child)
        self._launch()
        self._watch_the_disk()

    def _press(self, child: _Child) -> None:
        """Ends a child that was asked to stop and does not."""
        if child.asked is None and process.stop_requested(child.folder):
            child.asked = time.monotonic()  # somebody asked by the folder
        if child.asked is None:
            return
        waited = time.monotonic() - child.asked
        if waited > 2 * self.grace:
            child.process.kill()
        elif waited > self.grace and not child.terminated:
            child.terminated = True
            child.process.terminate()

    def _bury(self, child: _Child) -> None:
        """Writes the cause into the folder of a child that ended with an error and could not tell it itself."""
        if child.process.stdin is not None:
            with suppress(OSError):
                child.process.stdin.close()
        status = child.process.returncode
        known = events.outline(child.folder / "events.jsonl")
        told = known.finished is not None and known.finished[1] >= child.told
        if status is None or status <= 0 or told:
            return  # it said so itself, or was killed: that is an interrupted run, which can go on
        if process.holder(child.folder) is not None:
            return  # another process was faster; it is its run
        lines = [line for line in runs.log_tail(child.folder).splitlines() if line.strip()]
        reason = lines[-1].removeprefix("gandemo: ") if lines else f"its process ended with status {status}"
        runs.note_failure(child.folder, reason)

    def _launch(self) -> None:
        """Starts what waits, while there is room."""
        if self._closed or not runs.waiting():
            return
        with self._lock:
            if len(self._children) >= self.at_once:
                return
        with self._lock, runs.alone():
            queue = runs.waiting()
            while queue and not self._closed:
                # others count as well: a training at the command line, the child of a second server
                if sum(process.holder(claim.parent) is not None for claim in _claims()) >= self.at_once:
                    return
                folder = runs.runs_home().absolute() / queue.pop(0)
                runs.write_queue(queue)
                if (folder / "recipe.json").is_file() and process.holder(folder) is None:
                    self._spawn(folder)

    def _spawn(self, folder: Path) -> None:
        try:
            agreed = terms.read(folder)
        except CheckpointError as error:
            runs.note_failure(folder, str(error))
            return
        told, threads = _size(folder / "events.jsonl"), self.threads
        if runs.has_begun(folder):
            verb = ["resume", str(folder)]
            threads = runs.threads_of(folder) or threads  # other threads, other bits
        else:
            verb = ["train", str(folder / "recipe.json"), "--run-dir", str(folder)]
            if (init := runs.init_path(folder)) is not None:
                verb += ["--init", str(init)]
        options = ["--threads", str(threads), "--leash", str(self.niceness)]
        if agreed.max_seconds is not None:
            options += ["--max-seconds", str(agreed.max_seconds)]
        on_windows = sys.platform == "win32"  # there: a group of its own, of lower priority
        try:
            with (folder / "log.txt").open("ab") as log:
                child = subprocess.Popen(  # a session of its own: Ctrl-C at the server must not reach it as well
                    [*self.command, *verb, *options],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=child_environment(os.environ, threads),
                    start_new_session=not on_windows,
                    creationflags=0x4200 if on_windows else 0,
                )
            self._children[folder.name] = _Child(child, folder, told)
            process.write_claim(folder, child.pid, told=told)
        except OSError as error:
            runs.note_failure(folder, f"its process could not be started: {error.strerror}")

    def _watch_the_disk(self) -> None:
        """Stops what trains when all runs have outgrown the bound and nothing else can go."""
        now = time.monotonic()
        if now < self._next_look_at_the_disk or not self._children:
            return
        self._next_look_at_the_disk = now + 15.0
        limit = storage.disk_limit(self.disk)
        if limit is None or (taken := storage.tidy(limit)) <= limit:
            return
        for child in self._children.values():
            if not process.stop_requested(child.folder):
                process.request_stop(
                    child.folder,
                    f"the runs take {taken / 1e9:.2f} GB of the {limit / 1e9:.2f} GB allowed; delete one or raise the "
                    "bound, then resume",
                )


def child_environment(environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a child is told: everything but secrets, where home and data are, and how many threads it may have."""
    kept = {name: value for name, value in environment.items() if not _SECRET.search(name)}
    paths = [str(PACKAGE_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **kept,
        **dict.fromkeys(_MANAGED, str(threads)),
        "GANDEMO_HOME": str(places.home().absolute()),
        "GANDEMO_DATA": str(data_home().absolute()),
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }


def _claims() -> list[Path]:
    return list(runs.runs_home().glob(f"[!.]*/{process.CLAIM}"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
