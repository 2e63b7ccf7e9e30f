"""Which process trains in a run folder, and how it is asked to stop.

A process claims its run by a file that it keeps locked: the kernel gives the lock back however the process ends, so
that neither a reused pid, a clock that jumps nor a copied folder can fool a reader. The file also names the process,
by pid and start time, for whoever may have to end it, and for file systems without locks.

Nothing here loads torch: a child claims its run before it takes the seconds that torch needs.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gandemo.errors import TrainingError

CLAIM = "process.json"
STOP = "stop"


@dataclass(frozen=True)
class Claim:
    """What a process tells of itself in the run folder.

    Attributes:
        pid: its number; 0: not told yet.
        began: when it started, by `start_of`.
        told: how long `events.jsonl` was then; what lies beyond is this process's own word.
        file: the very file that the claim was written into, by `_identity`; a copied folder has another.
    """

    pid: int
    began: str
    told: int
    file: str = field(default="", compare=False)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self.pid > 0 and self.began != "" and start_of(self.pid) == self.began


class Hold:
    """The right to train in a run folder, held by this process until it gives it back or ends."""

    def __init__(self, folder: Path, handle: int) -> None:
        self._folder, self._handle, self._pid = folder, handle, os.getpid()

    def release(self) -> None:
        """Gives the right back; a second call does nothing."""
        handle, self._handle = self._handle, -1
        if handle < 0 or self._pid != os.getpid():  # a forked child holds a copy that is not its own
            return
        with suppress(OSError):
            (self._folder / STOP).unlink(missing_ok=True)
        with suppress(OSError):
            os.ftruncate(handle, 0)
        os.close(handle)

    def __del__(self) -> None:
        self.release()


_reserved: dict[Path, Hold] = {}
_guard = threading.Lock()


def reserve(folder: Path) -> None:
    """Claims a run early; the next `hold` of it in this process takes the claim over.

    Raises:
        TrainingError: as for `hold`.
    """
    taken = hold(folder)
    with _guard:
        _reserved[folder.resolve()] = taken


def hold(folder: Path) -> Hold:
    """Claims a run for this process. A request to stop that an earlier one left behind is forgotten.

    Raises:
        TrainingError: another process trains there, or the folder can't be written.
    """
    with _guard:
        reserved = _reserved.pop(folder.resolve(), None)
    if reserved is not None:
        return reserved
    try:
        handle = os.open(folder / CLAIM, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise TrainingError(
            f"can't write {folder}: {error.strerror}; free some space or choose another folder"
        ) from None
    free = _lock_patiently(handle)
    earlier = _parse(_content(handle))
    # a living process that does not hold the lock yet is a child that has just been started
    lives = earlier is not None and earlier.alive and earlier.file in ("", _identity(handle))
    if free is False or (lives and earlier is not None and earlier.pid != os.getpid()):
        os.close(handle)
        raise TrainingError(f"{folder.name} is training already{_by(earlier)}; stop it first, or let it train")
    if not _is_still(folder / CLAIM, handle):
        os.close(handle)
        raise TrainingError(f"{folder.name} was deleted; choose another run")
    with suppress(OSError):
        (folder / STOP).unlink(missing_ok=True)
    write_claim(folder, os.getpid(), handle=handle)
    return Hold(folder, handle)


def write_claim(folder: Path, pid: int, *, told: int | None = None, handle: int | None = None) -> None:
    """Writes who trains here; the parent of a child that has yet to claim its run speaks for it."""
    mine = os.open(folder / CLAIM, os.O_RDWR | os.O_CREAT, 0o644) if handle is None else handle
    try:
        told = _size(folder / "events.jsonl") if told is None else told
        text = json.dumps(asdict(Claim(pid, start_of(pid), told, _identity(mine)))).encode()
        # in place: another file under this name would not be the locked one
        os.lseek(mine, 0, os.SEEK_SET)
        os.write(mine, text)
        os.ftruncate(mine, len(text))
    finally:
        if handle is None:
            os.close(mine)


def holder(folder: Path) -> Claim | None:
    """The process that trains in a run folder, or is about to; None: nobody does."""
    try:
        handle = os.open(folder / CLAIM, os.O_RDONLY)
    except OSError:
        return None
    try:
        free = _lock(handle, shared=True)
        claim = _parse(_content(handle))
        here = _identity(handle)
    finally:
        os.close(handle)
    if free is False:
        return claim or Claim(0, "", 0)
    return claim if claim is not None and claim.alive and claim.file in ("", here) else None


def request_stop(folder: Path, reason: str = "") -> None:
    """Asks the process in a run folder to save and leave; the loop looks between two steps.

    Raises:
        TrainingError: the folder can't be written.
    """
    try:
        (folder / STOP).write_text(reason, encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"can't write {folder}: {error.strerror}; free some space and try again") from None


def stop_requested(folder: Path) -> bool:
    """Whether somebody asked the run in this folder to stop."""
    return os.path.exists(folder / STOP)


def stop_reason(folder: Path) -> str:
    """Why it was asked to stop; empty: a person wanted it."""
    try:
        return (folder / STOP).read_text(encoding="utf-8")[:500]
    except (OSError, UnicodeDecodeError):
        return ""


def kill(folder: Path) -> bool:
    """Ends the process in a run folder at once, unsaved; only if it is the very one that claimed it."""
    claim = holder(folder)
    if claim is None or not claim.alive or claim.pid == os.getpid():
        return False
    with suppress(OSError):
        os.kill(claim.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        return True
    return False


def leash(niceness: int = 10, then: Callable[[], None] | None = None) -> Callable[[], bool]:
    """Ties this process to the one that started it: a line `stop` on standard input, or its end, mean stop.

    Args:
        niceness: how far its priority is lowered.
        then: called, in a thread of its own, when it is asked to stop.

    Returns:
        Whether it was asked to stop.
    """
    asked = threading.Event()

    def listen() -> None:
        # bytes from the handle itself: a thread that waits in sys.stdin would hold its lock when Python ends
        text = b""
        with suppress(OSError):
            while b"stop" not in text.split(b"\n")[:-1]:
                more = os.read(0, 4096)
                if not more:
                    break
                text = (text + more)[-4096:]
        asked.set()
        if then is not None:
            then()

    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(niceness)
    threading.Thread(target=listen, name="leash", daemon=True).start()
    return asked.is_set


def end(grace: float = 10.0) -> None:
    """Ends this process from a thread: as Ctrl-C would, and by force where that has not ended it after a while.

    Args:
        grace: seconds that it has to tidy up.
    """
    _thread.interrupt_main()
    time.sleep(grace)
    os._exit(1)


def several() -> bool:
    """Whether this process is one of several that `torchrun`, or whoever sets the same variables, has started."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


def start_of(pid: int) -> str:
    """When a process started, as its system tells it, never by the wall clock; empty: it is not there or has ended."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
                boot = file.read().strip()
        except OSError:
            return ""
        return "" if fields[0] in "ZXx" else f"{boot}:{fields[19]}"
    elif sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = wintypes.HANDLE
        process = wintypes.HANDLE(kernel.OpenProcess(0x1000, False, pid))  # PROCESS_QUERY_LIMITED_INFORMATION
        if not process:
            return ""
        try:
            code, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
            kernel.GetExitCodeProcess(process, ctypes.byref(code))
            kernel.GetProcessTimes(process, *(ctypes.byref(value) for value in times))
            still_active = 259
            return f"{times[0].dwHighDateTime}:{times[0].dwLowDateTime}" if code.value == still_active else ""
        finally:
            kernel.CloseHandle(process)
    else:
        command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        status, _, began = found.stdout.strip().partition(" ")
        return "" if status.startswith("Z") else began.strip()


def lock_file(path: Path, seconds: float = 10.0) -> int:
    """Waits for the only right to a file, given back by `os.close` of the handle returned, or when the process ends.

    Raises:
        TrainingError: it stayed taken, or can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise TrainingError(
            f"can't write {path.parent}: {error.strerror}; choose another GANDEMO_HOME or free some space"
        ) from None
    if _lock_patiently(handle, seconds) is False:
        os.close(handle)
        raise TrainingError(f"{path.parent} is busy: another process holds {path.name}; try again in a moment")
    return handle


def _lock_patiently(handle: int, seconds: float = 0.5) -> bool | None:
    """A reader that looks whether the lock is free holds it for a moment, which must not count."""
    deadline = time.monotonic() + seconds
    while True:
        found = _lock(handle)
        if found is not False or time.monotonic() >= deadline:
            return found
        time.sleep(0.01)


def _lock(handle: int, *, shared: bool = False) -> bool | None:
    """Locks an open file until it is closed: True, or False where another has it; None: no locks on this system."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, 2**20, os.SEEK_SET)  # Windows locks bytes, and locked ones can't be read: take one far away
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _content(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, 4096)


def _parse(text: bytes) -> Claim | None:
    try:
        values = json.loads(text)
        return Claim(int(values["pid"]), str(values["began"]), int(values["told"]), str(values.get("file", "")))
    except (ValueError, KeyError, TypeError):
        return None


def _identity(handle: int) -> str:
    """Tells an open file from a copy of it."""
    found = os.fstat(handle)
    return f"{found.st_dev}:{found.st_ino}"


def _by(claim: Claim | None) -> str:
    return f" in process {claim.pid}" if claim is not None and claim.pid else ""


def _is_still(path: Path, handle: int) -> bool:
    """Whether the open file is the one of that name: a deleted run must not be claimed."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
