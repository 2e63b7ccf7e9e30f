"""Who asks the Hub and where it is; its errors told in one sentence, its bad moments waited out within bounds."""

from __future__ import annotations

import errno
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import httpx2 as httpx  # the one that huggingface_hub asks with
import huggingface_hub
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub import logging as hub_logging
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import default_client_factory, parse_ratelimit_headers
from huggingface_hub.utils.tqdm import disable_progress_bars

from gandemo import __version__
from gandemo.errors import GanDemoError, HubError

T = TypeVar("T")

ATTEMPTS = 5  # at a commit, which the library does not repeat
LOOKS = 3  # at what is there
LONGEST_WAIT = 60.0  # seconds that the Hub may ask to wait; more is told instead of waited
TOKEN_PAGE = "https://huggingface.co/settings/tokens"
_SAVED = "the token that is saved on this machine"
_PASSING = (408, 429, 500, 502, 503, 504)


class _AskedToWaitError(OSError):
    """The Hub asks for a longer wait than anybody would sit through."""

    def __init__(self, seconds: float) -> None:
        super().__init__(errno.EBUSY, "the Hub asks to wait")
        self.seconds = seconds


def _client() -> httpx.Client:
    """The library's own client; it would wait for ever for a silent server, and for as long as any server asks."""
    client = default_client_factory()
    client.timeout = httpx.Timeout(120.0, connect=15.0)
    client.event_hooks = {
        **client.event_hooks,
        "response": [*client.event_hooks.get("response", []), _refuse_long_waits],
    }
    return client


def _refuse_long_waits(response: httpx.Response) -> None:
    seconds = _asked_wait(response) if response.status_code in _PASSING else None
    if seconds is not None and seconds > LONGEST_WAIT:
        raise _AskedToWaitError(seconds)


def _asked_wait(response: httpx.Response) -> float | None:
    """The seconds that an answer asks to wait, if it does."""
    limits = parse_ratelimit_headers(response.headers)
    if limits is not None and limits.remaining == 0 and response.status_code == 429:
        return float(limits.reset_in_seconds)
    given = response.headers.get("retry-after", "").strip()
    return float(given) if given.isdigit() else None


set_client_factory(_client)
hub_logging.set_verbosity(logging.ERROR)  # what went wrong is told once, in a sentence
with warnings.catch_warnings():  # where HF_HUB_DISABLE_PROGRESS_BARS=0 asks for the bars, they stay
    warnings.simplefilter("ignore")
    disable_progress_bars()  # progress is told by whoever asks for it


def _nobody_listens(sentence: str) -> None:
    del sentence


@dataclass(frozen=True)
class Hub:
    """A way to ask the Hub.

    Attributes:
        token: in whose name; None: in nobody's. Never the one saved on this machine unless it is given here.
        endpoint: its address; None: `HF_ENDPOINT`, else the public Hub.
        cache: where downloads are kept for others to find; None: where `huggingface_hub` keeps them.
        offline: what is in the cache may be used where the Hub can't be reached. Only for whoever owns the cache:
            it may hold what others are not allowed to see.
        instead: what to do where another token would be needed, if whoever asks can't give one; empty: they can.
        sleep: waits between two attempts.
        tell: hears a sentence about what goes on.
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    cache: Path | None = None
    offline: bool = True
    instead: str = ""
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = _nobody_listens

    @property
    def api(self) -> HfApi:
        """The library's client. False, not None, is its word for nobody: None would take the saved token."""
        return HfApi(self.endpoint, self.token or False, library_name="gandemo", library_version=__version__)

    @property
    def host(self) -> str:
        """The Hub's name for people."""
        address = self.api.endpoint.partition("://")[2]
        return "the Hub" if address == "huggingface.co" else f"the Hub at {address}"

    @contextmanager
    def asking(self, repo: str = "") -> Iterator[None]:
        """Turns what the library raises into a HubError of one sentence.

        Args:
            repo: the repository that is asked for, to name it.
        """
        try:
            yield
        except GanDemoError:
            raise
        except Exception as error:
            sentence = self._sentence(error, repo)
            if sentence is None:
                raise
            raise HubError(sentence) from None

    def patiently(self, ask: Callable[[], T], *, attempts: int = LOOKS) -> T:
        """Asks again where an answer is lost or the Hub is busy or out of order; a few times, ever more slowly."""
        for attempt in range(1, attempts):
            try:
                return ask()
            except Exception as error:
                wait = patience(error)
                if wait is None:
                    raise
                self.rest(attempt, wait)
        return ask()

    def rest(self, attempt: int, asked: float) -> None:
        """The pause after an attempt: as long as the Hub asks, at least twice as long as the one before."""
        seconds = max(asked, float(2 ** (attempt - 1)))
        self.tell(f"{self.host} is busy; trying again in {seconds:.0f} s")
        self.sleep(seconds)

    def _sentence(self, error: Exception, repo: str) -> str | None:
        """What to tell people of an error; None where it is none of the Hub's."""
        where = repo or "the repository"
        if isinstance(error, ValueError) and "metadata" in str(error).lower():
            return f"the card's front matter is not valid: {' '.join(str(error).split())[:200]}; mend README.md"
        for one in causes(error):
            if isinstance(one, _AskedToWaitError):
                return f"{self.host} asks to slow down; try again in {_minutes(one.seconds)}"
            if isinstance(one, OfflineModeIsEnabled):
                return (
                    f"{where} is not in the cache, and HF_HUB_OFFLINE keeps from asking the Hub; unset it to download"
                )
            if isinstance(one, LocalTokenNotFoundError):
                return NO_TOKEN
            if isinstance(one, GatedRepoError):
                page = self.instead or f"{self.api.endpoint}/{repo}"
                return f"{where} asks for its conditions to be accepted first: {page}"
            if isinstance(one, DisabledRepoError):
                return f"{where} was disabled by the Hub; choose another one"
            if isinstance(one, RevisionNotFoundError):
                return f"{where} has no such revision; its page on the Hub lists branches and tags"
            if isinstance(one, HfHubHTTPError):
                return self._answer(one, where)
            if isinstance(one, httpx.TransportError):
                return f"{self.host} can't be reached ({_reason(one)}); check the network and try again"
        if isinstance(error, HFValidationError):
            return f"{where} is no name that the Hub allows: {str(error)[:200]}"
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            return f"can't write {error.filename or 'the cache'}: {error.strerror}; free some space or set HF_HOME"
        # a size that is not as announced, a failed transfer, which Xet calls a plain RuntimeError; no defect of ours
        if all(isinstance(one, OSError | ValueError) or type(one) is RuntimeError for one in causes(error)):
            return f"the transfer of {where} failed ({' '.join(str(error).split())[:160]}); try again"
        return None

    def _answer(self, error: HfHubHTTPError, where: str) -> str:
        status, said = error.response.status_code, " ".join((error.server_message or "").split())[:160]
        if status == 401 and "credentials" in said.lower():
            if self.instead:
                return "the Hub does not know this sign-in any more; sign out, and in again"
            return f"the Hub does not know this token: it is wrong, or no longer valid; make another at {TOKEN_PAGE}"
        if isinstance(error, RepositoryNotFoundError) or status == 401:
            seen = "this token may see" if self.token else "anybody may see"
            more = f": {self.instead}" if self.instead else ", or give a token of somebody who may"
            return f"there is no {where} on {self.host} that {seen}; check the name{more}"
        if status == 403:
            more = self.instead or f"make one that may at {TOKEN_PAGE}"
            whose = "this page" if self.instead else "this token"
            return f"{whose} may not write to {where}{f' ({said})' if said else ''}; {more}"
        if status in (409, 412):
            return f"{where} was changed by somebody else at the same moment, time and again; try again in a minute"
        if status == 413:
            return f"{where}: the Hub finds this too large ({said}); push less at once"
        if status == 429:
            return f"{self.host} asks to slow down; try again in {_minutes(_asked_wait(error.response) or 300)}"
        if status >= 500:
            return f"{self.host} is out of order ({status}); nothing was changed there, try again later"
        return f"{self.host} refused ({status}{f': {said}' if said else ''}); check {where} and try again"


NO_TOKEN = (
    f"this needs a token of yours: make one with write access at {TOKEN_PAGE}, then run: hf auth login, "
    "or set HF_TOKEN, or give a file with --token-file"
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it: the library wraps a failed connection into 'not in the cache'."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def patience(error: BaseException) -> float | None:
    """The least seconds to wait before another attempt; None: another one would end the same."""
    for one in causes(error):
        if isinstance(one, HfHubHTTPError):
            return (_asked_wait(one.response) or 0.0) if one.response.status_code in _PASSING else None
        if isinstance(one, httpx.TransportError):
            return 0.0
    return None


def token_of(file: Path | None = None) -> str | None:
    """The token of whoever runs this: from a file, else as `huggingface_hub` finds it (HF_TOKEN, a saved login).

    Raises:
        HubError: the file can't be read or holds no token.
    """
    if file is None:
        try:
            found = huggingface_hub.get_token()
        except Exception as error:  # a file that is not ours to read, or no text
            reason = getattr(error, "strerror", None) or "it is no text"
            raise HubError(f"can't read {_SAVED}: {reason}; run hf auth login again, or set HF_TOKEN") from None
        return found if found is None or is_token(found) else _no_token(_SAVED)
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise HubError(f"can't read the token from {file}: {reason}") from None
    return token if is_token(token) else _no_token(str(file))


def is_token(text: str) -> bool:
    """Whether a text can be a token: one word that a header carries."""
    return 0 < len(text) <= 400 and text.isascii() and text.isprintable() and " " not in text


def _no_token(where: str) -> NoReturn:
    raise HubError(f"{where} must hold a token and nothing else; make one at {TOKEN_PAGE}")


def _reason(error: BaseException) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return " ".join(str(error).split())[:100] or type(error).__name__


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
