"""The page's own components: a template, a script and a value each. The script draws whatever the value says."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

PAGE = Path(__file__).parent / "page"


@cache
def read(name: str) -> str:
    """A file of the page."""
    return (PAGE / name).read_text(encoding="utf-8")


def part(name: str, value: Any = None, *, elem_id: str | None = None, **props: Any) -> gr.HTML:
    """The component whose template is `name.html` and whose script is `name.js`.

    Templates are fixed text: nothing from outside is ever put into one, since the page would run it. Scripts set text
    as text.

    Args:
        name: of the files.
        value: JSON values, for the script.
        elem_id: in the page; `name` where not given.
        props: fixed values for the script.
    """
    script = PAGE / f"{name}.js"
    return gr.HTML(
        value,
        html_template=read(f"{name}.html"),
        js_on_load=read(script.name) if script.exists() else None,
        apply_default_css=False,
        elem_id=elem_id or name,
        **props,
    )
