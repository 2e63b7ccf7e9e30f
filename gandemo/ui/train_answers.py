"""What the tab Train asks the trainer to do: checked wishes in, plain values for the page out.

Importing it loads torch; the tab does so at first use, when the page is already up.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from gandemo import checkpoint, places
from gandemo.errors import RequestError, TrainingError, sentence_of
from gandemo.recipe import Recipe
from gandemo.training import estimate, forks, runs, storage, terms
from gandemo.training.manager import Manager, child_environment
from gandemo.ui import access, catalog, own_pictures, publications, train_form
from gandemo.ui.train_wishes import Wish, named, source_recipe, within_bounds

TICKETS = 256
FRESH = "*"  # begin anew, where a recipe names a checkpoint; no checkpoint is called so

_lock = threading.Lock()
_manager: Manager | None = None
_estimator: estimate.Estimator | None = None
_tickets: OrderedDict[str, str] = OrderedDict()


def manager() -> Manager:
    """The one manager of this server; it lets its children save and leave when the server ends."""
    global _manager
    with _lock:
        if _manager is None:
            _manager = Manager(disk=access.disk_limit())
            atexit.register(_manager.close)
        return _manager


def estimator() -> estimate.Estimator:
    """The one that measures what trainings will take."""
    global _estimator
    trainer = manager()
    with _lock:
        if _estimator is None:
            environment = child_environment(os.environ, trainer.threads)
            _estimator = estimate.Estimator((sys.executable, "-m", "gandemo"), environment, trainer.niceness)
            atexit.register(_estimator.close)
        return _estimator


# --- what can be trained ----------------------------------------------------------------------------------


def offer() -> dict[str, Any]:
    """What the form shows before anything is chosen."""
    manager()
    return {
        "tasks": [
            {"name": name, "title": title, "text": text, "recipes": train_form.recipes(name)}
            for name, title, text in train_form.TASKS
        ],
        "public": access.is_public(),
        "local": access.is_local(),
        "bounds": {**asdict(access.BOUNDS), "settings": None} if access.is_public() else None,
        "threads": manager().threads,
    }


def choices(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe or of a checkpoint, for the form; and what it may start from.

    Raises:
        GanDemoError: there is no such recipe or checkpoint.
    """
    source = values.get("source")
    recipe = source_recipe(str(source)) if source else named(values.get("recipe"))
    task = recipe.task
    return {
        "recipe": recipe.name,
        "task": task,
        "dataset": own_pictures.name_of(recipe.dataset),
        "dataset_title": train_form.title_of(recipe.dataset),
        "datasets": train_form.data(task),
        "begins": _begins(recipe),
        "missing": "" if forks.has_start(recipe) else recipe.init,
        "few": train_form.few(recipe),
        "drawer": train_form.drawer(recipe),
        "text": recipe.description,
        "from": recipe.source,
    }


def _begins(recipe: Recipe) -> list[dict[str, str]]:
    """What a training may begin with, the first by default: "" is as the recipe says, `FRESH` anew."""
    fresh = {"name": "" if not recipe.init else FRESH, "title": "fresh weights, from nothing"}
    if not recipe.init:
        return [fresh, *_starts(recipe)]
    own_start = [{"name": "", "title": f"{recipe.init}, as this design does"}] if forks.has_start(recipe) else []
    return [*own_start, *(start for start in _starts(recipe) if start["name"] != recipe.init), fresh]


def _starts(recipe: Recipe) -> list[dict[str, str]]:
    """Named checkpoints and those of runs whose networks are the recipe's own."""
    same = ["task", "generator", "classes", "latent"]
    if recipe.task in train_form.SMALL:
        same.append("image_size")  # photos of any size go through the same networks

    def fits(other: Recipe) -> bool:
        return all(getattr(other, key) == getattr(recipe, key) for key in same)

    named = [
        {"name": entry.name, "title": f"{entry.name}, {entry.dataset}"}
        for entry in catalog.entries(recipe.task)
        if fits(entry.recipe)
    ]
    of_runs = [
        {"name": run.id, "title": f"the best of {run.id}"}
        for run in runs.list_runs()
        if run.best_step is not None and fits(run.recipe)
    ]
    return [*named, *of_runs[:40]]


def own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Checks somebody's own pictures for the recipe that is chosen, and shows what it makes of them.

    Raises:
        GanDemoError: as `own_pictures.check`.
    """
    source = values.get("source")
    recipe = source_recipe(str(source)) if source else named(values.get("recipe"))
    return own_pictures.check(values, recipe)


def take(values: Mapping[str, Any]) -> dict[str, Any]:
    """How long a wish will train and what it will take, as far as that is known by now.

    Raises:
        GanDemoError: the wish can't be fulfilled.
    """
    wish = Wish.parse(values)
    answer = estimator().ask(wish.recipe)
    found = answer.estimate
    if found is None:
        return {"state": answer.state, "why": sentence_of(answer.why)}
    seconds = found.seconds(wish.recipe)
    limit = None if wish.minutes is None else 60 * wish.minutes
    return {
        "state": answer.state,
        "seconds": seconds if limit is None else min(seconds, limit),
        "cut": limit is not None and limit < seconds,
        "start": answer.start,
        "step": found.step,
        "images_per_second": found.images_per_second,
        "memory": found.memory,
        "disk": found.disk(wish.recipe),
        "parameters": found.parameters,
        "device": found.device,
        "beside": answer.beside,
    }


# --- what happens to runs ---------------------------------------------------------------------------------


def start(values: Mapping[str, Any]) -> dict[str, Any]:
    """Starts a training, or puts it into the queue; the same ticket is good for one run alone.

    Raises:
        GanDemoError: the wish can't be fulfilled.
    """
    return _once(values, lambda owner: _begin(Wish.parse(values), owner))


def _begin(wish: Wish, owner: str) -> runs.RunSummary:
    _check_queue()
    estimator().rest()  # the training wants the cores now
    recipe = _telling(wish.recipe)
    seconds = None if wish.minutes is None else 60 * wish.minutes
    return manager().start(recipe, init=wish.init, owner=owner, max_seconds=seconds)


def _check_queue() -> None:
    if access.is_public() and len(runs.waiting()) >= access.BOUNDS.waiting:
        raise TrainingError(f"{access.BOUNDS.waiting} runs wait already; try again when one of them has begun")


def _once(values: Mapping[str, Any], begin: Callable[[str], runs.RunSummary]) -> dict[str, Any]:
    owner = access.digest(values.get("owner"))
    ticket = str(values.get("ticket") or "")[:64]
    with _lock_of_tickets:
        if ticket and ticket in _tickets:
            return {"run": _tickets[ticket]}
        found = begin(owner)
        if ticket:
            _tickets[ticket] = found.id
            while len(_tickets) > TICKETS:
                _tickets.popitem(last=False)
    return {"run": found.id, "state": found.state}


_lock_of_tickets = threading.Lock()


def _telling(recipe: Recipe) -> Recipe:
    """The same training, told about once a second and shown often, where it was measured how fast it goes.

    None of these settings changes what is trained.
    """
    found = estimator().known(recipe)
    if found is None or found.step <= 0:
        return recipe
    pace = 1.0 / found.step  # steps a second
    shown = max(10.0, 20 * found.sheet)  # seconds between two sheets
    return recipe.with_settings(
        {
            "log_every": max(1, min(recipe.log_every, round(pace))),
            "sample_every": max(1, min(recipe.sample_every, round(shown * pace))),
        }
    )


def act(values: Mapping[str, Any]) -> dict[str, Any]:
    """Does something to a run: stop, end, resume, ask_delete, delete, fork, publish.

    Raises:
        GanDemoError: it can't be done, or not by this browser.
    """
    verb, name = values.get("verb"), str(values.get("run"))
    if not isinstance(verb, str) or verb not in _VERBS:
        raise RequestError(f"there is nothing called {str(verb)[:40]!r} to do; choose one of {', '.join(_VERBS)}")
    folder = runs.runs_home() / name
    if not checkpoint.NAME.match(name) or not (folder / "recipe.json").is_file():
        raise RequestError(f"there is no run {name[:60]!r} any more; choose another")
    act_on, is_owners = _VERBS[verb]
    if is_owners and not access.may_change(terms.read(folder).owner, values.get("owner")):
        raise RequestError("this run was started in another browser, and only that one may do this")
    return act_on(name, values)


def _stop(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found = runs.summarise(runs.find_run(run))
    if found.state not in (*runs.ACTIVE, "queued"):
        return {"says": f"{run} is {found.state} already"}  # somebody else was faster
    return {"says": manager().stop(run)}


def _end(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"says": manager().stop(run, now=True)}


def _resume(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if runs.summarise(runs.find_run(run)).state in runs.ACTIVE:
        return {"says": f"{run} is training already"}
    _check_queue()
    found = manager().resume(run)
    return {"says": f"{run} goes on" if found.state != "queued" else f"{run} waits in the queue"}


def _ask_delete(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    asked = manager().ask_to_delete(run)
    return {"question": asked.question, "token": asked.token}


def _delete(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    manager().delete(run, str(values.get("token")))
    return {"says": f"{run} is deleted"}


def _fork_run(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A fork as the form or the doctor wants it; `refused` takes the recipe of a run that could not be resumed."""
    if values.get("refused"):
        return _once(values, lambda owner: _begin_refused(run, owner))
    step = str(values.get("checkpoint") or "")
    wish = {
        "source": f"{run}/{step}" if step else run,
        "settings": values.get("settings"),
        "anew": values.get("anew"),
        "minutes": values.get("minutes"),
    }
    return _once(values, lambda owner: _begin(Wish.parse(wish), owner))


def _begin_refused(run: str, owner: str) -> runs.RunSummary:
    found = runs.summarise(runs.find_run(run))
    if not found.differences:
        raise RequestError(f"{run} can go on as it is; resume it")
    _check_queue()
    minutes = within_bounds(found.recipe, None) if access.is_public() else None
    return manager().fork_refused(run, owner=owner, max_seconds=None if minutes is None else 60 * minutes)


def _publish(run: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if access.is_public():
        raise RequestError("on a public server nothing is laid into checkpoints/; use the run's checkpoint as it is")
    step = str(values.get("checkpoint") or "best")
    if catalog.of_run(f"{run}/{step}") is None:
        raise RequestError(f"{run} has no checkpoint {step[:60]!r} any more; choose another")
    name = str(values.get("name") or "").strip()
    publications.begin(f"{run}/{step}", name, replace=bool(values.get("replace")), environment=_environment())
    return {"says": f"{run}/{step} is being measured on test pictures, then it is in checkpoints/{name}"}


def _environment() -> dict[str, str]:
    return child_environment(os.environ, manager().threads)


_VERBS: dict[str, tuple[Callable[[str, Mapping[str, Any]], dict[str, Any]], bool]] = {
    # what is done, and whether only the owner may
    "stop": (_stop, True),
    "end": (_end, True),
    "resume": (_resume, True),
    "ask_delete": (_ask_delete, True),
    "delete": (_delete, True),
    "fork": (_fork_run, False),
    "publish": (_publish, True),
}


def room(values: Mapping[str, Any]) -> dict[str, Any]:
    """How much all runs take on the disk, and how much they may; sets the bound if one is given.

    Args:
        values: {} to ask, {"limit": GB, or None for as much as there is} to set; older states go at once if they must.

    Returns:
        {"taken", "limit", "free"} in bytes; the limit may be None.

    Raises:
        GanDemoError: it is no bound, or not this visitor's to set.
    """
    if "limit" in values:
        if access.is_public():
            raise RequestError("on a public server the bound is not a visitor's to set")
        storage.set_disk_limit(_gigabytes(values["limit"]))
        taken = storage.tidy()
    else:
        taken = places.size(runs.runs_home())
    there = next(path for path in (runs.runs_home(), *runs.runs_home().absolute().parents) if path.exists())
    return {"taken": taken, "limit": storage.disk_limit(access.disk_limit()), "free": shutil.disk_usage(there).free}


def _gigabytes(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 10**6:
        raise RequestError(f"the bound must be a number of GB above 0, got {str(value)[:40]}")
    return round(value * 1e9)


def verbs(run: runs.RunSummary, *, mine: bool, has_checkpoint: bool) -> list[str]:
    """What a browser can do to a run now; the page shows a button for each."""
    found = []
    if mine:
        if run.state in ("queued", "starting", "running"):
            found.append("stop")
        if run.state == "stopping":
            found.append("end")
        if run.state in ("stopped", "interrupted", "failed"):
            found.append("resume")
    found.append("fork")
    if has_checkpoint:
        found.append("use")
        if not access.is_public():
            found.append("publish")
    if mine and run.state not in runs.ACTIVE:
        found.append("delete")
    return found
