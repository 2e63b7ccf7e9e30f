"""The whole app as a Space that carries a checkpoint and starts with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from huggingface_hub import SpaceCard

from gandemo import places
from gandemo.checkpoint import Checkpoint
from gandemo.errors import RequestError
from gandemo.ship.hub.client import Hub
from gandemo.ship.hub.pulling import LISTED
from gandemo.ship.hub.pushing import Progress, Pushed, commit, hold, make, own_files, ships, target_of

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
        created = make(target, hub, "space", private)
        hub.patiently(lambda: hub.api.add_space_variable(target, LISTED, name))
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
    return replace(pushed, created=created)


@contextmanager
def _staged(source: Checkpoint, name: str, repo: str, root: Path) -> Iterator[dict[str, Path]]:
    """The files of the Space, by their path in it; runs, data and whatever else lies beside them stay here."""
    files = {file: root / file for file in _SINGLE if (root / file).is_file()}
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if ships(path, root) and "__pycache__" not in path.parts:
                files[path.relative_to(root).as_posix()] = path
    for shipped in sorted((root / "checkpoints").glob("*/recipe.json")):
        files |= _of_checkpoint(shipped.parent, shipped.parent.name)
    with tempfile.TemporaryDirectory(prefix="gandemo-space-") as temporary:
        for number, (inside, path) in enumerate(_of_checkpoint(source.path, name).items()):
            files[inside] = Path(temporary) / str(number)
            hold(path, files[inside])
        written = {
            "README.md": _card((root / "README.md").read_text(encoding="utf-8"), repo),
            "requirements.txt": _FOR_CPU + (root / "requirements.txt").read_text(encoding="utf-8"),
        }
        for inside, text in written.items():
            files[inside] = Path(temporary) / inside
            files[inside].write_text(text, encoding="utf-8")
        yield files


def _of_checkpoint(folder: Path, name: str) -> dict[str, Path]:
    own = {path.relative_to(folder).as_posix(): path for path in own_files(folder)}
    if (folder / "README.md").is_file():
        own["README.md"] = folder / "README.md"
    return {f"checkpoints/{name}/{inside}": path for inside, path in own.items()}


def _card(text: str, repo: str) -> str:
    """The project's README, whose front matter a Space is set up by, under the Space's own name."""
    card = SpaceCard(text)
    card.data["title"] = repo.partition("/")[2]
    return str(card)
