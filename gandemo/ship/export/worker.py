"""The child process that makes and checks one file: `python -m gandemo.ship.export.worker`.

It reads one line of JSON from standard input (an `Order`), and writes lines of JSON to standard output: `{"stage": …,
"share": 0..1}` as it goes on, and at the end `{"done": …}` or `{"error": …}`. The end of standard input is the end of
it: a parent that dies leaves no child behind. Whatever else prints goes to standard error.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from gandemo.errors import GanDemoError, ParityError

# How libraries, and the loader of libraries, say that there is no more memory.
_NO_MEMORY = re.compile(r"bad_alloc|[Nn]ot enough memory|[Cc]annot allocate memory|failed to map segment")
NICENESS = 5  # the page goes on beside it
# What each stage takes of the whole, about, on a quiet machine.
STAGES = {"load": 0.15, "convert": 0.5, "quantize": 0.05, "check": 0.2, "time": 0.1}


def make(order: dict[str, Any], tell: Callable[[str, float], None]) -> dict[str, Any]:
    """Makes a file, writes its description into it, compares it with PyTorch and times both.

    Args:
        order: `checkpoint` (a folder), `name` (of the checkpoint), `format`, `file` (where to), `size`, `threads`.
        tell: called with the stage and the share of the stage that is done.

    Raises:
        GanDemoError: the checkpoint is damaged, or the file is not faithful.
    """
    began = time.perf_counter()
    tell("load", 0.0)
    import torch

    from gandemo import checkpoint
    from gandemo.pipeline import Pipeline
    from gandemo.ship.export import interface as interfaces
    from gandemo.ship.export import parity
    from gandemo.ship.export.formats import FORMATS

    torch.set_num_threads(order["threads"])
    pipeline = Pipeline(checkpoint.load(Path(order["checkpoint"])))
    interface = interfaces.interface_of(pipeline, order["size"])
    file, kind = Path(order["file"]), order["format"]
    quantize = FORMATS[kind].quantize
    if kind == "onnx":
        from gandemo.ship.export import onnx as maker
    else:
        from gandemo.ship.export import tflite as maker  # type: ignore[no-redef]
    tell("convert", 0.0)
    if quantize == "none":
        maker.convert(interface, file)
    else:
        whole = file.with_suffix(".whole")
        maker.convert(interface, whole, for_integers=quantize == "int8")  # type: ignore[call-arg]
        tell("quantize", 0.0)
        maker.quantize(whole, file, quantize)  # type: ignore[attr-defined]
        whole.unlink()
    description = {**interfaces.describe(pipeline, interface), "name": order["name"], "format": kind}
    maker.describe(file, description)
    tell("check", 0.0)
    found = parity.compare(interface, maker.Runner(file, order["threads"]), lambda share: tell("check", share))
    parity.check(kind, found)
    tell("time", 0.0)
    # loaded anew: a runner that has worked on sixteen at once keeps their memory, and is a fifth slower with one
    latency = parity.time_both(interface, maker.Runner(file, order["threads"]), order["threads"])
    return {
        "description": description,
        "parity": parity.as_values(found),
        "latency": parity.as_values(latency),
        "seconds": round(time.perf_counter() - began, 1),
    }


def bound_memory(gigabytes: float) -> None:
    """Lets this process hold no more data than that, where the system can bound it."""
    if sys.platform != "linux":
        return
    import resource

    most = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


@contextmanager
def _lines() -> Iterator[TextIO]:
    """Standard output for our lines alone; what libraries print, in Python or in C++, goes to standard error."""
    ours = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(ours, "w", encoding="utf-8") as lines:
        yield lines


def _leave_with_parent(file: Path) -> None:
    while os.read(0, 4096):  # not through sys.stdin, which an ending interpreter wants for itself
        pass
    for half in (file, file.with_suffix(".whole")):  # nobody else is left who would take them away
        with suppress(OSError):
            half.unlink(missing_ok=True)
    os._exit(1)


def _is_memory(error: Exception) -> bool:
    is_full = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    return is_full or bool(_NO_MEMORY.search(_first_line(error)))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _too_much(order: dict[str, Any]) -> str:
    return f"the conversion needs more than {order['memory_gb']:g} GB of memory; take a smaller size"


def main() -> None:
    """One order from standard input; see above."""
    warnings.simplefilter("ignore")
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, args=(Path(order["file"]),), daemon=True).start()
    with _lines() as lines:

        def say(**values: Any) -> None:
            lines.write(json.dumps(values) + "\n")
            lines.flush()

        try:
            bound_memory(order["memory_gb"])
            if hasattr(os, "nice"):
                os.nice(max(0, NICENESS - os.nice(0)))
            say(done=make(order, lambda stage, share: say(stage=stage, share=share)))
        except GanDemoError as error:
            say(error=str(error), parity=isinstance(error, ParityError))
        except OSError as error:
            if _is_memory(error):
                say(error=_too_much(order))
            else:
                why = error.strerror or _first_line(error)[:120]
                say(error=f"a file can't be read or written ({why}); free some space, or try again")
        except Exception as error:  # a converter fails in ways of its own; its words are the best there are
            if _is_memory(error):
                say(error=_too_much(order))
            else:
                say(error=f"the converter gave up on this network ({_first_line(error)[:200]}); take another format")


if __name__ == "__main__":
    main()
