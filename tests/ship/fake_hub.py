"""A small, honest stand-in for the Hugging Face Hub: as much of its HTTP API as the real client asks of it.

    with FakeHub() as hub:
        HfApi(hub.endpoint, token="hf_ada")

What it keeps honest: tokens and roles (401, 403), private repositories that others can't tell from missing ones, large
files through a signed address on another origin with their digests checked, commits that name no file never uploaded
and whose parent is still the newest (412), redirects of downloads, pages of a tree, metadata of cards.

What can go wrong on demand: `fail` (an answer), `cut` (the connection in the middle of an upload or download),
`before_commit` (somebody else is quicker), `plant` (a repository such as nobody honest makes), `close` (all of it).
Every request is in `log`, with the token that came with it. No Xet, git, pull requests or quotas.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from tests.ship.fake_hub_http import Server
from tests.ship.fake_hub_parts import USERS, Call, Fault, File, RefusalError, Repo, User, file_of

__all__ = ["FakeHub", "File", "Repo", "User"]


class FakeHub:
    """A server in threads of this process, on a free port of this machine."""

    def __init__(self, users: Mapping[str, User] | None = None, page: int = 50) -> None:
        self.users, self.page = dict(users or USERS), page
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.signed: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.log: list[Call] = []
        self.visitor = "hf_ada"  # who is signed in, in the browser
        self.codes: dict[str, tuple[str, str]] = {}
        self.key: object = None
        self.before_commit: Callable[[Repo], None] | None = None
        self.lock = threading.RLock()
        self.server = Server(("127.0.0.1", 0), self)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> FakeHub:
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody listens at the address any more."""
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
        self.server.server_close()
        for connection in self.server.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage(self) -> str:
        """The origin of large files: not the endpoint's, so that a token sent there is seen."""
        return f"http://localhost:{self.port}"

    # --- what goes wrong --------------------------------------------------------------------------------------

    def fail(
        self, needle: str, status: int, times: int = 1, headers: Mapping[str, str] | None = None, method: str = ""
    ) -> None:
        """The next requests whose path has `needle` in it are answered so."""
        self.faults.append(Fault(needle, status, times, dict(headers or {}), method))

    def cut(self, needle: str, after: int, times: int = 1) -> None:
        """The next requests whose path has `needle` in it lose their connection after so many bytes of a body."""
        self.faults.append(Fault(needle, 0, times, {}, "", after))

    def lose_answer(self, needle: str) -> None:
        """The next request whose path has `needle` in it is carried out, but not answered."""
        self.faults.append(Fault(needle, 0, 1, {}, "", 0, late=True))

    def garble(self, needle: str, times: int = 1) -> None:
        """The next requests whose path has `needle` in it are answered with other bytes, as many."""
        self.faults.append(Fault(needle, 0, times, {}, "", 0, garbled=True))

    def plant(self, name: str, files: Mapping[str, bytes | File], kind: str = "model", private: bool = False) -> Repo:
        """A repository with these files, made by no rule."""
        repo = Repo(name, kind, private)
        repo.add({path: file_of(path, value) for path, value in files.items()}, "planted")
        self.repos[f"{kind}s/{name}"] = repo
        return repo

    # --- what tests look at -----------------------------------------------------------------------------------

    def repo(self, name: str, kind: str = "model") -> Repo:
        return self.repos[f"{kind}s/{name}"]

    def files(self, name: str, kind: str = "model") -> dict[str, bytes]:
        return {path: file.data for path, file in self.repo(name, kind).tree().items() if path != ".gitattributes"}

    def asked(self, needle: str, method: str = "") -> list[Call]:
        return [call for call in self.log if needle in call.path and method in ("", call.method)]

    def tokens(self) -> set[str]:
        """Every token that came."""
        return {call.token for call in self.log if call.token}

    # --- who may what -----------------------------------------------------------------------------------------

    def user(self, token: str, need: str = "") -> User | None:
        if not token:
            if need:
                raise RefusalError(401, "Invalid username or password.")
            return None
        found = self.users.get(token)
        if found is None:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        if need == "write" and found.role != "write":
            raise RefusalError(403, "Forbidden: you must use a write token to upload to a repository.")
        return found

    def find(self, kinds: str, name: str, token: str, need: str = "") -> Repo:
        user, repo = self.user(token, need), self.repos.get(f"{kinds}/{name}")
        owner = name.partition("/")[0]
        mine = user is not None and (owner == user.name or owner in user.orgs)
        if repo is None or (repo.private and not mine):
            raise RefusalError(404 if user else 401, "Repository not found", "RepoNotFound")
        if need == "write" and not mine:
            raise RefusalError(403, f"Forbidden: you don't have write access to {name}")
        return repo

    def commit_of(self, repo: Repo, revision: str) -> str:
        oid = repo.refs.get(revision, revision)
        if oid not in repo.commits:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid
