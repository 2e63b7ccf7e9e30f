"""The command line: parse, call, show. Bad input ends with status 2 and one line that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from gandemo.commands import listing, making, measuring, shipping, training
from gandemo.errors import GanDemoError, RequestError

app = typer.Typer(
    help="Train, watch, use and ship small GANs, with no GPU needed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    share: Annotated[bool, typer.Option("--share", help="Also make a public link.")] = False,
    auth: Annotated[str | None, typer.Option(help="USER:PASSWORD, asked of every visitor.")] = None,
) -> None:
    """Start the page, the same as `python app.py`."""
    credentials = None
    if auth is not None:
        user, colon, password = auth.partition(":")
        if not colon or not user or not password:
            raise RequestError("--auth takes USER:PASSWORD")
        credentials = (user, password)
    from gandemo.ui.app import launch

    launch(host=host, port=port, share=share, auth=credentials)


COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve,
    "list": listing.list_,
    "generate": making.generate,
    "colorize": making.colorize,
    "enhance": making.enhance,
    "inpaint": making.inpaint,
    "restore": making.restore,
    "train": training.train,
    "resume": training.resume,
    "fork": training.fork,
    "stop": training.stop,
    "doctor": training.doctor,
    "delete": training.delete,
    "tidy": training.tidy,
    "publish": measuring.publish,
    "estimate": measuring.estimate,
    "evaluate": measuring.evaluate,
    "export": shipping.export,
    "push": shipping.push,
    "pull": shipping.pull,
    "bench": measuring.bench,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Runs the command line; every foreseen error is one line on standard error and status 2."""
    try:
        app()
    except GanDemoError as error:
        print(f"gandemo: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("gandemo: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
