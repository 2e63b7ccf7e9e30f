"""What the fake Hub keeps: users, files, repositories with their commits; and what shall go wrong."""

from __future__ import annotations

import fnmatch
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LARGE = ("*.safetensors", "*.tflite", "*.onnx", "*.zip", "*.gz", "*.png", "*.jpg", "*.bin", "*.pt", "*.pkl")
DATE = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class User:
    name: str
    role: str = "write"
    orgs: tuple[str, ...] = ()


USERS = {
    "hf_ada": User("ada", orgs=("lab",)),
    "hf_ben": User("ben"),
    "hf_reader": User("ada", "read"),
}


@dataclass(frozen=True)
class File:
    """A file's bytes, and what the Hub says of them; a liar's says a size that is not theirs."""

    data: bytes
    large: bool
    told: int | None = None

    @property
    def size(self) -> int:
        return len(self.data) if self.told is None else self.told

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()
        shown = pointer if self.large else self.data
        return hashlib.sha1(b"blob %d\0" % len(shown) + shown).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        lfs = {"lfs": {"oid": self.sha256, "size": self.size, "pointerSize": 130}} if self.large else {}
        return {"type": "file", "path": path, "size": self.size, "oid": self.oid, **lfs}


@dataclass
class Repo:
    """A repository: its commits by id, each a whole tree, and where its branches stand."""

    name: str
    kind: str
    private: bool
    variables: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)

    def add(self, tree: Mapping[str, File], title: str, ref: str = "main") -> str:
        oid = hashlib.sha1(secrets.token_bytes(20)).hexdigest()
        self.commits[oid], self.refs[ref] = dict(tree), oid
        self.titles.append(title)
        return oid

    def tree(self, ref: str = "main") -> dict[str, File]:
        return self.commits[self.refs[ref]]


@dataclass(frozen=True)
class Call:
    """A request that came: what was asked, how it was answered (0: not at all), in whose name."""

    method: str
    path: str
    status: int
    token: str


class RefusalError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass
class Fault:
    needle: str
    status: int
    times: int
    headers: dict[str, str]
    method: str
    after: int = 0  # bytes of a body until the connection is cut; status 0
    late: bool = False  # cut when all was done, before the answer
    garbled: bool = False  # every byte of the answer is another


def file_of(path: str, value: bytes | File) -> File:
    return value if isinstance(value, File) else File(value, is_large(path, len(value)))


def is_large(path: str, size: int) -> bool:
    return size > 10 << 20 or any(fnmatch.fnmatch(path.rpartition("/")[2], pattern) for pattern in LARGE)
