"""Pulling with the real client from a real server: what comes, from where, and what is refused before it is used."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load, save

from gandemo import checkpoint
from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, GanDemoError, HubError, RequestError
from gandemo.nets import build_generator
from gandemo.recipes import RECIPES
from gandemo.ship.export import making, records
from gandemo.ship.hub import Hub, HubId, fetch, pull, pull_listed, push, verify
from gandemo.ship.hub.origins import ORIGIN, VISITOR, origin
from gandemo.ship.hub.pulling import passing_cache
from gandemo.tasks import TASKS
from tests import tiny, tiny_photos
from tests.ship.fake_hub import FakeHub, File

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = HubId("ada/tiny")


def files_of(source: Checkpoint) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in source.path.iterdir()}


@pytest.fixture
def source(tmp_path: Path) -> Checkpoint:
    """A checkpoint on ada's machine, which is not where these tests pull to."""
    from PIL import Image

    sheet = Image.new("L", (58, 28), 200)
    return tiny.save(tmp_path / "hers" / "tiny", metrics={"note": 1}, preview=sheet, card="# tiny\n")


def test_what_one_pushes_another_pulls(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(source, REPO.repo, who("ada"))
    heard: list[tuple[int, int]] = []
    pulled = pull(REPO, who("ben"), progress=lambda done, total: heard.append((done, total)))
    assert pulled.checkpoint.path == home / "checkpoints" / "ada--tiny"
    assert (pulled.commit, pulled.cached) == (server.repo(REPO.repo).refs["main"], False)
    assert pulled.checkpoint.recipe == source.recipe
    for name in ("generator.safetensors", "discriminator.safetensors", "metrics.json", "preview.png"):
        assert (pulled.checkpoint.path / name).read_bytes() == (source.path / name).read_bytes()
    assert [found.name for found in checkpoint.available() if found.path.is_relative_to(home)] == ["ada--tiny"]
    assert origin(pulled.checkpoint.path) == {"repo": "ada/tiny", "revision": "", "commit": pulled.commit}
    assert heard[-1][0] == heard[-1][1] > 0
    assert all(call.token == "" for call in server.asked("/storage/"))


def test_only_its_own_files_are_fetched(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    strangers = {
        "pytorch_model.bin": pickle.dumps({"a": 1}),
        "evil.pkl": pickle.dumps(1),
        "setup.py": b"raise SystemExit",
        "../../outside.json": b"{}",
        "/etc/passwd": b"x",
        "exports/../../recipe.json": b"{}",
        "exports/model.tflite": b"TFL3",
        "checkpoints/generator.safetensors": b"x",
    }
    server.plant(REPO.repo, {**strangers, **files_of(source)})
    pulled = pull(REPO, who(""))
    assert {path.name for path in pulled.checkpoint.path.iterdir()} == {*files_of(source), "origin.json"}
    asked = " ".join(call.path for call in server.log)
    assert not [name for name in strangers if name in asked]


def test_a_private_repository(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    push(source, REPO.repo, who(), private=True)
    assert pull(REPO, who("reader")).checkpoint.name == "ada--tiny"
    for name, says in (("ben", "that this token may see"), ("", "that anybody may see"), ("wrong", "know this token")):
        with pytest.raises(HubError, match=says) as refused:
            pull(REPO, who(name))
        assert "\n" not in str(refused.value)


def test_a_revision(server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path) -> None:
    first = push(source, REPO.repo, who()).commit
    (source.path / "metrics.json").write_text('{"note": 2}')
    push(source, REPO.repo, who())
    assert pull(REPO, who("")).checkpoint.metrics == {"note": 2}
    old = pull(HubId.parse(f"ada/tiny@{first}"), who(""))
    assert old.checkpoint.metrics == {"note": 1}
    assert old.checkpoint.name == f"ada--tiny--{first}"
    with pytest.raises(HubError, match="ada/tiny@v9 has no such revision"):
        pull(HubId.parse("ada/tiny@v9"), who(""))


def test_a_second_pull_fetches_what_is_new(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    push(source, REPO.repo, who())
    pull(REPO, who(""))
    (source.path / "metrics.json").write_text('{"note": 2}')
    push(source, REPO.repo, who())
    before = len(server.asked("/storage/", "GET"))
    assert pull(REPO, who("")).checkpoint.metrics == {"note": 2}
    assert len(server.asked("/storage/", "GET")) == before  # the weights were there


@pytest.mark.parametrize("repo", ["ada/nothing", "nobody/tiny"])
def test_an_unknown_repository(repo: str, server: FakeHub, who: Callable[..., Hub]) -> None:
    with pytest.raises(HubError, match=f"there is no {repo} on the Hub at"):
        pull(HubId.parse(repo), who("ben"))


def test_a_repository_of_something_else(server: FakeHub, who: Callable[..., Hub]) -> None:
    server.plant("ada/bert", {"config.json": b"{}", "model.safetensors": b"x"})
    with pytest.raises(HubError, match=r"ada/bert is no checkpoint of gandemo: it has no recipe.json"):
        pull(HubId("ada/bert"), who(""))


def test_both_ends_of_an_enhancer_travel(server: FakeHub, who: Callable[..., Hub], tmp_path: Path, home: Path) -> None:
    recipe = tiny_photos.TINY["enhance"]
    ends = build_generator(recipe), build_generator(recipe)
    source = checkpoint.save(tmp_path / "hers" / "tiny", recipe, ends[0], faithful=ends[1])
    push(source, REPO.repo, who("ada"))
    pulled = pull(REPO, who("ben")).checkpoint
    faithful = pulled.faithful()
    assert faithful is not None
    assert all(torch.equal(value, ends[1].state_dict()[name]) for name, value in faithful.state_dict().items())
    assert pulled.has_faithful

    server.plant("ada/odd", {**files_of(source), "faithful.safetensors": save({"w": torch.zeros(3)})})
    with pytest.raises(CheckpointError, match=r"faithful\.safetensors"):
        pull(HubId("ada/odd"), who(""))


# --- without a Hub ------------------------------------------------------------------------------------------------


def test_without_a_network_the_cache_serves(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    push(source, REPO.repo, who())
    asker = who("")
    fetch(REPO, asker)
    server.close()
    pulled = pull(REPO, asker)
    assert pulled.cached
    assert pulled.checkpoint.recipe == source.recipe
    assert (home / "checkpoints" / "ada--tiny" / "discriminator.safetensors").is_file()
    with pytest.raises(HubError, match=r"can't be reached .*check the network"):
        pull(HubId("ada/other"), asker)


def test_told_to_stay_offline(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(source, REPO.repo, who())
    asker = who("")
    fetch(REPO, asker)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull(REPO, asker).cached
    with pytest.raises(HubError, match="ada/other is not in the cache, and HF_HUB_OFFLINE"):
        pull(HubId("ada/other"), asker)


def test_what_broke_off_is_not_taken_for_whole(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    push(source, REPO.repo, who())
    asker = who("")
    server.fail(f"/{REPO.repo}/resolve", 503, times=1000, method="HEAD")
    with pytest.raises(HubError, match="out of order"):
        pull(REPO, asker)
    server.faults.clear()
    server.cut("/storage/", after=100, times=1000)
    with pytest.raises(HubError, match=r"can't be reached|failed"):
        pull(REPO, asker)
    server.close()
    with pytest.raises(HubError, match="can't be reached"):
        pull(REPO, asker)
    assert not (home / "checkpoints").exists()


def test_a_cache_of_others_is_not_searched(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    push(source, REPO.repo, who(), private=True)
    fetch(REPO, who("ada"))
    server.fail("/api/models", 503, times=1000)
    with passing_cache(who("")) as asker, pytest.raises(HubError, match="out of order"):
        fetch(REPO, asker)


@pytest.mark.parametrize("needle", ["/api/models", "/paths-info/", "/resolve/", "/storage/"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_bad_moment_is_waited_out(
    needle: str, status: int, server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    server.plant(REPO.repo, files_of(source))
    server.fail(needle, status, times=1)
    assert not pull(REPO, who("")).cached


def test_a_download_that_is_cut_goes_on(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    server.plant(REPO.repo, files_of(source))
    server.cut("/storage/", after=1000, times=2)
    pulled = pull(REPO, who(""))
    assert (pulled.checkpoint.path / "generator.safetensors").read_bytes() == files_of(source)["generator.safetensors"]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["tiny", "a/b/c", "../../etc", "ada/x@../../y", "ada/x@-rf", "ada/x@", "@v", "a/..", ""]
)
def test_names_that_are_no_repository(text: str) -> None:
    with pytest.raises(RequestError, match="give USER/REPO"):
        HubId.parse(text)


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        (" ada/tiny ", "ada/tiny", ""),
        ("ada/tiny@v1.0", "ada/tiny", "v1.0"),
        ("ada/tiny@refs/pr/1", "ada/tiny", "refs/pr/1"),
        ("https://huggingface.co/ada/tiny", "ada/tiny", ""),
        ("https://huggingface.co/ada/tiny/tree/main", "ada/tiny", "main"),
    ],
)
def test_names_that_are(text: str, repo: str, revision: str) -> None:
    found = HubId.parse(text)
    assert (found.repo, found.revision) == (repo, revision)
    assert checkpoint.NAME.match(found.folder)


def test_the_address_of_something_else_is_refused() -> None:
    with pytest.raises(RequestError, match="is a Space; give a model repository"):
        HubId.parse("https://huggingface.co/spaces/ada/demo")
    with pytest.raises(RequestError, match="is a model repository; give a data set"):
        HubId.parse("https://huggingface.co/ada/tiny", "dataset")
    assert HubId.parse("https://huggingface.co/datasets/ada/faces/tree/main", "dataset") == HubId("ada/faces", "main")


# --- where it comes to lie --------------------------------------------------------------------------------------------


def test_nothing_of_ones_own_is_replaced(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    server.plant(REPO.repo, files_of(source))
    server.plant("ben/tiny", files_of(source))
    mine = tiny.save(home / "checkpoints" / "mine", seed=3)
    before = (mine.path / "generator.safetensors").read_bytes()
    with pytest.raises(RequestError, match="there is a checkpoint mine here already that did not come from ada/tiny"):
        pull(REPO, who(""), name="mine")
    assert (mine.path / "generator.safetensors").read_bytes() == before
    pull(REPO, who(""), name="hers")
    pull(REPO, who(""), name="hers")
    with pytest.raises(RequestError, match="did not come from ben/tiny"):
        pull(HubId("ben/tiny"), who(""), name="hers")
    laid = json.dumps({"repo": REPO.repo, "revision": "a/b"})
    (tiny.save(home / "checkpoints" / HubId(REPO.repo, "a/b").folder).path / ORIGIN).write_text(laid)
    with pytest.raises(
        RequestError,
        match=r"did not come from ada/tiny@a-b; give it .* gandemo pull ada/tiny@a-b --name N",
    ):
        pull(HubId(REPO.repo, "a-b"), who(""))
    for name in ("../out", "a/b", ".x"):
        with pytest.raises(RequestError, match="no name for a checkpoint"):
            pull(REPO, who(""), name=name)


def test_a_refused_renewal_leaves_the_old_one(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    repo = server.plant(REPO.repo, files_of(source))
    pull(REPO, who(""))
    state = load(files_of(source)["generator.safetensors"])
    state["dense.bias"].fill_(torch.nan)
    worse = {**files_of(source), "generator.safetensors": save(state)}
    repo.add({name: File(data, True) for name, data in worse.items()}, "worse")
    with pytest.raises(CheckpointError, match="not finite"):
        pull(REPO, who(""))
    checkpoint.load(home / "checkpoints" / "ada--tiny").generator()


def test_what_was_exported_here_outlives_a_pull_of_the_same_weights(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    push(source, REPO.repo, who())
    path = pull(REPO, who("")).checkpoint.path
    made = making.export(checkpoint.load(path), "onnx", threads=1)
    file = (path / "exports" / made.file).read_bytes()
    (source.path / "metrics.json").write_text('{"note": 2}')
    push(source, REPO.repo, who())
    assert pull(REPO, who("")).checkpoint.metrics == {"note": 2}
    assert records.of(path) == {"onnx": made}
    assert (path / "exports" / made.file).read_bytes() == file
    assert f"exports/{made.file}" in (path / "README.md").read_text(encoding="utf-8")
    other = tiny.save(source.path.parent / "other", seed=8, card="# tiny\n")
    push(other, REPO.repo, who())
    pull(REPO, who(""))
    assert not (path / "exports").exists()  # of other weights
    assert "exports/" not in (path / "README.md").read_text(encoding="utf-8")


def test_the_first_start_pulls_what_is_listed(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plant(REPO.repo, files_of(source))
    monkeypatch.setenv("GANDEMO_CHECKPOINTS", "digits, ada/tiny,ada/nothing,a b/c")
    said = list(pull_listed(hub=who("")))
    assert said[0] == "pulled ada/tiny as ada--tiny"
    assert said[1].startswith("ada/nothing was not pulled: there is no ada/nothing")
    assert said[2].startswith("a b/c was not pulled: 'a b/c' is no repository")
    before = len(server.log)
    assert list(pull_listed("ada/tiny", who(""))) == []
    assert len(server.log) == before
    note = home / "checkpoints" / "ada--tiny" / ORIGIN
    note.write_text(json.dumps({**json.loads(note.read_text()), "by": VISITOR}))
    assert list(pull_listed("ada/tiny", who(""))) == ["pulled ada/tiny as ada--tiny"]
    assert "by" not in origin(home / "checkpoints" / "ada--tiny")  # the owner's from now on
    assert (home / "checkpoints" / "ada--tiny").is_dir()


@pytest.mark.parametrize("name", [name for name, one in RECIPES.items() if one.task in TASKS])
def test_every_recipe_is_laid_out_as_it_is_built(name: str) -> None:
    from gandemo.nets import build_discriminator, build_generator

    chosen = RECIPES[name]
    generator, discriminator = verify.plan(chosen)
    built = build_generator(chosen), build_discriminator(chosen)
    for planned, real in ((generator, built[0]), (discriminator, built[1])):
        assert (planned is None) == (real is None)
        if planned is not None and real is not None:
            assert all(value.is_meta for value in planned.state_dict().values())
            assert {key: value.shape for key, value in planned.state_dict().items()} == {
                key: value.shape for key, value in real.state_dict().items()
            }


def test_errors_are_of_the_family(server: FakeHub, who: Callable[..., Hub]) -> None:
    with pytest.raises(GanDemoError):
        fetch(HubId("ada/none"), replace(who(""), offline=False))
