"""The app as a Space, and a run that is pushed while it trains."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from gandemo import checkpoint
from gandemo.errors import HubError, RequestError
from gandemo.ship.hub import Hub, push
from gandemo.ship.hub import space as spaces
from gandemo.ship.hub.live import LivePush, follow
from gandemo.ship.hub.origins import ORIGIN
from gandemo.ship.hub.pushing import Pushed
from gandemo.ship.hub.space import ROOT, push_space
from gandemo.training import loop
from tests import tiny
from tests.ship.fake_hub import FakeHub

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The project's folder as people have it, with what is theirs alone beside it."""
    root = tmp_path / "app"
    for name, text in {
        "app.py": "from gandemo.ui.app import launch\n",
        "requirements.txt": "gradio\n",
        "README.md": "---\ntitle: gandemo\nsdk: gradio\nhf_oauth: true\n---\n\n# gandemo\n",
        "gandemo/__init__.py": "",
        "gandemo/ui/page/style.css": "p {}",
        "gandemo/__pycache__/x.pyc": "compiled",
        "gandemo/.secret": "mine",
        "docs/page.png": "png",
        "runs/mine/recipe.json": "{}",
        "data/mine.png": "mine",
        ".env": "HF_TOKEN=hf_ada",
        "token": "hf_ada",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    tiny.save(root / "checkpoints" / "shipped", card="# shipped\n")
    (root / "checkpoints" / "shipped" / "notes.txt").write_text("mine")
    (root / "gandemo" / "linked").symlink_to(root / ".env")
    return root


def test_a_space_carries_the_app_and_the_checkpoint(
    server: FakeHub, who: Callable[..., Hub], app: Path, home: Path
) -> None:
    source = tiny.save(home / "runs" / "r1" / "checkpoints" / "best", seed=4)
    (home / "runs" / "r1" / "events.jsonl").touch()
    pushed = push_space(checkpoint.load(source.path), "ada/demo", who(), private=True, root=app)
    repo = server.repo("ada/demo", "space")
    assert pushed.url == f"{server.endpoint}/spaces/ada/demo"
    assert (pushed.private, pushed.created, repo.private) == (True, True, True)
    assert repo.titles == ["initial commit", "gandemo with r1/best"]
    assert repo.variables == {"GANDEMO_CHECKPOINTS": "r1-best"}
    files = server.files("ada/demo", "space")
    assert {name for name in files if not name.startswith("checkpoints/")} == {
        "app.py",
        "requirements.txt",
        "README.md",
        "gandemo/__init__.py",
        "gandemo/ui/page/style.css",
        "docs/page.png",
    }
    assert files["checkpoints/r1-best/generator.safetensors"] == (source.path / "generator.safetensors").read_bytes()
    assert "checkpoints/shipped/README.md" in files
    assert "checkpoints/shipped/notes.txt" not in files
    assert not [name for name, data in files.items() if b"hf_ada" in data or b"mine" in data]
    front = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert front == {"title": "demo", "sdk": "gradio", "hf_oauth": True}
    wanted = files["requirements.txt"].decode().splitlines()
    assert wanted[1:] == ["--extra-index-url https://download.pytorch.org/whl/cpu", "gradio"]
    assert (app / "requirements.txt").read_text() == "gradio\n"  # ours asks PyPI alone


def test_a_renewed_space(server: FakeHub, who: Callable[..., Hub], app: Path, home: Path) -> None:
    source = tiny.save(home / "checkpoints" / "mine")
    push_space(source, "ada/demo", who(), root=app)
    again = push_space(source, "ada/demo", who(), root=app)
    assert (again.sent, again.removed, again.created) == ((), (), False)
    (app / "gandemo" / "ui" / "page" / "style.css").unlink()
    other = tiny.save(home / "checkpoints" / "other", seed=9)
    third = push_space(other, "ada/demo", who(), root=app)
    assert third.removed == ("gandemo/ui/page/style.css",)
    assert "checkpoints/mine/recipe.json" in server.files("ada/demo", "space")
    assert server.repo("ada/demo", "space").variables == {"GANDEMO_CHECKPOINTS": "other"}


def test_a_space_that_may_not_be(server: FakeHub, who: Callable[..., Hub], app: Path, home: Path) -> None:
    source = tiny.save(home / "checkpoints" / "mine")
    for name, says in (("", "needs a token"), ("ben", "this token may not write to ada/demo")):
        with pytest.raises(HubError, match=says):
            push_space(source, "ada/demo", who(name), root=app)
    server.plant("ada/open", {}, kind="space")
    with pytest.raises(HubError, match="can be seen by everybody"):
        push_space(source, "ada/open", who(), private=True, root=app)
    assert server.repo("ada/open", "space").variables == {}
    (app / "requirements.txt").unlink()
    with pytest.raises(RequestError, match=r"has no requirements.txt: a Space is pushed from the project's own folder"):
        push_space(source, "ada/demo", who(), root=app)


def test_what_was_pulled_is_hidden_or_is_a_path_stays_here(
    server: FakeHub, who: Callable[..., Hub], app: Path, home: Path, tmp_path: Path
) -> None:
    pulled = tiny.save(app / "checkpoints" / "ben--private").path
    (pulled / ORIGIN).write_text('{"repo": "ben/private", "revision": "", "commit": ""}')
    tiny.save(app / "checkpoints" / ".half.tmp")
    paths = {"dataset": f"classes:{tmp_path}/patients", "init": f"{tmp_path}/start"}
    tiny.save(app / "checkpoints" / "hers", tiny.DIGITS.with_settings(paths))
    source = tiny.save(home / "checkpoints" / "mine", tiny.DIGITS.with_settings(paths))
    tiny.save(app / "checkpoints" / "mine", seed=5)  # the source comes in its place
    push_space(source, "ada/demo", who(), root=app)
    files = server.files("ada/demo", "space")
    assert {name.split("/")[1] for name in files if name.startswith("checkpoints/")} == {"shipped", "hers", "mine"}
    assert files["checkpoints/mine/generator.safetensors"] == (source.path / "generator.safetensors").read_bytes()
    for name in ("hers", "mine"):
        recipe = json.loads(files[f"checkpoints/{name}/recipe.json"])
        assert (recipe["dataset"], recipe["init"]) == ("patients", "start")
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data]


def test_a_disk_that_is_full_is_a_sentence(
    server: FakeHub, who: Callable[..., Hub], app: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = tiny.save(home / "checkpoints" / "mine")
    for send, place in (
        (lambda: push(source, "ada/demo", who()), "gandemo.ship.hub.pushing.hold"),
        (lambda: push(source, "ada/demo", who()), "tempfile.TemporaryDirectory"),
        (lambda: push_space(source, "ada/demo", who(), root=app), "gandemo.ship.hub.space.hold"),
        (lambda: push_space(source, "ada/demo", who(), root=app), "tempfile.TemporaryDirectory"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(HubError, match="can't lay mine ready for the Hub: No space left on device; free some"):
                send()
    assert not server.repos


def test_a_front_matter_that_is_none(who: Callable[..., Hub], app: Path, home: Path) -> None:
    (app / "README.md").write_text("---\ntitle: [\n---\n")
    with pytest.raises(HubError, match=r"the front matter of README.md is not valid \("):
        push_space(tiny.save(home / "checkpoints" / "mine"), "ada/demo", who(), root=app)


def test_the_project_itself_fits(home: Path) -> None:
    source = tiny.save(home / "checkpoints" / "mine")
    with spaces._staged(source, "mine", "ada/demo", ROOT) as files:
        assert {"app.py", "gandemo/ui/app.py", "gandemo/ui/page/style.css", "checkpoints/mine/recipe.json"} <= set(
            files
        )
        assert {name.partition("/")[0] for name in files} <= {*spaces._SINGLE, *spaces._FOLDERS, "checkpoints"}
        assert len(files) < 1000  # that one question to the Hub can take
        assert sum(path.stat().st_size for path in files.values()) < 500e6
        front = yaml.safe_load(files["README.md"].read_text(encoding="utf-8").split("---")[1])
        assert front["title"] == "demo"
        assert front["sdk"] == "gradio"
        asked = parsed(files["requirements.txt"])
        assert asked == parsed(ROOT / "requirements.txt")
        (pin,) = asked["torch"][0].specifier
        ours, theirs = Version(pin.version), Version(f"{pin.version}+cpu")
        assert theirs in asked["torch"][0].specifier  # the pin lets the build for processors in
        assert theirs > ours  # and pip takes the later one


def parsed(file: Path) -> dict[str, list[Requirement]]:
    """What a requirements file asks for, by name."""
    found: dict[str, list[Requirement]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "--")):
            one = Requirement(line)
            found.setdefault(one.name, []).append(one)
    return found


# --- while it trains ------------------------------------------------------------------------------------------------


@pytest.fixture
def training(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Iterator[object]]:
    """A run's folder, and the training that goes on as it is asked for the next event."""
    tiny.add_dataset(monkeypatch)
    folder = home / "runs" / "mine"
    return folder, iter(loop.train(tiny.DIGITS.with_settings({"steps": 12}), run_dir=folder))


def test_what_is_new_is_pushed_when_it_is_time(training: tuple[Path, Iterator[object]]) -> None:
    folder, events = training
    now, sent, said = [0.0], [], []

    def send(found: checkpoint.Checkpoint) -> Pushed:
        sent.append((now[0], found.metrics["training"]["step"]))
        if len(sent) == 2:
            raise HubError("the Hub is out of order")
        changed = () if len(sent) == 3 else ("generator.safetensors",)
        return Pushed("https://hub/ada/mine", "0" * 40, changed, (), 5, False, False)

    live = LivePush(folder, send, minutes=10, clock=lambda: now[0], tell=said.append)
    for _ in events:
        live.look()
        now[0] += 100.0
    times = [time for time, _ in sent]
    assert len(times) > 1
    assert all(later - earlier >= 600 for earlier, later in pairwise(times))
    assert said[0] == "pushed mine/step-3 to https://hub/ada/mine"
    assert said[1] == "not pushed: the Hub is out of order; the next try comes in 10 minutes"
    live.look(last=True)
    assert live.look(last=True) is None  # nothing is new


def test_a_run_is_followed_to_its_end(
    server: FakeHub, who: Callable[..., Hub], training: tuple[Path, Iterator[object]]
) -> None:
    folder, events = training
    next(events)  # it has begun
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += 61.0
        for _ in range(3):
            next(events, None)

    said: list[str] = []
    follow(folder, "ada/mine", who(), minutes=1, private=True, tell=said.append, sleep=sleep, clock=lambda: clock[0])
    titles = server.repo("ada/mine").titles
    assert len(titles) > 2  # more than the first commit and the last
    assert all(title.startswith("mine, step ") for title in titles[1:])
    best = checkpoint.resolve(folder)
    assert server.files("ada/mine")["generator.safetensors"] == (best.path / "generator.safetensors").read_bytes()
    assert said[-1] == f"pushed {best.name} to {server.endpoint}/ada/mine"


def test_a_last_push_that_fails_is_told(
    server: FakeHub, who: Callable[..., Hub], training: tuple[Path, Iterator[object]]
) -> None:
    folder, events = training
    list(events)
    server.fail("/commit/", 503, times=1000)
    with pytest.raises(HubError, match="out of order"):
        follow(folder, "ada/mine", who(), minutes=1)
