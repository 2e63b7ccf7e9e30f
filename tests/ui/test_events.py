"""Answers for one component that come in another order than they were asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from gradio.helpers import special_args

from gandemo.ui.events import unless_there, when


class Page:
    """Two events of one page, whose callbacks are called as Gradio calls them."""

    def __init__(self, first: Callable[..., Any], second: Callable[..., Any]) -> None:
        self.callbacks: list[Callable[..., Any]] = []
        shown, note = gr.Textbox(elem_id="shown"), gr.Textbox(elem_id="note")
        when(self._listen, first, None, [shown, note], newest=[shown])
        when(self._listen, second, None, shown, newest=[shown])

    def _listen(self, callback: Callable[..., Any], *_: Any, **__: Any) -> None:
        self.callbacks.append(callback)

    def ask(self, event: int, wish: str, visitor: str = "one") -> Any:
        callback = self.callbacks[event]
        return callback(*special_args(callback, [wish], gr.Request(session_hash=visitor))[0])


def skipped(value: object) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update" and "value" not in value


@pytest.mark.parametrize(("later", "stays"), [("one", True), ("another", False)])
def test_an_older_answer_that_comes_late_does_not_replace_a_newer_one(later: str, stays: bool) -> None:
    begun, answered = threading.Event(), threading.Event()

    def slow(wish: str) -> list[str]:
        begun.set()
        assert answered.wait(30)
        return [f"slow {wish}", "noted"]

    page = Page(slow, lambda wish: f"quick {wish}")
    old: list[Any] = []
    thread = threading.Thread(target=lambda: old.extend(page.ask(0, "a")))
    thread.start()
    assert begun.wait(30)
    assert page.ask(1, "b", later) == "quick b"
    answered.set()
    thread.join(30)
    assert skipped(old[0]) == stays
    if not stays:
        assert old[0] == "slow a"
    assert old[1] == "noted"  # what the later request did not ask for is shown


def test_answers_in_their_order_are_all_shown() -> None:
    page = Page(lambda wish: [f"first {wish}", ""], lambda wish: f"second {wish}")
    assert page.ask(0, "a")[0] == "first a"
    assert page.ask(1, "b") == "second b"
    assert page.ask(0, "c")[0] == "first c"


def test_what_a_page_has_already_is_not_given_to_it_again() -> None:
    assert unless_there({"choices": ["a", "b"], "value": "a"}, "a") == {"choices": ["a", "b"]}
    assert unless_there({"choices": ["b"], "value": "b"}, "a") == {"choices": ["b"], "value": "b"}
    assert unless_there({"choices": [], "value": None}, None) == {"choices": []}
