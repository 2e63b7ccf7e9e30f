"""A checkpoint as a model repository: only what changed is sent, and all appears in one commit or nothing does."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2 as httpx  # the one that huggingface_hub asks with
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, RepoFile
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from gandemo.checkpoint import FAITHFUL, Checkpoint
from gandemo.errors import HubError, RequestError
from gandemo.ship.hub.client import ATTEMPTS, NO_TOKEN, Hub, causes, patience
from gandemo.ship.hub.describe import example, readme
from gandemo.ship.hub.ids import HubId
from gandemo.ship.provenance import without_path

Progress = Callable[[int, int], None]  # bytes done, bytes in all

# What a checkpoint folder may hold for others; anything else in it stays here.
_OWN = (
    "recipe.json",
    "generator.safetensors",
    FAITHFUL,
    "discriminator.safetensors",
    "metrics.json",
    "preview.png",
)
_EXPORTS = "exports"
_MOST_EXPORTS = 200
_LARGE = 2**19  # bytes; smaller files are sent together


@dataclass(frozen=True)
class Pushed:
    """What came of a push.

    Attributes:
        url: the repository's page.
        commit: its state now.
        sent: the files that were new or changed, by name.
        removed: those that were of a former push and are no more.
        files: how many files the checkpoint has in all.
        private: whether others can see it.
        created: whether the repository is new.
    """

    url: str
    commit: str
    sent: tuple[str, ...]
    removed: tuple[str, ...]
    files: int
    private: bool
    created: bool


def push(
    source: Checkpoint,
    repo: str,
    hub: Hub,
    *,
    private: bool = False,
    base: str = "",
    message: str = "",
    progress: Progress | None = None,
) -> Pushed:
    """Makes a model repository of a checkpoint, or renews it.

    Args:
        source: the checkpoint; its weights are read once more before they leave.
        repo: `USER/REPO`; made if it is not there.
        hub: who asks.
        private: nobody else may see it; a repository that others see already is refused.
        base: `USER/REPO` that it was fine-tuned from, where the checkpoint itself can't tell.
        message: of the commit.
        progress: hears of every file that has been sent.

    Raises:
        HubError: the Hub can't be reached or refuses; what was there before is there still.
        CheckpointError: the weights are damaged.
        RequestError: the name is none that the Hub allows.
    """
    target = target_of(repo, hub)
    if base:
        base = HubId.parse(base).repo
    source.generator()  # what is damaged does not leave
    source.discriminator()
    if source.has_faithful:
        source.faithful()
    with _staged(source, target, base) as files:
        return commit(
            files,
            target,
            hub,
            private=private,
            message=message or f"{source.name}, by gandemo",
            progress=progress,
        )


def target_of(repo: str, hub: Hub, kind: str = "model") -> str:
    """The repository `USER/REPO` that a push goes to.

    Raises:
        HubError: nobody's token asks.
        RequestError: the name is none that the Hub allows, names a revision, or is something else's address.
    """
    target = HubId.parse(repo, kind)
    if target.revision:
        raise RequestError(f"a push goes to the main branch; leave out @{target.revision}")
    if hub.token is None:
        raise HubError(NO_TOKEN)
    return target.repo


def commit(
    files: Mapping[str, Path],
    repo: str,
    hub: Hub,
    *,
    kind: str = "model",
    private: bool,
    message: str,
    owned: tuple[str, ...] = (_EXPORTS,),
    progress: Progress | None = None,
) -> Pushed:
    """Brings a repository to hold these files, in one commit whose parent is the state that was looked at.

    Args:
        files: by their path in the repository.
        repo: `USER/REPO`, as `target_of` gives it; made if it is not there.
        hub: who asks.
        kind: `model` or `space`.
        private: as for `push`.
        message: of the commit.
        owned: folders in which a file that is not among `files` is of a former push, and goes.
        progress: hears of every file that has been sent.

    Raises:
        HubError: the Hub can't be reached or refuses; what was there before is there still.
    """
    with hub.asking(repo):
        created = make(repo, hub, kind, private)
        tried: Pushed | None = None
        for attempt in range(1, ATTEMPTS + 1):
            info = hub.patiently(lambda: hub.api.repo_info(repo, repo_type=kind))
            parent = str(info.sha)
            if private and not info.private:
                raise HubError(
                    f"{repo} can be seen by everybody; make it private in its settings, or choose another name"
                )
            additions, deletions = _changes(files, repo, parent, hub, kind, owned)
            result = Pushed(
                url=f"{hub.api.endpoint}/{'spaces/' if kind == 'space' else ''}{repo}",
                commit=parent,
                sent=tuple(one.path_in_repo for one in additions),
                removed=tuple(one.path_in_repo for one in deletions),
                files=len(files),
                private=bool(info.private),
                created=created,
            )
            if not additions and not deletions:
                # of an attempt whose answer was lost, this is what it has done
                return result if tried is None else replace(tried, commit=parent)
            try:
                _send(additions, repo, hub, kind, progress)
                done = hub.api.create_commit(
                    repo, [*additions, *deletions], commit_message=message, repo_type=kind, parent_commit=parent
                )
                return replace(result, commit=done.oid)
            except Exception as error:
                # The next round looks at the repository anew: one that moved on gets another parent, and a commit whose
                # answer was lost turns out to be there already.
                tried = result
                wait = _worth_another(error)
                if wait is None or attempt == ATTEMPTS:
                    raise
                hub.rest(attempt, wait)
    raise AssertionError("the last attempt returns or raises")


def _worth_another(error: Exception) -> float | None:
    """Seconds to wait before the commit is tried again; None where it is final, or was tried often enough."""
    for one in causes(error):
        if isinstance(one, HfHubHTTPError):
            if one.response.status_code in (409, 412):
                return 0.0
            return patience(one) if "/commit/" in str(one.response.request.url) else None
        if isinstance(one, httpx.TransportError):
            return 0.0 if "/commit/" in _address(one) else None
    return None


def _address(error: httpx.TransportError) -> str:
    try:
        return str(error.request.url)
    except RuntimeError:  # it broke before there was a request
        return ""


def make(repo: str, hub: Hub, kind: str, private: bool) -> bool:
    """Makes the repository unless it is there; tells whether it is new."""
    if hub.patiently(lambda: hub.api.repo_exists(repo, repo_type=kind)):
        return False
    hub.patiently(
        lambda: hub.api.create_repo(
            repo,
            repo_type=kind,
            private=private or None,  # None: as the account's settings have it
            exist_ok=True,
            space_sdk="gradio" if kind == "space" else None,
        )
    )
    return True


def _changes(
    files: Mapping[str, Path], repo: str, commit: str, hub: Hub, kind: str, owned: tuple[str, ...]
) -> tuple[list[CommitOperationAdd], list[CommitOperationDelete]]:
    """What differs between the files and a state of the repository."""
    there = _there(files, repo, commit, hub, kind, owned)
    changed = [path for path, file in files.items() if path not in there or not _same(file, there[path])]
    gone = sorted(path for path in there if path not in files)
    return (
        [CommitOperationAdd(path, str(files[path])) for path in changed],
        [CommitOperationDelete(path, is_folder=False) for path in gone],
    )


def _there(
    files: Mapping[str, Path], repo: str, commit: str, hub: Hub, kind: str, owned: tuple[str, ...]
) -> dict[str, RepoFile]:
    """The files of the repository that are ours: by name, and all in the folders that are ours."""
    names = sorted({*files, *(_OWN if kind == "model" else ())})
    found: list[object] = list(
        hub.patiently(lambda: hub.api.get_paths_info(repo, names, revision=commit, repo_type=kind))
    )
    for folder in owned:
        found += hub.patiently(lambda folder=folder: _tree(folder, repo, commit, hub, kind))  # type: ignore[misc]
    return {file.path: file for file in found if isinstance(file, RepoFile)}


def _tree(folder: str, repo: str, commit: str, hub: Hub, kind: str) -> list[object]:
    try:
        return list(hub.api.list_repo_tree(repo, folder, recursive=True, revision=commit, repo_type=kind))
    except EntryNotFoundError:
        return []


def _same(file: Path, entry: RepoFile) -> bool:
    size = file.stat().st_size
    if size != entry.size:
        return False
    if entry.lfs is not None:
        return _digest(file, hashlib.sha256()) == entry.lfs.sha256
    return _digest(file, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)) == entry.blob_id


def _digest(file: Path, digest: hashlib._Hash) -> str:
    with file.open("rb") as stream:
        while part := stream.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _send(additions: list[CommitOperationAdd], repo: str, hub: Hub, kind: str, progress: Progress | None) -> None:
    """Uploads large files one after another, so that progress can be told; they show with the commit alone."""
    total, done = sum(one.upload_info.size for one in additions), 0
    small = [one for one in additions if one.upload_info.size < _LARGE]
    for part in (small, *([one] for one in additions if one.upload_info.size >= _LARGE)):
        size = sum(one.upload_info.size for one in part)
        if part:
            hub.tell(f"sending {part[0].path_in_repo if len(part) == 1 else f'{len(part)} files'}, {size / 1e6:.1f} MB")
            hub.api.preupload_lfs_files(repo, part, repo_type=kind, free_memory=False)
        done += size
        if progress is not None:
            progress(done, total)


@contextmanager
def _staged(source: Checkpoint, repo: str, base: str) -> Iterator[dict[str, Path]]:
    """The files of the repository; links hold on to what they are now, while a training may lay down new ones."""
    with ExitStack() as stack:
        with laying_ready(source.name):
            folder = Path(stack.enter_context(temporary_folder()))
            files: dict[str, Path] = {}
            for path in own_files(source.path):
                inside = path.relative_to(source.path)
                files[inside.as_posix()] = folder / inside
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                hold(path, folder / inside)
            written = {"README.md": readme(source, repo, base), "example.py": example(source, repo)}
            if (told := without_path(source.recipe)) != source.recipe:
                (folder / "recipe.json").unlink()  # a link to the file of ours
                written["recipe.json"] = told.to_json()
            for file, text in written.items():
                files[file] = folder / file
                files[file].write_text(text, encoding="utf-8")
        yield files


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """For the files of a push, as a context."""
    return tempfile.TemporaryDirectory(prefix="gandemo-push-", ignore_cleanup_errors=True)


@contextmanager
def laying_ready(name: str) -> Iterator[None]:
    """Turns what keeps the files of a push from being laid ready into a sentence.

    Raises:
        HubError: the disk is full, or a file has gone.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "a text is not in UTF-8"
        raise HubError(f"can't lay {name} ready for the Hub: {reason}; free some space and try again") from None


def own_files(folder: Path) -> list[Path]:
    """The files of a checkpoint folder that belong to the checkpoint, but for its card, which is written anew.

    Raises:
        RequestError: there are more exports than anybody made.
    """
    exports = sorted(path for path in (folder / _EXPORTS).rglob("*") if ships(path, folder))
    if len(exports) > _MOST_EXPORTS:
        raise RequestError(f"{folder / _EXPORTS} holds {len(exports)} files; {_MOST_EXPORTS} are the most")
    return [*(folder / name for name in _OWN if (folder / name).is_file()), *exports]


def ships(path: Path, root: Path) -> bool:
    """Whether a path below a folder is a file for others: no link, nothing hidden."""
    inside = path.relative_to(root).parts
    return path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in inside)


def hold(path: Path, place: Path) -> None:
    """Keeps what a file is now at another place, whatever becomes of it meanwhile."""
    try:
        os.link(path.resolve(), place)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(path, place)
