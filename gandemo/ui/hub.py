"""The page's part for the Hugging Face Hub: push a checkpoint, pull somebody else's.

The wiring alone; who asks stands in `hub_identity`, what is done in `hub_answers`, which loads torch at first use.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import gradio as gr

from gandemo.ui import access, catalog, hub_identity
from gandemo.ui.events import any_of, unless_there, when
from gandemo.ui.parts import part

QUEUE = "hub"
_TASKS = ("digits", "colorize", "enhance", "inpaint", "classify")
_WHAT_COMES = "Weights and JSON alone, verified before anything uses them."
_PRIVATE_TOO = f"{_WHAT_COMES} For a private one, give your token as well."
_FOR_ALL = f"{_WHAT_COMES} Everybody here will see it, so it must be a public one."
_NO_SIGN_IN = (
    "Visitors of this Space can't sign in yet: its owner adds `hf_oauth: true` to the head of README.md. "
    "Until then it pulls what is public, and pushes nothing."
)
_PLAIN = gr.InputHTMLAttributes(autocomplete="off", autocapitalize="off", autocorrect="off", spellcheck=False)


def _answers() -> ModuleType:
    from gandemo.ui import hub_answers

    return hub_answers


def hub_part(demo: gr.Blocks, opened: gr.Tab, exported: gr.Dropdown) -> None:
    """Builds the part inside the current Blocks.

    Args:
        demo: the page.
        opened: the tab that the part is in.
        exported: the list of checkpoints for exports, which gets what was pulled, too.
    """
    with gr.Column(elem_classes="gd-section gd-hub"):
        part("hub-title")
        with gr.Row(elem_classes="gd-split"):
            with gr.Column(elem_classes="gd-panel gd-side", min_width=280):
                source = gr.Dropdown(label="Checkpoint", elem_id="hub-checkpoint", **_choices(None))
                target = _repository(
                    "To the repository", "Yours or your organisation's; made if it is new.", "hub-target"
                )
                what = gr.Radio(
                    [("A model", "model"), ("A Space: this whole page, opening with it", "space")],
                    value="model",
                    label="As",
                    elem_id="hub-what",
                    elem_classes="gd-chips",
                )
                private = gr.Checkbox(False, label="Private: nobody else sees it", elem_id="hub-private")
                saved, token = _identity()
                push = gr.Button("Push", variant="primary", elem_id="hub-push")
                pushed = part("hub-told", elem_id="hub-pushed")
            with gr.Column(elem_classes="gd-panel gd-side", min_width=280):
                wanted = _repository(
                    "From the repository", _FOR_ALL if access.is_public() else _PRIVATE_TOO, "hub-wanted"
                )
                pull = gr.Button("Pull", variant="primary", elem_id="hub-pull")
                pulled = part("hub-told", elem_id="hub-pulled")
    pushing = when(
        push.click,
        _push,
        [source, target, what, private, saved, token],
        [pushed, token],
        begins="hub-pushed",
        queue=QUEUE,
        once=True,
    )
    pulling = when(
        any_of(pull.click, wanted.submit),
        _pull,
        [wanted, saved, token],
        [pulled, token, source, exported],
        begins="hub-pulled",
        queue=QUEUE,
        once=True,
    )
    for listening, shown in ((pushing, pushed), (pulling, pulled)):
        js = f"() => gandemo.tell('{shown.elem_id}', 'gd-failed')"
        listening.failure(None, js=js, api_visibility="private")
    for event in (demo.load, opened.select):
        when(event, _opened, source, [source, saved])


def _repository(label: str, info: str, elem_id: str) -> gr.Textbox:
    return gr.Textbox(
        label=label,
        info=info,
        placeholder="user/name",
        elem_id=elem_id,
        max_lines=1,
        max_length=300,
        html_attributes=_PLAIN,
    )


def _identity() -> tuple[gr.Checkbox, gr.Textbox]:
    """Who pushes: a sign-in on a Space, elsewhere the owner's saved token or one typed in."""
    space = hub_identity.on_space()
    if hub_identity.can_sign_in():
        gr.LoginButton(elem_id="hub-sign-in")
    elif space:
        part("hub-note", _NO_SIGN_IN)
    saved = gr.Checkbox(
        False,
        label="Use the token that is saved on this machine",
        elem_id="hub-saved",
        visible=not space and access.is_local() and hub_identity.is_token_saved(),
    )
    token = gr.Textbox(
        label="A token of yours",
        info="With write access, for a push. It is used once and kept nowhere.",
        type="password",
        elem_id="hub-token",
        max_lines=1,
        max_length=400,
        html_attributes=_PLAIN,
        visible=not space,
    )
    return saved, token


# --- callbacks --------------------------------------------------------------------------------------------


def _push(
    source: Any,
    target: Any,
    what: Any,
    private: Any,
    saved: Any,
    token: Any,
    request: gr.Request,
    oauth: gr.OAuthToken | None,
) -> Iterator[list[Any]]:
    who = hub_identity.identify(saved, token, request, oauth, needed=True)
    for state in _answers().push(who, source, target, space=what == "space", private=private is True):
        yield [state, ""]


def _pull(wanted: Any, saved: Any, token: Any, request: gr.Request, oauth: gr.OAuthToken | None) -> Iterator[list[Any]]:
    public = access.is_public()
    who = hub_identity.Identity() if public else hub_identity.identify(saved, token, request, oauth, needed=False)
    for state in _answers().pull(who, wanted):
        choices = gr.Dropdown(choices=_choices(None)["choices"]) if state["kind"] == "done" else gr.skip()
        yield [state, "", choices, choices]


def _opened(chosen: Any, request: gr.Request) -> list[Any]:
    shown = hub_identity.may_use_saved(request) and hub_identity.is_token_saved()
    return [gr.Dropdown(**unless_there(_choices(chosen), chosen)), gr.Checkbox(visible=shown)]


def _choices(chosen: Any) -> dict[str, Any]:
    names = [entry.name for task in _TASKS for entry in catalog.entries(task)] + catalog.best_of_runs()
    return {"choices": names, "value": chosen if chosen in names else names[0] if names else None}
