"""The page as a whole: its tabs, its look, and how it is served."""

from __future__ import annotations

import logging
import os
import threading

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import gradio as gr
from starlette.middleware import Middleware

from gandemo.errors import HubError, RequestError
from gandemo.ui import access, colorize, digits, enhance, photos, ship, train
from gandemo.ui.parts import PAGE, part, read
from gandemo.ui.room import Room
from gandemo.ui.theme import theme

# A tab's name, what builds it, and what loads its models ahead of the first visitor.
TABS = (
    ("Digits", digits.tab, digits.warm_up),
    ("Colorize", colorize.tab, colorize.warm_up),
    ("Enhance", enhance.tab, enhance.warm_up),
    ("Train", train.tab, train.warm_up),
    ("Ship", ship.tab, ship.warm_up),
)
DESCRIPTION = (
    "Small GANs to watch, question and use in the browser: digits from noise, colour for black-and-white photos, "
    "a sharper picture from a poor one"
)
STYLES = ("style.css", "photos.css", "train.css", "ship.css", "litert/device.css")
SCRIPTS = "\n".join(read(name) for name in ("page.js", "photo-view.js", "photo-bench.js", *train.SCRIPTS))


def build() -> gr.Blocks:
    """The page, not yet served."""
    demo = gr.Blocks(title="gandemo", analytics_enabled=False, delete_cache=(3600, 3600))
    with demo:
        part("header")
        with gr.Tabs(elem_id="tabs"):
            for name, tab, _ in TABS:
                with gr.Tab(name, id=name.lower()):
                    tab(demo)
    demo.queue(default_concurrency_limit=2, max_size=32)
    return demo


def launch(
    host: str | None = None, port: int | None = None, share: bool = False, auth: tuple[str, str] | None = None
) -> None:
    """Serves the page until Ctrl-C.

    Args:
        host: address to listen on; None: `GRADIO_SERVER_NAME`, else all on a Space, else this machine alone.
        port: None: `GRADIO_SERVER_PORT`, else the first free one from 7860.
        share: also make a public link.
        auth: user and password that every visitor is asked for.

    Raises:
        RequestError: the address or port can't be used.
    """
    on_space = bool(os.environ.get("SPACE_ID"))
    host = host or os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space else "127.0.0.1")
    access.settle(host, share=share and not on_space, password=auth is not None)
    demo = build()
    try:
        _, url, public = demo.launch(
            server_name=host,
            server_port=port,
            share=share and not on_space,
            auth=auth,
            theme=theme(),
            css="".join(read(name) for name in STYLES),
            head=f'<meta name="description" content="{DESCRIPTION}">\n<script>{SCRIPTS}</script>',
            favicon_path=PAGE / "icon.svg",
            footer_links=["api", "settings"],
            run_history=False,
            app_kwargs={"middleware": [Middleware(Room)]},
            max_file_size=None if access.is_local() else photos.MAX_FILE_BYTES,  # an archive to train on may be large
            show_error=True,
            ssr_mode=False,
            prevent_thread_lock=True,
            quiet=True,
        )
    except (OSError, ValueError) as error:
        wanted = port or os.environ.get("GRADIO_SERVER_PORT") or "7860 and up"
        raise RequestError(f"can't listen on {host}, port {wanted} ({error}); choose another with --port") from None
    print(f"gandemo is at {url}  (Ctrl-C ends it)", flush=True)
    if share and not on_space:
        print(f"and at {public}" if public else "no public link: the share service was not reached", flush=True)
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    if "/" in os.environ.get("GANDEMO_CHECKPOINTS", ""):
        threading.Thread(target=_pull_listed, name="pull", daemon=True).start()
    demo.block_thread()


def _pull_listed() -> None:
    """Brings the checkpoints that GANDEMO_CHECKPOINTS lists and that are not here yet, in the owner's name."""
    from gandemo.ship.hub import Hub, pull_listed
    from gandemo.ship.hub.client import token_of

    try:
        hub = Hub(token_of())
    except HubError as error:
        print(f"gandemo: {error}", flush=True)
        hub = Hub()
    for sentence in pull_listed(hub=hub):
        print(f"gandemo: {sentence}", flush=True)


def _warm_up() -> None:
    """Loads torch and the first models once the page is up, so that starting stays quick."""
    for name, _, warm_up in TABS:
        try:
            warm_up()
        except Exception:
            logging.getLogger("gandemo").exception("loading the models of the tab %s failed", name)
