"""The whole app as a Space that carries a checkpoint and starts with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from huggingface_hub import SpaceCard

from gandemo import places
from gandemo.checkpoint import Checkpoint, load
from gandemo.errors import CheckpointError, HubError, RequestError
from gandemo.ship.hub.client import Hub
from gandemo.ship.hub.origins import origin
from gandemo.ship.hub.pulling import LISTED
from gandemo.ship.hub.pushing import (
    Progress,
    Pushed,
    commit,
    hold,
    laying_ready,
    own_files,
    ships,
    target_of,
    temporary_folder,
)
from gandemo.ship.provenance import without_path

ROOT = places.SHIPPED.parent
_SINGLE = ("app.py", "requirements.txt", "pyproject.toml", "LICENSE", "README.md")
_FOLDERS = ("gandemo", "docs")
# A Space has no GPU unless somebody pays for one, and PyPI's torch for Linux brings 3 GB of CUDA along. Of the same
# version, pip takes PyTorch's own build for processors before it: 2.13.0+cpu comes after 2.13.0 (PEP 440).
_FOR_CPU = """\
# PyTorch's builds for processors; on hardware with a GPU, take this line out
--extra-index-url https://download.pytorch.org/whl/cpu
"""


def push_space(
    source: Checkpoint,
    repo: str,
    hub: Hub,
    *,
    private: bool = False,
    message: str = "",
    progress: Progress | None = None,
    root: Path = ROOT,
) -> Pushed:
    """Makes a Space of the app, or renews it, in one commit: the code, what ships, and this checkpoint in front.

    Args:
        source: the checkpoint that the page opens with.
        repo: `USER/REPO`; made if it is not there.
        hub: who asks.
        private: nobody else may see it; a Space that others see already is refused.
        message: of the commit.
        progress: hears of every file that has been sent.
        root: the app's folder.

    Raises:
        HubError: the Hub can't be reached or refuses; what was there before is there still.
        CheckpointError: the weights are damaged.
        RequestError: the name is none that the Hub allows, or the app's folder is not whole.
    """
    target = target_of(repo, hub, "space")
    missing = [name for name in ("app.py", "requirements.txt", "README.md") if not (root / name).is_file()]
    if missing:
        raise RequestError(f"{root} has no {missing[0]}: a Space is pushed from the project's own folder")
    source.generator()  # what is damaged does not leave
    source.discriminator()
    source.faithful()
    name = source.name.replace("/", "-").replace("@", "-")
    with _staged(source, name, target, root) as files, hub.asking(target):
        pushed = commit(
            files,
            target,
            hub,
            kind="space",
            private=private,
            message=message or f"gandemo with {source.name}",
            owned=("gandemo", f"checkpoints/{name}"),
            progress=progress,
        )
        # after it: a push that is refused changes nothing
        hub.patiently(lambda: hub.api.add_space_variable(target, LISTED, name))
    return pushed


@contextmanager
def _staged(source: Checkpoint, name: str, repo: str, root: Path) -> Iterator[dict[str, Path]]:
    """The files of the Space, by their path in it; runs, data and whatever else lies beside them stay here."""
    with ExitStack() as stack:
        with laying_ready(source.name):
            files = {file: root / file for file in _SINGLE if (root / file).is_file()}
            for folder in _FOLDERS:
                for path in sorted((root / folder).rglob("*")):
                    if ships(path, root) and "__pycache__" not in path.parts:
                        files[path.relative_to(root).as_posix()] = path
            written = {
                "README.md": _card((root / "README.md").read_text(encoding="utf-8"), repo),
                "requirements.txt": _FOR_CPU + (root / "requirements.txt").read_text(encoding="utf-8"),
            }
            for shipped in _of_the_app(root):
                if shipped.name != name:  # the source takes its place
                    files |= _of_checkpoint(shipped.path, shipped.name)
                    written |= _recipe(shipped, shipped.name)
            temporary = Path(stack.enter_context(temporary_folder()))
            for inside, path in _of_checkpoint(source.path, name).items():
                files[inside] = temporary / inside
                files[inside].parent.mkdir(parents=True, exist_ok=True)
                hold(path, files[inside])
            written |= _recipe(source, name)
            for inside, text in written.items():
                files[inside] = temporary / "written" / inside
                files[inside].parent.mkdir(parents=True, exist_ok=True)
                files[inside].write_text(text, encoding="utf-8")
        yield files


def _of_the_app(root: Path) -> Iterator[Checkpoint]:
    """The checkpoints that lie in the app's folder, but for those that were pulled: others may not be meant to see."""
    for recipe in sorted((root / "checkpoints").glob("*/recipe.json")):
        folder = recipe.parent
        if folder.name.startswith(".") or origin(folder):
            continue
        with suppress(CheckpointError):  # a damaged one is in no list either
            yield load(folder)


def _recipe(source: Checkpoint, name: str) -> dict[str, str]:
    """The recipe as others may read it, by its path in the Space; empty where it is the one that lies there."""
    told = without_path(source.recipe)
    return {} if told == source.recipe else {f"checkpoints/{name}/recipe.json": told.to_json()}


def _of_checkpoint(folder: Path, name: str) -> dict[str, Path]:
    own = {path.relative_to(folder).as_posix(): path for path in own_files(folder)}
    if (folder / "README.md").is_file():
        own["README.md"] = folder / "README.md"
    return {f"checkpoints/{name}/{inside}": path for inside, path in own.items()}


def _card(text: str, repo: str) -> str:
    """The project's README, whose front matter a Space is set up by, under the Space's own name."""
    try:
        card = SpaceCard(text)
    except Exception as error:  # whatever YAML makes of it
        reason = " ".join(str(error).split())[:160]
        raise HubError(f"the front matter of README.md is not valid ({reason}); mend it") from None
    card.data["title"] = repo.partition("/")[2]
    return str(card)
