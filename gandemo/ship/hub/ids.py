"""Names on the Hub: `USER/REPO`, and `USER/REPO@REVISION` where a branch, tag or commit is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gandemo.errors import RequestError

# The Hub's own rules: letters, digits, '-', '_' and '.', no "--" and no "..", 96 characters in all.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"({_PART})/({_PART})")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,99}")
_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(spaces/|datasets/)?")
_KINDS = {None: "model", "spaces/": "space", "datasets/": "dataset"}  # by what stands in an address before the name
_CALLED = {"model": "a model repository", "space": "a Space", "dataset": "a data set"}
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
    def parse(cls, text: str, kind: str = "model") -> HubId:
        """Reads `USER/REPO`, `USER/REPO@REVISION`, or the address of the repository's page.

        Args:
            text: from a person.
            kind: what is wanted: "model", "space" or "dataset".

        Raises:
            RequestError: it is none of these, or the address of something else; the message says what would be right.
        """
        given = text.strip()
        name = given
        if address := _ADDRESS.match(given):
            if (found := _KINDS[address[1]]) != kind:
                raise RequestError(f"{given[:120]!r} is {_CALLED[found]}; give {_CALLED[kind]}")
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


def looks_like_one(text: str, kind: str = "model") -> bool:
    """Whether a text could name a repository: for a search that has tried everything on this machine."""
    try:
        HubId.parse(text, kind)
    except RequestError:
        return False
    return True
