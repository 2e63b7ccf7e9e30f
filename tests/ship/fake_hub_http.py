"""The fake Hub's HTTP: every request that the real client makes, on `http.server`, where a connection can be cut."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socket
import struct
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml

from tests.ship import fake_sign_in
from tests.ship.fake_hub_parts import DATE, Call, Fault, File, RefusalError, Repo, is_large

if TYPE_CHECKING:
    from tests.ship.fake_hub import FakeHub


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], hub: FakeHub) -> None:
        self.hub = hub
        self.connections: list[socket.socket] = []
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that the other side gave up is no news."""


class _CutError(Exception):
    pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece
    server: Server
    body: bytes = b""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server calls

    def answer(self) -> None:
        hub, parts = self.server.hub, urlsplit(self.path)
        path = unquote(parts.path)
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.token = self.headers.get("authorization", "").removeprefix("Bearer ").strip()
        self.status = 0
        try:
            fault = self.fault(path)
            self.garbled = fault is not None and fault.garbled
            cut = fault is not None and not fault.status and not fault.late and not fault.garbled
            self.body = self.read_body(fault.after if fault and cut else None)
            if fault and fault.status:
                self.send(fault.status, b"on purpose", fault.headers)
            else:
                self.limit, self.lost = fault.after if fault and cut else None, bool(fault and fault.late)
                for pattern, method, function in _ROUTES:
                    if method == self.command and (match := re.fullmatch(pattern, path)):
                        function(self, hub, *match.groups())
                        break
                else:
                    raise RefusalError(404, f"{self.command} {path} is nothing that the fake Hub knows")
        except RefusalError as refusal:
            headers = {"X-Error-Message": refusal.message, **({"X-Error-Code": refusal.code} if refusal.code else {})}
            self.json({"error": refusal.message}, refusal.status, headers)
        except _CutError:
            # reset, not closed: the other side may be in the middle of sending
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        finally:
            hub.log.append(Call(self.command, path, self.status, self.token))

    def fault(self, path: str) -> Fault | None:
        with self.server.hub.lock:
            for fault in self.server.hub.faults:
                if fault.times > 0 and fault.needle in path and fault.method in ("", self.command):
                    fault.times -= 1
                    return fault
        return None

    def read_body(self, limit: int | None) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            found = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                found += self.rfile.read(size)
                self.rfile.readline()
                if limit is not None and len(found) >= limit:
                    raise _CutError
            self.rfile.readline()
            return found
        length = int(self.headers.get("content-length", 0))
        if limit is not None and length > limit:
            self.rfile.read(limit)
            raise _CutError
        return self.rfile.read(length)

    def send(
        self, status: int, data: bytes, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        if getattr(self, "lost", False):
            raise _CutError
        if getattr(self, "garbled", False):
            data = bytes(255 - byte for byte in data)
        self.status = status
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        if getattr(self, "limit", None) is not None and len(data) > self.limit:
            self.wfile.write(data[: self.limit])
            self.wfile.flush()
            raise _CutError
        self.wfile.write(data)

    def json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    @property
    def sent(self) -> Any:
        return json.loads(self.body or b"{}")

    # --- accounts and repositories ------------------------------------------------------------------------------

    def whoami(self, hub: FakeHub) -> None:
        user = hub.user(self.token, "read")
        assert user is not None
        access = {"displayName": "test", "role": user.role, "createdAt": DATE}
        orgs = [{"type": "org", "name": name, "fullname": name, "roleInOrg": "admin"} for name in user.orgs]
        self.json(
            {
                "type": "user",
                "id": user.name,
                "name": user.name,
                "fullname": user.name.title(),
                "orgs": orgs,
                "avatarUrl": "",
                "auth": {"type": "access_token", "accessToken": access},
            }
        )

    def create(self, hub: FakeHub) -> None:
        user, wish = hub.user(self.token, "write"), self.sent
        assert user is not None
        owner = wish.get("organization") or user.name
        kind, name = wish.get("type") or "model", f"{owner}/{wish['name']}"
        if owner != user.name and owner not in user.orgs:
            raise RefusalError(403, f'You don\'t have the rights to create a {kind} under the namespace "{owner}".')
        with hub.lock:
            if f"{kind}s/{name}" in hub.repos:
                raise RefusalError(409, f"You already created this {kind} repo: {name}")
            repo = Repo(name, kind, wish.get("visibility") == "private")
            repo.variables = {one["key"]: one["value"] for one in wish.get("variables", [])}
            hub.repos[f"{kind}s/{name}"] = repo
            repo.add({".gitattributes": File(b"*.safetensors filter=lfs\n", False)}, "initial commit")
        self.json({"url": f"{hub.endpoint}/{name}", "name": name})

    def validate(self, hub: FakeHub) -> None:
        found = re.match(r"\s*---\r?\n(.*?)\r?\n---", self.sent["content"], re.DOTALL)
        errors = []
        try:
            values = yaml.safe_load(found[1]) if found else {}
            for one in values.get("model-index", []):
                for result in one["results"]:
                    assert {"task", "dataset", "metrics"} <= set(result), "model-index lacks a part"
            if not isinstance(values.get("license", ""), str):
                errors.append({"message": '"license" must be a string'})
        except (yaml.YAMLError, AssertionError, KeyError, AttributeError) as error:
            errors.append({"message": f"metadata: {error}"})
        self.json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def info(self, hub: FakeHub, kinds: str, name: str, revision: str | None = None) -> None:
        repo = hub.find(kinds, name, self.token)
        oid = hub.commit_of(repo, revision or "main")
        siblings = [{"rfilename": path} for path in sorted(repo.commits[oid])]
        values = {"_id": name, "id": name, "modelId": name, "sha": oid, "private": repo.private, "gated": False}
        self.json({**values, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0, "createdAt": DATE})

    def variables(self, hub: FakeHub, name: str) -> None:
        repo = hub.find("spaces", name, self.token, "write")
        repo.variables[self.sent["key"]] = self.sent["value"]
        self.json({key: {"value": value} for key, value in repo.variables.items()})

    def tree(self, hub: FakeHub, kinds: str, name: str, revision: str, folder: str | None = None) -> None:
        repo = hub.find(kinds, name, self.token)
        files = repo.commits[hub.commit_of(repo, revision)]
        inside = {path: file for path, file in files.items() if not folder or path.startswith(f"{folder}/")}
        if folder and not inside:
            raise RefusalError(404, f"{folder} does not exist", "EntryNotFound")
        entries = [file.entry(path) for path, file in sorted(inside.items())]
        start, headers = int(self.query.get("cursor", 0)), {}
        if start + hub.page < len(entries):
            following = f"{hub.endpoint}{quote(urlsplit(self.path).path)}?recursive=true&cursor={start + hub.page}"
            headers["Link"] = f'<{following}>; rel="next"'
        self.json(entries[start : start + hub.page], headers=headers)

    def paths(self, hub: FakeHub, kinds: str, name: str, revision: str) -> None:
        repo = hub.find(kinds, name, self.token)
        files = repo.commits[hub.commit_of(repo, revision)]
        wanted = parse_qs(self.body.decode())["paths"]
        self.json([files[path].entry(path) for path in wanted if path in files])

    # --- uploads ------------------------------------------------------------------------------------------------

    def preupload(self, hub: FakeHub, kinds: str, name: str, revision: str) -> None:
        files = hub.find(kinds, name, self.token, "write").tree(revision)
        answer = []
        for one in self.sent["files"]:
            mode = "lfs" if is_large(one["path"], one["size"]) else "regular"
            known = files.get(one["path"])
            oid = None if known is None else known.sha256 if known.large else known.oid
            answer.append({"path": one["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.json({"files": answer})

    def batch(self, hub: FakeHub, prefix: str | None, name: str) -> None:
        hub.find(prefix or "models", name, self.token, "write")
        answer = []
        for one in self.sent["objects"]:
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in hub.objects:
                key = secrets.token_urlsafe(12)
                hub.signed[key] = one["oid"]
                upload = {"href": f"{hub.storage}/storage/{one['oid']}?key={key}"}
                entry["actions"] = {"upload": upload, "verify": {"href": f"{hub.endpoint}/lfs-verify"}}
            answer.append(entry)
        self.json({"transfer": "basic", "objects": answer})

    def store(self, hub: FakeHub, oid: str) -> None:
        if hub.signed.get(self.query.get("key", "")) != oid:
            raise RefusalError(403, "SignatureDoesNotMatch")
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise RefusalError(400, "BadDigest")
        hub.objects[oid] = self.body
        self.send(200, b"")

    def verify(self, hub: FakeHub) -> None:
        hub.user(self.token, "write")
        if len(hub.objects.get(self.sent["oid"], b"")) != self.sent["size"]:
            raise RefusalError(404, "LFS object not found")
        self.json({"message": "ok"})

    def commit(self, hub: FakeHub, kinds: str, name: str, revision: str) -> None:
        repo = hub.find(kinds, name, self.token, "write")
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        head = lines[0]["value"]
        with hub.lock:
            if hub.before_commit is not None:
                hub.before_commit(repo)
            if head.get("parentCommit") not in (None, repo.refs[revision]):
                raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
            tree = dict(repo.tree(revision))
            for line in lines[1:]:
                _apply(hub, tree, line["key"], line["value"])
            oid = repo.add(tree, head["summary"], revision)
        self.json({"success": True, "commitOid": oid, "commitUrl": f"{hub.endpoint}/{name}/commit/{oid}"})

    # --- downloads ----------------------------------------------------------------------------------------------

    def resolve(self, hub: FakeHub, prefix: str | None, name: str, revision: str, path: str) -> None:
        repo = hub.find(prefix or "models", name, self.token)
        oid = hub.commit_of(repo, revision)
        file = repo.commits[oid].get(path)
        headers = {"X-Repo-Commit": oid}
        if file is None:
            raise RefusalError(404, "Entry not found", "EntryNotFound")
        if not file.large:
            self.send(200, file.data, {**headers, "ETag": f'"{file.oid}"'})
            return
        key = secrets.token_urlsafe(12)
        hub.signed[key], hub.objects[file.sha256] = file.sha256, file.data
        linked = {"X-Linked-Size": str(len(file.data)), "X-Linked-Etag": f'"{file.sha256}"'}
        place = {"Location": f"{hub.storage}/storage/{file.sha256}?key={key}"}
        self.send(302, b"", {**headers, **linked, **place})

    def fetch(self, hub: FakeHub, oid: str) -> None:
        if hub.signed.get(self.query.get("key", "")) != oid:
            raise RefusalError(403, "AccessDenied")
        data, headers = hub.objects[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"}
        if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", "")):
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send(206, data[start:], headers)
        else:
            self.send(200, data, headers)


def _apply(hub: FakeHub, tree: dict[str, File], key: str, value: Mapping[str, Any]) -> None:
    """One operation of a commit."""
    path = value["path"]
    if path.startswith("/") or ".." in path.split("/"):
        raise RefusalError(400, f"Invalid path: {path}")
    if key == "file":
        data = base64.b64decode(value["content"])
        if data and is_large(path, len(data)):
            raise RefusalError(400, f"Your push was rejected because {path} must be stored with LFS.")
        tree[path] = File(data, False)
    elif key == "lfsFile":
        if value["oid"] not in hub.objects:
            raise RefusalError(400, f"LFS pointer pointed to a file that does not exist: {path}")
        tree[path] = File(hub.objects[value["oid"]], True)
    elif key == "deletedFile":
        if tree.pop(path, None) is None:
            raise RefusalError(404, f"A file with the name {path} does not exist", "EntryNotFound")
    else:
        raise RefusalError(400, f"unknown operation {key}")


_KIND = r"(models|datasets|spaces)/([^/]+/[^/]+)"
_ROUTES: Iterable[tuple[str, str, Any]] = (
    *fake_sign_in.ROUTES,
    (r"/api/whoami-v2", "GET", _Handler.whoami),
    (r"/api/repos/create", "POST", _Handler.create),
    (r"/api/validate-yaml", "POST", _Handler.validate),
    (rf"/api/{_KIND}", "GET", _Handler.info),
    (rf"/api/{_KIND}/revision/(.+)", "GET", _Handler.info),
    (r"/api/spaces/([^/]+/[^/]+)/variables", "POST", _Handler.variables),
    (rf"/api/{_KIND}/tree/([^/]+)(?:/(.+))?", "GET", _Handler.tree),
    (rf"/api/{_KIND}/paths-info/(.+)", "POST", _Handler.paths),
    (rf"/api/{_KIND}/preupload/(.+)", "POST", _Handler.preupload),
    (rf"/api/{_KIND}/commit/(.+)", "POST", _Handler.commit),
    (r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", "POST", _Handler.batch),
    (r"/storage/([0-9a-f]+)", "PUT", _Handler.store),
    (r"/storage/([0-9a-f]+)", "GET", _Handler.fetch),
    (r"/lfs-verify", "POST", _Handler.verify),
    (r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "GET", _Handler.resolve),
    (r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "HEAD", _Handler.resolve),
)
