"""Names on the Hub: `USER/REPO`, and `USER/REPO@REVISION` where a branch, tag or commit is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gandemo.errors import RequestError

# The Hub's own rules: letters, digits, '-', '_' and '.', no "--" and no "..", 96 characters in all.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"({_PART})/({_PART})")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}")
_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?:spaces/|datasets/)?")
_MEANT = "give USER/REPO, such as ada/my-digits, or USER/REPO@REVISION"


@dataclass(frozen=True)
class HubId:
    """A repository, and which state of it.

    Attributes:
        repo: `USER/REPO`.
        revision: a branch, tag or commit; empty: the newest.
    """

    repo: str
    revision: str = ""

    @classmethod
    def parse(cls, text: str) -> HubId:
        """Reads `USER/REPO`, `USER/REPO@REVISION`, or the address of the repository's page.

        Raises:
            RequestError: it is neither; the message says what would be right.
        """
        given = text.strip()
        name = given
        if address := _ADDRESS.match(given):
            name = given[address.end() :].rstrip("/").replace("/tree/", "@", 1)
        repo, at, revision = name.partition("@")
        fits = _REPO.fullmatch(repo) and len(repo) <= 96 and "--" not in repo and ".." not in repo
        if not fits or repo.endswith(".git"):
            raise RequestError(f"{given[:120]!r} is no repository on the Hub; {_MEANT}")
        if at and (not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision):
            raise RequestError(f"{revision[:100]!r} is no revision; {_MEANT}")
        return cls(repo, revision)

    @property
    def folder(self) -> str:
        """The name of its checkpoint here; no two repositories share one, since the Hub's names have no "--"."""
        revision = f"--{self.revision.replace('/', '-')}" if self.revision else ""
        return self.repo.replace("/", "--") + revision

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


def looks_like_one(text: str) -> bool:
    """Whether a text could name a repository: for a search that has tried every checkpoint on this machine."""
    try:
        HubId.parse(text)
    except RequestError:
        return False
    return True
