"""The models in memory, and the one way from a callback's error to a sentence on the page."""

from __future__ import annotations

import errno
import functools
import html
import inspect
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gradio as gr

from gandemo.errors import GanDemoError
from gandemo.ui import catalog

if TYPE_CHECKING:
    from gandemo.pipeline import Pipeline

P = ParamSpec("P")
R = TypeVar("R")

KEPT = 8
# Events that run a model share this queue, so that many visitors wait in turn instead of slowing each other down.
QUEUE = "model"

_FULL = (errno.ENOSPC, errno.EDQUOT)

_log = logging.getLogger("gandemo")
_loaded: OrderedDict[tuple[Path, int], Pipeline] = OrderedDict()
_lock = threading.Lock()


def pipeline(name: object, task: str) -> Pipeline:
    """The checkpoint of that name, loaded; the last few stay in memory.

    Raises:
        GanDemoError: the catalogue has no such checkpoint, or it is damaged.
    """
    from gandemo.pipeline import Pipeline  # at first use: it loads torch

    entry = catalog.find(name, task)
    key = (entry.path, (entry.path / "generator.safetensors").stat().st_mtime_ns)
    with _lock:
        if key not in _loaded:
            _loaded[key] = Pipeline.from_pretrained(entry.path)
            while len(_loaded) > KEPT:
                _loaded.popitem(last=False)
        _loaded.move_to_end(key)
        return _loaded[key]


def calm(callback: Callable[P, R]) -> Callable[P, R]:
    """A callback whose errors reach the page as one sentence; what was not foreseen is logged in full."""
    if inspect.isgeneratorfunction(callback):

        @functools.wraps(callback)
        def stream(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            with _told(callback.__name__):
                yield from callback(*args, **kwargs)

        return stream  # type: ignore[return-value]

    @functools.wraps(callback)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _told(callback.__name__):
            return callback(*args, **kwargs)

    return call


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        told = html.escape(sentence_for(error, name), quote=False)
        raise gr.Error(told, title="That did not work", print_exception=False) from None


def sentence_for(error: Exception, name: str) -> str:
    """What people are told of an error; one that was not foreseen is logged in full.

    Args:
        error: being handled.
        name: of what failed.
    """
    if isinstance(error, GanDemoError):
        return error.sentence
    if isinstance(error, OSError) and error.errno in _FULL:
        return "The disk of this server is full. Free some space on it, and try again."
    _log.error("%s failed", name, exc_info=error)
    return "Something went wrong here, and the server's log says what. Please try again."
