"""The fake Hub is as strict as the real one where the tests rely on it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi

from tests.ship.fake_hub import FakeHub

ADA = {"Authorization": "Bearer hf_ada"}


def commit(server: FakeHub, *operations: tuple[str, dict[str, Any]], **head: str) -> httpx.Response:
    lines = [("header", {"summary": "test", **head}), *operations]
    body = "\n".join(json.dumps({"key": key, "value": value}) for key, value in lines)
    return httpx.post(f"{server.endpoint}/api/models/ada/x/commit/main", content=body, headers=ADA)


def test_a_commit_holds_to_the_rules(server: FakeHub) -> None:
    server.plant("ada/x", {})
    never = {"path": "a.safetensors", "algo": "sha256", "oid": "0" * 64}
    assert "does not exist" in commit(server, ("lfsFile", never)).text
    text = base64.b64encode(b"text").decode()
    assert "must be stored with LFS" in commit(server, ("file", {"path": "a.safetensors", "content": text})).text
    assert "Invalid path" in commit(server, ("file", {"path": "../a.md", "content": text})).text
    assert commit(server, ("file", {"path": "a.md", "content": text}), parentCommit="1" * 40).status_code == 412
    assert server.files("ada/x") == {}
    assert commit(server, ("file", {"path": "a.md", "content": text})).status_code == 200
    assert server.files("ada/x") == {"a.md": b"text"}


def test_the_storage_takes_what_was_announced_alone(server: FakeHub) -> None:
    server.plant("ada/x", {})
    oid = hashlib.sha256(b"good").hexdigest()
    batch = f"{server.endpoint}/ada/x.git/info/lfs/objects/batch"
    answer = httpx.post(batch, json={"objects": [{"oid": oid, "size": 4}]}, headers=ADA).json()
    address = answer["objects"][0]["actions"]["upload"]["href"]
    assert httpx.put(address.partition("?")[0], content=b"good").status_code == 403
    assert httpx.put(address, content=b"evil").status_code == 400
    assert server.objects == {}
    assert httpx.put(address, content=b"good").status_code == 200
    assert httpx.post(batch, json={"objects": [{"oid": oid, "size": 4}]}).status_code == 401


def test_a_tree_comes_in_pages(server: FakeHub) -> None:
    server.page = 3
    server.plant("ada/x", {f"deep/{number}.md": b"x" for number in range(8)})
    api = HfApi(server.endpoint, token=False)
    assert len(list(api.list_repo_tree("ada/x", "deep", recursive=True))) == 8
    assert len(server.asked("/tree/")) == 3


def test_a_cut_connection_is_cut(server: FakeHub) -> None:
    server.plant("ada/x", {"a.md": bytes(1000)})
    server.cut("/resolve/", after=10)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.endpoint}/ada/x/resolve/main/a.md")
    assert len(httpx.get(f"{server.endpoint}/ada/x/resolve/main/a.md").content) == 1000


def test_a_private_repository_is_like_none(server: FakeHub) -> None:
    server.plant("ada/x", {}, private=True)
    answers = [
        httpx.get(f"{server.endpoint}/api/models/{name}", headers={"Authorization": "Bearer hf_ben"})
        for name in ("ada/x", "ada/none")
    ]
    assert [(answer.status_code, answer.headers["x-error-code"]) for answer in answers] == [(404, "RepoNotFound")] * 2
