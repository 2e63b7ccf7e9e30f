"""Pictures to train on from a data set's repository: only pictures and the csv that sorts them, or archives of both.

What may come is known and bounded before anything does. It lies in the folder of data sets then, named by its commit,
and is a folder like any other.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path, PurePosixPath
from threading import Lock

from huggingface_hub import RepoFile, RepoFolder
from huggingface_hub.errors import OfflineModeIsEnabled

from gandemo.data import images as im
from gandemo.data.archives import ARCHIVES, shown
from gandemo.data.own import MAX_UPLOAD, pulled_home
from gandemo.data.sources import MAX_ARCHIVES
from gandemo.data.whole import new_folder
from gandemo.errors import HubError
from gandemo.ship.hub.client import Hub, patience
from gandemo.ship.hub.ids import HubId
from gandemo.ship.hub.origins import ORIGIN, origin
from gandemo.ship.hub.pulling import Progress, commit_of, download_file

LISTED = 200_000  # files and folders that a repository may have
AT_ONCE = 8  # downloads
LONGEST = 200  # bytes of a file's or a folder's name
COMMIT = 16  # letters of it in a folder's name


@dataclass(frozen=True)
class Bounds:
    """The most that is fetched of one repository.

    Attributes:
        files: loose ones.
        size: bytes of all together.
    """

    files: int = 20_000
    size: int = MAX_UPLOAD


@dataclass(frozen=True)
class Pictures:
    """Pictures that came from the Hub.

    Attributes:
        path: the folder that they lie in.
        source: the repository.
        commit: the state of the repository that they are.
        cached: they were here already, and the Hub could not be reached.
        left_out: files that are too large for pictures.
    """

    path: Path
    source: HubId
    commit: str
    cached: bool = False
    left_out: tuple[str, ...] = ()


def pull_pictures(
    source: HubId, hub: Hub, *, progress: Progress | None = None, bounds: Bounds | None = None
) -> Pictures:
    """Fetches the pictures of a data set on the Hub; what is here of that commit is not fetched again.

    Args:
        source: the repository.
        hub: who asks.
        progress: hears of every part that has come.
        bounds: the most that may come.

    Raises:
        HubError: it can't be had, holds no pictures that can be read, or too many; or the disk is full.
    """
    bounds = bounds or Bounds()
    with hub.asking(f"datasets/{source}"):
        try:
            commit = commit_of(source, hub, repo_type="dataset")
            listed = _listed(source, commit, hub)
        except Exception as error:
            here = _here(source) if hub.offline and _is_unreachable(error) else None
            if here is None:
                raise
            return here
        files, left_out = _chosen(source, listed, bounds)
        path = pulled_home() / f"{source.repo.replace('/', '--')}--{commit[:COMMIT]}"
        if not path.is_dir():
            _lay(source, commit, files, path, hub, progress)
    return Pictures(path, source, commit, left_out=left_out)


def _is_unreachable(error: Exception) -> bool:
    return patience(error) is not None or isinstance(error, OfflineModeIsEnabled)


def _here(source: HubId) -> Pictures | None:
    """What was fetched of a repository before, the last first."""
    found = sorted(pulled_home().glob(f"{source.repo.replace('/', '--')}--*"), key=lambda path: -path.stat().st_mtime)
    for path in found:
        came = origin(path)
        if (came.get("repo"), came.get("revision")) == (source.repo, source.revision):
            return Pictures(path, source, str(came.get("commit", "")), cached=True)
    return None


def _listed(source: HubId, commit: str, hub: Hub) -> list[RepoFile]:
    def ask() -> list[RepoFile | RepoFolder]:
        tree = hub.api.list_repo_tree(source.repo, recursive=True, revision=commit, repo_type="dataset")
        return list(islice(tree, LISTED + 1))

    found = hub.patiently(ask)
    if len(found) > LISTED:
        raise HubError(f"{source} has more than {LISTED:,} files; choose a smaller one, or one that holds archives")
    return [entry for entry in found if isinstance(entry, RepoFile)]


def _chosen(source: HubId, listed: Iterable[RepoFile], bounds: Bounds) -> tuple[dict[str, RepoFile], tuple[str, ...]]:
    """The files to fetch by the names that they get here, and those that are too large.

    Where there are archives as well as loose pictures, the larger part is meant: few loose ones illustrate the card.
    """
    pictures: dict[str, RepoFile] = {}
    archives: list[RepoFile] = []
    tables: dict[str, RepoFile] = {}
    left_out, has_parquet = [], False
    for entry in listed:
        path = PurePosixPath(entry.path)
        ending = path.suffix.lower()
        has_parquet |= ending == ".parquet"
        is_archive = path.name.lower().endswith(ARCHIVES)
        if entry.size < 0 or any(part.startswith(".") and part != ".." for part in path.parts):
            continue
        if is_archive or ending == ".csv" or ending in im.SUFFIXES:
            _check_name(source, entry.path)
        if is_archive:
            archives.append(entry)
        elif ending == ".csv":
            tables[entry.path] = entry
        elif ending in im.SUFFIXES:
            if entry.size > im.MAX_BYTES:
                left_out.append(shown(entry.path))
            else:
                pictures[entry.path] = entry
    if not pictures and not archives:
        raise HubError(_nothing(source, has_parquet, left_out))
    if sum(entry.size for entry in archives) > sum(entry.size for entry in pictures.values()):
        found = _with_tables(source, archives, tables)
    else:
        found = {**pictures, **{path: entry for path, entry in tables.items() if "/" not in path}}
    size = sum(entry.size for entry in found.values())
    if len(found) > bounds.files:
        raise HubError(
            f"{source} has {len(found):,} pictures in single files; up to {bounds.files:,} are fetched, more in a zip"
        )
    if size > bounds.size:
        raise HubError(
            f"{source} holds {size / 1e6:,.0f} MB of pictures; up to {bounds.size / 1e6:,.0f} MB are fetched, so "
            "choose a smaller one"
        )
    return found, tuple(left_out)


def _with_tables(source: HubId, archives: Sequence[RepoFile], tables: Mapping[str, RepoFile]) -> dict[str, RepoFile]:
    """Archives, and each one's csv; of several those for all as well. A single one needs none of the folders around."""
    if len(archives) > MAX_ARCHIVES:
        raise HubError(
            f"{source} has {len(archives):,} archives; up to {MAX_ARCHIVES:,} are read together, so choose another one"
        )
    found = {entry.path: entry for entry in archives}
    beside = [entry.path.removesuffix(".gz") for entry in archives]
    names = [PurePosixPath(path).with_suffix(".csv").as_posix() for path in beside]
    found |= {name: tables[name] for name in names if name in tables}
    if len(archives) == 1:
        return {PurePosixPath(path).name: entry for path, entry in found.items()}
    return found | {path: entry for path, entry in tables.items() if "/" not in path}


def _nothing(source: HubId, has_parquet: bool, left_out: Sequence[str]) -> str:
    if has_parquet:
        return (
            f"{source} keeps its pictures in Parquet files, which are not read here; save them as picture files or a "
            "zip first, and name that"
        )
    if left_out:
        return f"{source}: {left_out[0]} is larger than the {im.MAX_BYTES >> 20} MB that a picture may have"
    return f"{source} holds no pictures; what is read there are PNG and JPEG files, or zips and tars of them"


def _check_name(source: HubId, name: str) -> None:
    """Refuses a name that would lead out of a folder, or could not be kept in one."""
    parts = name.split("/")
    is_odd = any(letter in "\\:" or not letter.isprintable() for letter in name)
    if is_odd or any(part in ("", ".", "..") or len(part.encode(errors="replace")) > LONGEST for part in parts):
        raise HubError(f"{source} has a file called {shown(name)!r}, which can't be kept here; choose another one")


def _lay(
    source: HubId, commit: str, files: dict[str, RepoFile], path: Path, hub: Hub, progress: Progress | None
) -> None:
    """Downloads files into a folder that is there with all of them or not at all."""
    total = sum(entry.size for entry in files.values())
    done = dict.fromkeys(files, 0)
    lock = Lock()

    def get(name: str, into: Path) -> None:
        def hear(count: int) -> None:
            with lock:
                done[name] = count
                if progress is not None:
                    progress(sum(done.values()), total)

        entry = files[name]
        came = download_file(source, commit, entry, hub, hear, repo_type="dataset", into=into / ".came")
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(came, target)
        hear(entry.size)

    with new_folder(path) as folder:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pictures") as pool:
            try:
                for _ in pool.map(get, files, repeat(folder)):
                    pass
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # nobody wants the rest
                raise
        shutil.rmtree(folder / ".came")
        came = {"repo": source.repo, "revision": source.revision, "commit": commit}
        (folder / ORIGIN).write_text(json.dumps(came, indent=2) + "\n", encoding="utf-8")
