"""Pushing with the real client to a real server: what arrives, what is sent again, what goes wrong and what stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import constants
from safetensors.torch import load

from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, HubError, RequestError
from gandemo.recipes import RECIPES
from gandemo.ship.hub import Hub, push
from gandemo.ship.hub.client import TOKEN_PAGE, token_of
from gandemo.ui.hub_identity import is_token_saved
from tests import tiny
from tests.ship.fake_hub import FakeHub, File

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "ada/tiny"
METRICS = {
    "training": {"step": 6, "images": 96, "seconds": 90.0},
    "evaluation": {
        "features": "8 features of tiny-classifier",
        "samples": 60,
        "reference": "40 test pictures of tiny",
        "generated": {"frechet": 12.5, "coverage": 0.5},
        "real": {"frechet": 1.5, "coverage": 0.9},
    },
}
CARD = "---\nlicense: apache-2.0\ntags: [mine]\n---\n\n# tiny\n\n## Use\n\n    here alone\n\n## Made with\n\n    love\n"


@pytest.fixture
def source(home: Path) -> Checkpoint:
    """A checkpoint with everything: figures, card, exports, and files that are nobody else's business."""
    saved = tiny.save(home / "checkpoints" / "tiny", metrics=METRICS, card=CARD)
    (saved.path / "exports").mkdir()
    (saved.path / "exports" / "tiny.tflite").write_bytes(b"TFL3" + bytes(1000))
    (saved.path / "exports" / "about.json").write_text("{}")
    (saved.path / "exports" / ".hidden").write_text("mine")
    (saved.path / "notes.txt").write_text("mine")
    (saved.path / "token").write_text("hf_ada")
    return saved


def shown(server: FakeHub, repo: str = REPO) -> dict[str, object]:
    """The metadata that the Hub reads from a card."""
    values: dict[str, object] = yaml.safe_load(server.files(repo)["README.md"].decode().split("---")[1])
    return values


def test_a_checkpoint_arrives_whole_in_one_commit(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    heard: list[tuple[int, int]] = []
    pushed = push(source, REPO, who(), progress=lambda done, total: heard.append((done, total)))
    files = server.files(REPO)
    assert set(files) == {
        "recipe.json",
        "generator.safetensors",
        "discriminator.safetensors",
        "metrics.json",
        "README.md",
        "example.py",
        "exports/tiny.tflite",
        "exports/about.json",
    }
    for name in ("recipe.json", "generator.safetensors", "metrics.json", "exports/tiny.tflite"):
        assert files[name] == (source.path / name).read_bytes()
    assert server.repo(REPO).titles == ["initial commit", "tiny, by gandemo"]
    assert pushed.url == f"{server.endpoint}/{REPO}"
    assert pushed.commit == server.repo(REPO).refs["main"]
    assert (set(pushed.sent), pushed.files, pushed.created, pushed.private) == (set(files), len(files), True, False)
    assert heard[-1][0] == heard[-1][1] == sum(map(len, files.values()))
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert all(call.token == "" for call in server.asked("/storage/"))  # the token stays with the Hub itself


def test_the_card_tells_the_hub(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    push(source, REPO, who(), base="lab/first")
    values = shown(server)
    assert values["library_name"] == "gandemo"
    assert values["pipeline_tag"] == "unconditional-image-generation"
    assert values["tags"] == ["mine", "gan", "gandemo", "digits"]
    assert (values["base_model"], values["base_model_relation"]) == ("lab/first", "finetune")
    (index,) = values["model-index"]  # type: ignore[misc]
    assert index["name"] == "tiny"
    (result,) = index["results"]
    assert result["dataset"] == {"type": "imagefolder", "name": "tiny", "split": "test"}
    assert result["metrics"] == [
        {"type": "frechet_distance", "value": 12.5, "name": "Fréchet distance (8 features of tiny-classifier)"}
    ]
    card = server.files(REPO)["README.md"].decode()
    assert f'Pipeline.from_pretrained("{REPO}")' in card
    assert "here alone" not in card
    assert card.count("## Use") == 1
    assert "## Made with" in card
    example = server.files(REPO)["example.py"].decode()
    compile(example, "example.py", "exec")
    assert f'from_pretrained("{REPO}")' in example


def test_a_second_push_sends_what_changed_alone(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    first = push(source, REPO, who())
    again = push(source, REPO, who())
    assert (again.sent, again.removed, again.commit, again.created) == ((), (), first.commit, False)
    before = len(server.asked("/storage/", "PUT"))
    (source.path / "metrics.json").write_text(json.dumps({**METRICS, "note": 1}))
    (source.path / "exports" / "tiny.tflite").unlink()
    third = push(source, REPO, who(), message="better")
    assert (third.sent, third.removed) == (("metrics.json",), ("exports/tiny.tflite",))
    assert "exports/tiny.tflite" not in server.files(REPO)
    assert len(server.asked("/storage/", "PUT")) == before
    assert server.repo(REPO).titles == ["initial commit", "tiny, by gandemo", "better"]


def test_what_others_keep_in_the_repository_stays(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    server.plant(REPO, {"discriminator.safetensors": b"old", "LICENSE": b"mine", "demo/a.txt": b"mine"})
    (source.path / "discriminator.safetensors").unlink()
    pushed = push(source, REPO, who())
    assert pushed.removed == ("discriminator.safetensors",)  # it would not fit the new generator
    assert server.files(REPO)["LICENSE"] == server.files(REPO)["demo/a.txt"] == b"mine"


def test_twenty_megabytes(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    recipe = RECIPES["vanilla"].with_settings({"generator.args.widths": [1024, 2048, 1024]})
    source = tiny.save(home / "big", recipe)
    assert (source.path / "generator.safetensors").stat().st_size > 20e6
    push(source, "ada/big", who())
    arrived = load(server.files("ada/big")["generator.safetensors"])
    assert all(torch.equal(value, arrived[name]) for name, value in source.generator().state_dict().items())


def test_who_may_push_where(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    server.plant("ben/his", {"README.md": b"his"})
    server.plant("ben/secret", {"README.md": b"his"}, private=True)
    push(source, "lab/ours", who())  # an organisation of hers
    for name, repo, says in (
        ("wrong", REPO, "does not know this token"),
        ("", REPO, "needs a token of yours"),
        ("reader", REPO, "this token may not write to ada/tiny"),
        ("ada", "ben/his", "this token may not write to ben/his"),
        ("ada", "ben/secret", "this token may not write to ben/secret"),
        ("ada", "ben/new", "this token may not write to ben/new"),
    ):
        with pytest.raises(HubError, match=says) as refused:
            push(source, repo, who(name))
        assert "\n" not in str(refused.value)
        assert "hf_" not in str(refused.value)
    assert set(server.repos) == {"models/ben/his", "models/ben/secret", "models/lab/ours"}
    assert server.files("ben/his") == {"README.md": b"his"}


def test_private_is_not_made_public(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    assert push(source, REPO, who(), private=True).private
    assert server.repo(REPO).private
    assert push(source, REPO, who()).private  # a renewed one stays as it is
    server.plant("ada/open", {})
    with pytest.raises(HubError, match="ada/open can be seen by everybody"):
        push(source, "ada/open", who(), private=True)
    assert server.files("ada/open") == {}


@pytest.mark.parametrize(
    ("needle", "status", "headers"),
    [("/commit/", 503, {}), ("/commit/", 429, {"Retry-After": "7"}), ("preupload", 500, {}), ("/storage/", 503, {})],
)
def test_a_bad_moment_is_waited_out(
    needle: str, status: int, headers: dict[str, str], server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    server.fail(needle, status, times=2, headers=headers)
    push(source, REPO, who())
    assert len(server.repo(REPO).titles) == 2
    assert [call.status for call in server.asked(needle)].count(status) == 2


def test_waits_are_as_long_as_asked_and_grow(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, waits: list[float]
) -> None:
    said: list[str] = []
    server.fail("/commit/", 429, headers={"Retry-After": "7"})
    server.fail("/commit/", 503, times=2)
    push(source, REPO, who(tell=said.append))
    assert waits == [7.0, 2.0, 4.0]
    assert [sentence for sentence in said if "trying again in 7 s" in sentence]


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (503, {}, "is out of order \\(503\\)"),
        (429, {"Retry-After": "30"}, "asks to slow down; try again in 30 seconds"),
        (429, {"Retry-After": "1800"}, "asks to slow down; try again in 30 minutes"),
    ],
)
def test_a_storm_ends_in_a_sentence_and_changes_nothing(
    status: int,
    headers: dict[str, str],
    says: str,
    server: FakeHub,
    who: Callable[..., Hub],
    source: Checkpoint,
    waits: list[float],
) -> None:
    push(source, REPO, who())
    before = server.files(REPO)
    (source.path / "metrics.json").write_text("{}")
    server.fail("/commit/", status, times=1000, headers=headers)
    with pytest.raises(HubError, match=says) as told:
        push(source, REPO, who())
    assert "\n" not in str(told.value)
    assert server.files(REPO) == before
    assert len(server.asked("/commit/")) <= 6
    assert sum(waits) < 200
    server.faults.clear()
    push(source, REPO, who())
    assert server.files(REPO)["metrics.json"] == b"{}"


def test_an_upload_that_is_cut_is_begun_again(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    server.cut("/storage/", after=300, times=3)
    push(source, REPO, who())
    assert server.files(REPO)["generator.safetensors"] == (source.path / "generator.safetensors").read_bytes()


def test_an_upload_that_is_always_cut_changes_nothing(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    server.cut("/storage/", after=300, times=1000)
    with pytest.raises(HubError, match=r"can't be reached .*try again"):
        push(source, REPO, who())
    assert server.files(REPO) == {}


def test_a_commit_whose_answer_was_lost_is_found_done(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    server.lose_answer("/commit/")
    pushed = push(source, REPO, who())
    assert server.repo(REPO).titles == ["initial commit", "tiny, by gandemo"]
    assert pushed.commit == server.repo(REPO).refs["main"]
    assert set(pushed.sent) == set(server.files(REPO))  # it is told what came of it, not that nothing changed


def test_somebody_else_is_quicker(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:

    def interfere(repo: object) -> None:
        server.before_commit = None
        server.repo(REPO).add({**server.repo(REPO).tree(), "theirs.txt": File(b"theirs", False)}, "theirs")

    server.before_commit = interfere
    push(source, REPO, who())
    assert server.repo(REPO).titles == ["initial commit", "theirs", "tiny, by gandemo"]
    assert server.files(REPO)["theirs.txt"] == b"theirs"
    assert [call.status for call in server.asked("/commit/")] == [412, 200]


def test_somebody_else_is_always_quicker(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    server.before_commit = lambda repo: repo.add(repo.tree(), "theirs") and None
    with pytest.raises(HubError, match="changed by somebody else at the same moment"):
        push(source, REPO, who())
    assert server.files(REPO) == {}


def test_the_server_is_gone(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    asker = who()
    server.close()
    with pytest.raises(HubError, match=r"the Hub at 127.0.0.1:\d+ can't be reached \(.*refused.*\)"):
        push(source, REPO, asker)


def test_what_is_damaged_does_not_leave(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    weights = source.path / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="damaged"):
        push(source, REPO, who())
    assert server.log == []


def test_a_card_that_is_no_card(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    (source.path / "README.md").write_text("---\nlicense: [\n---\n# x\n")
    with pytest.raises(HubError, match=r"front matter of .*README.md is not valid"):
        push(source, REPO, who())
    (source.path / "README.md").write_text("---\nlicense: 3\n---\n# x\n")
    with pytest.raises(HubError, match=r'front matter is not valid.*"license" must be a string'):
        push(source, REPO, who())
    assert server.files(REPO) == {}


@pytest.mark.parametrize(
    "name", ["tiny", "ada/", "ada/a/b", "../ada/x", "ada/..", "ada/x--y", "ada/x.git", "a b/c", ""]
)
def test_names_that_the_hub_does_not_allow(
    name: str, server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    with pytest.raises(RequestError, match="is no repository on the Hub; give USER/REPO"):
        push(source, name, who())
    assert server.log == []


def test_a_push_has_no_revision(who: Callable[..., Hub], source: Checkpoint) -> None:
    with pytest.raises(RequestError, match="leave out @v1"):
        push(source, "ada/tiny@v1", who())


def test_a_checkpoint_that_was_never_published(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    recipe = tiny.DIGITS.with_settings({"init": "older"})
    older = tiny.save(home / "checkpoints" / "older")
    (older.path / "origin.json").write_text(json.dumps({"repo": "lab/older", "revision": "", "commit": "0" * 40}))
    source = tiny.save(home / "runs" / "r" / "checkpoints" / "best", recipe, metrics={"training": {"step": 3}})
    push(source, REPO, who())
    card = server.files(REPO)["README.md"].decode()
    assert "3 of 6 steps of 16 pictures" in card
    assert "started from | lab/older" in card
    assert shown(server)["base_model"] == "lab/older"


def test_folders_that_change_meanwhile(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    weights = (source.path / "generator.safetensors").read_bytes()

    def lay_down_others(repo: object) -> None:
        shutil.rmtree(source.path)

    server.before_commit = lay_down_others
    push(source, REPO, who())
    assert server.files(REPO)["generator.safetensors"] == weights


def test_a_token_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" hf_ada\n")
    assert token_of(file) == "hf_ada"
    for text, says in (
        ("", "must hold a token"),
        ("two words", "must hold a token"),
        ("h\0f\0_", "must hold a token"),
        ("hf_\u00e9", "must hold a token"),
    ):
        file.write_text(text)
        with pytest.raises(HubError, match=says) as refused:
            token_of(file)
        assert TOKEN_PAGE in str(refused.value)
    with pytest.raises(HubError, match=r"can't read the token from .*: No such file"):
        token_of(tmp_path / "nowhere")


def test_a_saved_token_that_can_not_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (home / "token").mkdir()
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    with pytest.raises(HubError, match=r"can't read the token that is saved .*: Is a directory; run hf auth"):
        token_of()
    assert is_token_saved()  # so that it is offered, and whoever takes it is told


def test_who_can_give_no_other_token_is_told_what_else_to_do(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    server.plant("ben/tiny", {})
    with pytest.raises(HubError, match=r"this page may not write to ben/tiny \(.*\); choose a new name$"):
        push(source, "ben/tiny", who(instead="choose a new name"))


def test_an_asker_does_not_show_its_token() -> None:
    assert "hf_ada" not in repr(Hub("hf_ada"))
