"""`export`, `push`, `pull`: checkpoints as files that run elsewhere, to the Hugging Face Hub and from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gandemo.commands.options import transfer_bar
from gandemo.errors import RequestError

if TYPE_CHECKING:
    from gandemo.ship.export.process import Stage
    from gandemo.ship.export.records import Export

TokenFile = Annotated[
    Path | None, typer.Option(help="A file with the token; default: HF_TOKEN, or the login that hf auth login saved.")
]


def export(
    checkpoint: str,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="model.tflite or model.onnx: where a copy goes.")
    ] = None,
    quantize: Annotated[str, typer.Option(help="none, fp16 (half the size) or int8 (a quarter).")] = "none",
    size: Annotated[int | None, typer.Option(help="Side of the pictures, for photo tasks.")] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="The files that browsers run, for the page and for --web.")
    ] = False,
    web: Annotated[
        Path | None, typer.Option(help="FOLDER or FILE.zip: also a page that runs it, for any static host.")
    ] = None,
) -> None:
    """Export a checkpoint to TFLite or ONNX, checked against PyTorch, into its exports/ and to a file of your own."""
    from gandemo import checkpoint as checkpoints
    from gandemo.ship.export import formats, making

    if output is None and not browser and web is None:
        raise RequestError("say where to: -o model.tflite or -o model.onnx")
    kind = None if output is None else formats.format_of(output.suffix, quantize)
    source = checkpoints.resolve(checkpoint)
    if output is not None and kind is not None:
        with _stages(f"{source.name} as {kind}") as tell:
            made = making.export(source, kind, size=size, tell=tell)
        making.copy(source, made, output)
        print(_told(made, source.path))
        print(f"wrote {output}")
    if browser:

        def not_in_8_bits(why: str) -> None:
            print(f"no int8: {why}", file=sys.stderr)

        with _stages(f"{source.name} for browsers") as tell:
            files = making.for_browsers(source, size=size, tell=lambda _: tell, refused=not_in_8_bits)
        for made in files:
            print(_told(made, source.path))
    if web is not None:
        from gandemo.ship.export import web as pages

        print(f"wrote {pages.write(source, web)}")


def push(
    checkpoint: str,
    repo: Annotated[str, typer.Argument(help="USER/REPO on the Hub; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Nobody else may see it.")] = False,
    space: Annotated[bool, typer.Option("--space", help="Push the whole app as a Space that starts with it.")] = False,
    base: Annotated[str, typer.Option(help="USER/REPO that it was fine-tuned from; default: as far as known.")] = "",
    message: Annotated[str, typer.Option(help="Of the commit.")] = "",
    every: Annotated[
        float | None, typer.Option(min=1, help="CHECKPOINT is a run: push its best so many minutes apart, to its end.")
    ] = None,
    token_file: TokenFile = None,
) -> None:
    """Push a checkpoint to the Hugging Face Hub: card, figures, preview and exports, in one commit."""
    if every is not None and (space or message):
        raise RequestError("--every pushes a run's checkpoints as they come; leave out --space and --message")
    if space and base:
        raise RequestError("--base is told in a checkpoint's own repository, not in a Space; leave out one of them")
    from gandemo import checkpoint as checkpoints
    from gandemo.ship import hub
    from gandemo.ship.hub.client import token_of
    from gandemo.ship.hub.space import push_space

    asker = hub.Hub(token_of(token_file), tell=_say)
    if every is not None:
        from gandemo.ship.hub.live import follow
        from gandemo.training import runs

        run = runs.find_run(checkpoint)
        try:
            follow(
                run,
                repo,
                asker,
                minutes=every,
                private=private,
                base=base,
                bar=lambda: transfer_bar("sending"),
                tell=lambda sentence: print(sentence, flush=True),
            )
        except KeyboardInterrupt:
            print(f"gandemo: {run.name} is pushed no longer; the run itself is left as it is", file=sys.stderr)
            raise SystemExit(130) from None
        return
    source = checkpoints.resolve(checkpoint)
    with transfer_bar("sending") as progress:
        if space:
            pushed = push_space(source, repo, asker, private=private, message=message, progress=progress)
        else:
            pushed = hub.push(source, repo, asker, private=private, base=base, message=message, progress=progress)
    seen = "private" if pushed.private else "public"
    if not pushed.sent and not pushed.removed:
        print(f"nothing has changed since the last push: {pushed.url} ({seen}, commit {pushed.commit[:7]})")
        return
    gone = f", {len(pushed.removed)} removed" if pushed.removed else ""
    print(
        f"pushed to {pushed.url} ({seen}, commit {pushed.commit[:7]}): {len(pushed.sent)} of {pushed.files} files{gone}"
    )


def pull(
    repo: Annotated[str, typer.Argument(help="USER/REPO, or USER/REPO@REVISION.")],
    name: Annotated[str, typer.Option(help="The folder in checkpoints/ that it becomes; default: USER--REPO.")] = "",
    token_file: TokenFile = None,
) -> None:
    """Pull a checkpoint from the Hugging Face Hub; it is verified first, and in every list afterwards."""
    from gandemo.commands.options import headline
    from gandemo.ship import hub
    from gandemo.ship.hub.client import token_of

    source = hub.HubId.parse(repo)
    with transfer_bar("fetching") as progress:
        pulled = hub.pull(source, hub.Hub(token_of(token_file), tell=_say), name=name, progress=progress)
    found, measured = pulled.checkpoint, headline(pulled.checkpoint.metrics)
    where = "from the cache, since the Hub can't be reached" if pulled.cached else f"commit {pulled.commit[:7]}"
    print(f"pulled {source} as {found.name} ({where}): {found.recipe.task}{f', {measured}' if measured else ''}")


def _told(made: Export, folder: Path) -> str:
    """One line with every figure that was measured of a file."""
    from gandemo.ship.export.card import decibels, megabytes, milliseconds

    found, took = made.parity, made.latency
    return (
        f"{folder / 'exports' / made.file}: {megabytes(made.bytes)}; against PyTorch on {found['inputs']:.0f} inputs "
        f"max error {found['max_error']:.1e}, mean error {found['mean_error']:.1e}, PSNR {decibels(found['psnr'])}; "
        f"{milliseconds(took['runtime'])} where PyTorch takes {milliseconds(took['torch'])}"
    )


@contextmanager
def _stages(title: str) -> Iterator[Callable[[Stage], None]]:
    """What an export does, how far it is and how long it will take, on a terminal; the stages alone elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    said = ""
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        line = bar.add_task(title, total=1.0, left="")

        def tell(stage: Stage) -> None:
            nonlocal said
            left = "" if stage.seconds_left is None else f"about {stage.seconds_left:.0f} s left"
            text = f"{title}: {stage.text[:1].lower()}{stage.text[1:]}"
            bar.update(line, completed=stage.share, description=text, left=left)
            if stage.text != said and not console.is_terminal:
                print(f"{text} …", file=sys.stderr, flush=True)
            said = stage.text

        yield tell


def _say(sentence: str) -> None:
    """What goes on, to whoever watches; what was sent the bar tells."""
    if "trying again" in sentence and sys.stderr.isatty():
        print(sentence, file=sys.stderr, flush=True)
