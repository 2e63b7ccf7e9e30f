"""A checkpoint from a repository: only its own files, their sizes known beforehand, verified before anything uses them.

`fetch` leaves it in the cache of `huggingface_hub`; `pull` also lays it into `GANDEMO_HOME`, where every list finds it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import RepoFile, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import OfflineModeIsEnabled
from tqdm import tqdm

from gandemo import checkpoint, places
from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, GanDemoError, HubError, RequestError
from gandemo.ship.export import making
from gandemo.ship.hub.client import LOOKS, Hub, patience
from gandemo.ship.hub.ids import HubId
from gandemo.ship.hub.origins import ORIGIN, VISITOR, origin
from gandemo.ship.hub.verify import FILES, NEEDED, verify

LISTED = "GANDEMO_CHECKPOINTS"
Progress = Callable[[int, int], None]  # bytes done, bytes in all

_laying = threading.Lock()


@dataclass(frozen=True)
class Pulled:
    """A checkpoint that came from the Hub.

    Attributes:
        checkpoint: verified.
        source: the repository.
        commit: the state of the repository that it is.
        cached: it came from the cache, since the Hub could not be reached.
    """

    checkpoint: Checkpoint
    source: HubId
    commit: str
    cached: bool


def fetch(source: HubId, hub: Hub, progress: Progress | None = None, bounds: Mapping[str, int] = FILES) -> Pulled:
    """Downloads a checkpoint into the cache and verifies it there.

    Args:
        source: the repository.
        hub: who asks.
        progress: hears of every part that has come.
        bounds: the most bytes of each file.

    Raises:
        HubError: the repository can't be had, or one of its files is too large.
        CheckpointError: what is in it is no checkpoint, or not what its recipe says.
    """
    with hub.asking(str(source)):
        commit = commit_of(source, hub)
        kept = _from_cache(source, commit, hub) if hub.offline else {}
        may_rest = set(NEEDED) <= set(kept)
        try:
            listed = _listed(source, commit, hub, bounds, attempts=1 if may_rest else LOOKS)
        except Exception as error:
            unreachable = patience(error) is not None or isinstance(error, OfflineModeIsEnabled)
            if not may_rest or not unreachable:
                raise
            files, cached = kept, True
        else:
            files, cached = _download(source, commit, listed, hub, progress), False
    folder = files["recipe.json"].parent
    found = _verified(folder, source)
    return Pulled(replace(found, title=str(source)), source, commit, cached)


def pull(
    source: HubId,
    hub: Hub,
    *,
    name: str = "",
    root: Path | None = None,
    progress: Progress | None = None,
    bounds: Mapping[str, int] = FILES,
    note: Mapping[str, str] | None = None,
) -> Pulled:
    """Downloads a checkpoint, verifies it, and lays it where every list of checkpoints finds it.

    Args:
        source: the repository.
        hub: who asks.
        name: of the folder; default: `USER--REPO`, which no other repository's is.
        root: the folder to put it in; default: `checkpoints` in `GANDEMO_HOME`.
        progress: hears of every part that has come.
        bounds: the most bytes of each file.
        note: what else is kept of where it came from.

    Raises:
        HubError: the repository can't be had, or one of its files is too large.
        CheckpointError: what is in it is no checkpoint, or not what its recipe says; or the disk is full.
        RequestError: the name is no good, or belongs to a checkpoint that came from elsewhere.
    """
    name = name or source.folder
    if not checkpoint.NAME.match(name):
        raise RequestError(f"{name!r} is no name for a checkpoint; {_with_name(source)}")
    path = (root or places.home() / "checkpoints") / name
    _check_free(path, source)
    pulled = fetch(source, hub, progress, bounds)
    came_from = {"repo": source.repo, "revision": source.revision, "commit": pulled.commit, **(note or {})}
    with _laying:
        _check_free(path, source)
        with checkpoint.new_folder(path) as folder:
            for file in FILES:
                if (pulled.checkpoint.path / file).is_file():
                    shutil.copyfile(pulled.checkpoint.path / file, folder / file)
            (folder / ORIGIN).write_text(json.dumps(came_from, indent=2) + "\n", encoding="utf-8")
            making.take_over(path, folder)
    return replace(pulled, checkpoint=checkpoint.load(path))


def pull_listed(text: str | None = None, hub: Hub | None = None) -> Iterator[str]:
    """Pulls what `GANDEMO_CHECKPOINTS` lists and is not here yet; says a sentence about each.

    Args:
        text: `USER/REPO,USER/REPO@REVISION`; names without a slash are checkpoints that are here anyway.
        hub: who asks.
    """
    wanted = [part.strip() for part in (os.environ.get(LISTED, "") if text is None else text).split(",")]
    for part in wanted:
        if "/" not in part:
            continue
        try:
            source = HubId.parse(part)
            here = places.home() / "checkpoints" / source.folder
            if here.is_dir() and origin(here).get("by") != VISITOR:  # a visitor's becomes the owner's
                continue
            pulled = pull(source, hub or Hub())
            yield f"pulled {source} as {pulled.checkpoint.name}"
        except GanDemoError as error:
            yield f"{part[:120]} was not pulled: {error}"


@contextmanager
def passing_cache(hub: Hub) -> Iterator[Hub]:
    """The same asker with a cache of its own that is gone afterwards: it finds nothing of others and leaves nothing."""
    with tempfile.TemporaryDirectory(prefix="gandemo-pull-") as folder:
        yield replace(hub, cache=Path(folder), offline=False)


def _check_free(path: Path, source: HubId) -> None:
    """A pull renews what it laid down itself, and touches nothing else."""
    if not path.exists():
        return
    before = origin(path)
    # two revisions whose names differ in a slash alone come to the same folder
    other = path.name == source.folder and before.get("revision", "") != source.revision
    if before.get("repo") != source.repo or other:
        raise RequestError(
            f"there is a checkpoint {path.name} here already that did not come from {source}; {_with_name(source)}"
        )


def _with_name(source: HubId) -> str:
    return f"give it another one: python -m gandemo pull {source} --name NAME"


def commit_of(source: HubId, hub: Hub, repo_type: str | None = None) -> str:
    """The commit that the revision is now, or was when the Hub could be reached last: all files are of this one."""
    found = hub.patiently(
        lambda: hub.api.resolve_revision(
            source.repo, repo_type=repo_type, revision=source.revision or None, cache_dir=hub.cache
        )
    )
    return found.resolved


def _listed(source: HubId, commit: str, hub: Hub, bounds: Mapping[str, int], attempts: int) -> dict[str, RepoFile]:
    """The checkpoint's files in the repository, by name; asked for by name, so that no other is ever heard of."""
    answer = hub.patiently(lambda: hub.api.get_paths_info(source.repo, list(FILES), revision=commit), attempts=attempts)
    found = {file.path: file for file in answer if isinstance(file, RepoFile) and file.path in FILES}
    if missing := [name for name in NEEDED if name not in found]:
        raise HubError(f"{source} is no checkpoint of gandemo: it has no {missing[0]}; choose another repository")
    for name, file in found.items():
        if not 0 <= file.size <= bounds[name]:
            size, bound = file.size / 1e6, bounds[name] / 1e6
            raise HubError(f"{source}: {name} is {size:,.1f} MB, more than the {bound:,.1f} MB that one may be")
    return found


def _download(
    source: HubId, commit: str, listed: dict[str, RepoFile], hub: Hub, progress: Progress | None
) -> dict[str, Path]:
    total = sum(file.size for file in listed.values())
    done = 0
    files = {}
    # what a checkpoint can't do without comes last: one that broke off is not taken for a whole one later
    for name, entry in sorted(listed.items(), key=lambda item: item[0] in NEEDED):
        before = done

        def hear(count: int, before: int = before) -> None:
            if progress is not None:
                progress(before + count, total)

        files[name] = download_file(source, commit, entry, hub, hear)
        done += entry.size
    if progress is not None:
        progress(total, total)
    return files


def download_file(
    source: HubId,
    commit: str,
    entry: RepoFile,
    hub: Hub,
    hear: Callable[[int], Any],
    *,
    repo_type: str | None = None,
    into: Path | None = None,
) -> Path:
    """One file of a repository, as large as was told and undamaged.

    Args:
        source: the repository.
        commit: the state that is meant.
        entry: what the Hub told of the file.
        hub: who asks.
        hear: hears how many bytes of it have come.
        repo_type: as the library calls it; None: a model's.
        into: a folder to put it in, below its name in the repository; None: the cache.

    Raises:
        HubError: it came damaged, twice, or larger than was told.
    """
    get = partial(
        hf_hub_download,
        source.repo,
        entry.path,
        repo_type=repo_type,
        revision=commit,
        cache_dir=hub.cache,
        local_dir=into,
        endpoint=hub.api.endpoint,
        token=hub.token or False,
        library_name="gandemo",
        tqdm_class=_counter(entry.path, entry.size, hear),
    )
    file = Path(hub.patiently(get))
    if not _is_whole(file, entry):
        file = Path(hub.patiently(partial(get, force_download=True)))
        if not _is_whole(file, entry):
            raise HubError(f"{source}: {entry.path} came damaged, twice; try again later")
    return file


def _is_whole(file: Path, entry: RepoFile) -> bool:
    """The size that was announced, and the digest, where the Hub tells one."""
    if file.stat().st_size != entry.size:
        return False
    if entry.lfs is None:
        return True
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while part := stream.read(2**20):
            digest.update(part)
    return digest.hexdigest() == entry.lfs.sha256


def _counter(name: str, bound: int, hear: Callable[[int], Any]) -> type[tqdm]:
    """What the library takes for a progress bar: counts the bytes, and ends a download that exceeds what was told."""

    class Counter(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(disable=True)
            self.count = int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.count += int(n or 0)
            if self.count > bound:
                raise HubError(f"{name} turned out larger than the Hub had told; nothing of it was kept")
            hear(self.count)

        def update_transfer(self, n: float | None = 1) -> None:
            """Bytes on the line, before they are put together: not counted."""

    return Counter


def _from_cache(source: HubId, commit: str, hub: Hub) -> dict[str, Path]:
    files = {}
    for name in FILES:
        found = try_to_load_from_cache(source.repo, name, cache_dir=hub.cache, revision=commit)
        if isinstance(found, str):
            files[name] = Path(found)
    return files


def _verified(folder: Path, source: HubId) -> Checkpoint:
    try:
        return verify(folder)
    except CheckpointError as error:
        raise CheckpointError(f"{source} can't be used: {error}".replace(f"{folder}/", "")) from None
