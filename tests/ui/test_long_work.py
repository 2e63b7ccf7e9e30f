"""Work that is told as it goes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gandemo.errors import RequestError
from gandemo.ui import long_work
from gandemo.ui.long_work import Tell, told, words


def test_quick_work_is_its_result_alone() -> None:
    assert list(told(lambda tell: "done")) == ["done"]


def test_who_says_nothing_has_nothing_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "EVERY", 0.001)
    waited = threading.Event()
    assert list(told(lambda tell: waited.wait(0.05) or "done")) == ["done"]


def test_progress_comes_before_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "EVERY", 0.01)
    seen = threading.Event()

    def work(tell: Tell) -> str:
        tell(0.5, "Enhancing")
        seen.wait(30)
        return "done"

    heard: list[Any] = []
    for news in told(work):
        heard.append(news)
        seen.set()
    assert heard[-1] == "done"
    assert {"kind": "progress", "share": 0.5, "text": "Enhancing · 50 %"} in heard[:-1]


def test_an_error_of_the_work_is_raised() -> None:
    def work(tell: Tell) -> None:
        raise RequestError("too large")

    with pytest.raises(RequestError, match="too large"):
        list(told(work))


def test_stopped_work_ends_at_its_next_word_and_keeps_its_place_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "EVERY", 0.01)
    go_on, ended = threading.Event(), threading.Event()

    def work(tell: Tell) -> str:
        try:
            tell(0.1)
            go_on.wait(30)
            tell(0.2)
        finally:
            ended.set()
        return "never"

    news = told(work, "ticket-1")
    assert next(news) != "never"
    long_work.stop("ticket-1")
    assert next(news) == long_work.STOPPED  # at once
    assert not ended.is_set()
    threading.Timer(0.05, go_on.set).start()
    assert list(news) == []
    assert ended.is_set()
    assert list(told(work, "ticket-1")) == [long_work.STOPPED]  # nor does it begin


def test_closing_the_iterator_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "EVERY", 0.01)
    words_said, ended = threading.Event(), threading.Event()

    def work(tell: Tell) -> None:
        try:
            while True:
                tell(0.3)
                words_said.wait(0.001)
        finally:
            ended.set()

    news = told(work)
    next(news)
    news.close()
    assert ended.wait(30)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0.0, "", 9.0), "Starting"),
        ((0.25, "Photo 1 of 4", 3.0, 8.0), "Photo 1 of 4 · 25 % · 0.67 megapixels a second · about 9 s left"),
        ((0.5, "", 300.0), "50 % · about 5 min left"),
        ((0.5, "", 0.3), "50 %"),
        ((0.001, "", 5.0), "0 %"),
    ],
)
def test_progress_in_words(given: tuple[Any, ...], expected: str) -> None:
    assert words(*given) == expected
