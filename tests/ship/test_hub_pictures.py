"""Pictures from a data set's repository, with the real client from a real server: what comes, and what never does."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gandemo.commands.options import chosen_recipe
from gandemo.data import datasets, own
from gandemo.errors import DataError, GanDemoError, HubError, RequestError
from gandemo.recipes import RECIPES
from gandemo.ship.hub import Hub, HubId, pull_pictures
from gandemo.ship.hub.pictures import Bounds
from gandemo.ui import access, own_pictures, train_answers, train_wishes
from tests.ship.fake_hub import FakeHub, File

REPO = HubId("ada/faces")


def png(seed: int, side: int = 28, mode: str = "L") -> bytes:
    shape = (side, side) if mode == "L" else (side, side, 3)
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def digits(count: int = 12) -> dict[str, bytes]:
    """Pictures in class folders, a third of them held out."""
    sides = ("train", "train", "test")
    return {f"{sides[number % 3]}/{number % 2}/{number}.png": png(number) for number in range(count)}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def laid(path: Path) -> set[str]:
    return {each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()}


def test_class_folders_come_as_they_are(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, {**digits(), "README.md": b"# faces", "load.py": b"raise SystemExit"}, kind="dataset")
    heard: list[tuple[int, int]] = []
    found = pull_pictures(REPO, who(""), progress=lambda done, total: heard.append((done, total)))
    assert found.path == own.pulled_home() / f"ada--faces--{found.commit[:16]}"
    assert found.commit == server.repo(REPO.repo, "dataset").refs["main"]
    assert laid(found.path) == {*digits(), "origin.json"}
    assert (found.path / "train/0/0.png").read_bytes() == png(0)
    assert heard[-1][0] == heard[-1][1] == sum(map(len, digits().values()))
    assert not server.asked("load.py")
    report = own.check(str(found.path), RECIPES["digits"])
    assert report.classes == {"0": 6, "1": 6}
    assert report.splits["test"] == 4
    # and again: nothing is fetched twice
    asked = len(server.asked("/resolve/"))
    assert pull_pictures(REPO, who("")).path == found.path
    assert len(server.asked("/resolve/")) == asked
    assert [path.name for path in own.pulled_home().iterdir()] == [found.path.name]


def test_an_archive_and_its_csv(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    photos = {f"{number}.png": png(number, 40, "RGB") for number in range(9)}
    table = "file,split\n" + "".join(f"{name},{'test' if name == '3.png' else 'train'}\n" for name in photos)
    files = {"data/photos.zip": zipped(photos), "data/photos.csv": table.encode(), "preview.png": png(1)}
    server.plant(REPO.repo, {**files, "other.csv": b"a,b\n"}, kind="dataset")
    found = pull_pictures(REPO, who(""))
    assert laid(found.path) == {"photos.zip", "photos.csv", "origin.json"}
    report = own.check(str(found.path), RECIPES["colorize"])
    assert (report.count, report.splits["test"]) == (9, 1)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.zip", "test.zip"), [11, 1, 12]),
        (("data/train-0.zip", "data/train-1.zip", "data/val-0.zip", "data/test-0.zip"), [24, 12, 12]),
    ],
)
def test_several_archives_come_together(
    server: FakeHub, who: Callable[..., Hub], home: Path, names: tuple[str, ...], splits: list[int]
) -> None:
    archives = {
        name: zipped({f"{each % 2}/{each}.png": png(12 * place + each) for each in range(12)})
        for place, name in enumerate(names)
    }
    server.plant(REPO.repo, {**archives, "README.md": b"# faces", "cover.png": png(1)}, kind="dataset")
    heard: list[tuple[int, int]] = []
    found = pull_pictures(REPO, who(""), progress=lambda done, total: heard.append((done, total)))
    assert laid(found.path) == {*archives, "origin.json"}
    assert heard[-1][0] == heard[-1][1] == sum(map(len, archives.values()))
    report = own.check(str(found.path), RECIPES["digits"])
    assert list(report.splits.values()) == splits
    assert report.classes == {"0": 6 * len(names), "1": 6 * len(names)}
    assert report.remarks[0].startswith("Names such as train and test say")


def test_several_archives_and_their_tables(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    photos = [{f"{number}.png": png(9 * place + number, 40, "RGB") for number in range(9)} for place in (0, 1)]
    tables = {"part-0.csv": b"file,split\n3.png,test\n", "all.csv": b"file,split\n4.png,val\n", "b/c.csv": b"x\n"}
    files = {"part-0.zip": zipped(photos[0]), "part-1.zip": zipped(photos[1]), **tables}
    server.plant(REPO.repo, files, kind="dataset")
    found = pull_pictures(REPO, who(""))
    assert laid(found.path) == {"part-0.zip", "part-0.csv", "part-1.zip", "all.csv", "origin.json"}
    report = own.check(str(found.path), RECIPES["colorize"])
    assert report.splits == {"train": 15, "validation": 2, "test": 1}


def test_a_hostile_archive_among_several(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    """They are read where they lie, with the bounds that one alone has: nothing gets out, and nothing swells."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/0/zeros.png", bytes(40_000_000))
        archive.writestr("../../out.png", png(50))
    server.plant(REPO.repo, {"a.zip": zipped(digits()), "b.zip": bomb.getvalue()}, kind="dataset")
    found = pull_pictures(REPO, who(""))
    report = own.check(str(found.path), RECIPES["digits"])
    assert (report.count, report.left_out) == (12, 2)
    assert "grows" in report.skipped["b.zip/train/0/zeros.png"]
    assert "leads out of the archive" in report.skipped["b.zip/../../out.png"]
    assert not list(home.rglob("out.png"))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"README.md": b"# nothing"}, "holds no pictures"),
        ({"data/train-00000.parquet": b"PAR1", "README.md": b"#"}, "Parquet files, which are not read here"),
        ({f"{index}.zip": b"PK" for index in range(1_001)}, "has 1,001 archives; up to 1,000 are read together"),
        ({"a.zip": File(b"x", True, told=2**31), "b.zip": File(b"x", True, told=2**31 + 1)}, "choose a smaller one"),
        ({"a.zip": b"PK", "train/../../b.zip": b"PK"}, "can't be kept here"),
        ({"../../outside.png": png(1)}, "can't be kept here"),
        ({"train/../../../x.png": png(1)}, "can't be kept here"),
        ({"/etc/x.png": png(1)}, "can't be kept here"),
        ({"a\\..\\x.png": png(1)}, "can't be kept here"),
        ({f"{'n' * 300}.png": png(1)}, "can't be kept here"),
        ({"a\nb.png": png(1)}, "can't be kept here"),
        ({"huge.png": File(b"x", True, told=2**40)}, "huge.png is larger than"),
        ({"huge.zip": File(b"x", True, told=2**40)}, "are fetched, so choose a smaller one"),
        ({"below.png": File(b"x", True, told=-1), "below.zip": File(b"x", True, told=-1)}, "holds no pictures"),
    ],
)
def test_what_never_comes(
    server: FakeHub, who: Callable[..., Hub], home: Path, files: dict[str, bytes | File], says: str
) -> None:
    server.plant(REPO.repo, files, kind="dataset")
    with pytest.raises(HubError, match=says) as raised:
        pull_pictures(REPO, who(""))
    assert str(raised.value).startswith("ada/faces")
    assert "\n" not in str(raised.value)
    assert not server.asked("/resolve/")
    assert not list(own.pulled_home().glob("*"))
    assert not list(home.rglob("*.png"))


def test_bounds_of_a_visitor(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, digits(), kind="dataset")
    for bounds, says in ((Bounds(files=5), "up to 5 are fetched"), (Bounds(size=100), "choose a smaller one")):
        with pytest.raises(HubError, match=says):
            pull_pictures(REPO, who(""), bounds=bounds)
    assert not server.asked("/resolve/")


def test_a_picture_too_large_is_left_out_and_told(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, {**digits(), "train/0/huge.png": File(b"x", True, told=2**40)}, kind="dataset")
    found = pull_pictures(REPO, who(""))
    assert found.left_out == ("train/0/huge.png",)
    assert laid(found.path) == {*digits(), "origin.json"}


def test_more_than_was_told_is_cut_off(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, {"a.png": File(b"x" * 500_000, True, told=10)}, kind="dataset")
    with pytest.raises(GanDemoError):
        pull_pictures(REPO, who(""))
    assert not list(own.pulled_home().glob("*"))


def test_who_may_see_it(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, digits(), kind="dataset", private=True)
    for name in ("", "ben"):
        with pytest.raises(HubError, match=r"there is no datasets/ada/faces on the Hub at .* may see"):
            pull_pictures(REPO, who(name))
    with pytest.raises(HubError, match="there is no datasets/ada/nothing"):
        pull_pictures(HubId("ada/nothing"), who("ada"))
    with pytest.raises(HubError, match="no such revision"):
        pull_pictures(HubId("ada/faces", "v9"), who("ada"))
    found = pull_pictures(REPO, who("ada"))
    # that they are here now opens them to nobody else
    with pytest.raises(HubError, match="there is no datasets/ada/faces"):
        pull_pictures(REPO, who("ben"))
    assert laid(found.path) == {*digits(), "origin.json"}


def test_without_a_network(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, digits(), kind="dataset")
    found = pull_pictures(REPO, who(""))
    server.close()
    again = pull_pictures(REPO, who(""))
    assert (again.path, again.cached, again.commit) == (found.path, True, found.commit)
    with pytest.raises(HubError, match="can't be reached"):
        pull_pictures(REPO, who("", offline=False))  # somebody else's request is not served from the owner's disk
    with pytest.raises(HubError, match="can't be reached"):
        pull_pictures(HubId("ada/others"), who(""))


def test_a_download_that_breaks_off_leaves_nothing(server: FakeHub, who: Callable[..., Hub], home: Path) -> None:
    server.plant(REPO.repo, digits(), kind="dataset")
    server.fail("/resolve/", 500, times=10_000)
    with pytest.raises(HubError):
        pull_pictures(REPO, who(""))
    assert not list(own.pulled_home().glob("*"))
    assert not list(own.pulled_home().glob(".*"))
    server.faults.clear()
    assert laid(pull_pictures(REPO, who("")).path) == {*digits(), "origin.json"}


# --- the page ------------------------------------------------------------------------------------------------


def answered(**asked: str) -> dict[str, Any]:
    """What the page hears at last, as it asks again and again."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        found = train_answers.own({"recipe": "digits", **asked})
        if "fetching" not in found:
            return found
        assert set(found["fetching"]) == {"done", "total", "seconds"}
        time.sleep(0.02)
    raise AssertionError("the pictures never came")


def test_the_page_asks_in_nobodys_name(server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ada")
    server.plant(REPO.repo, {**digits(), "train/1/huge.png": File(b"x", True, told=2**40)}, kind="dataset")
    server.plant("ada/secret", digits(), kind="dataset", private=True)
    found = answered(hub="https://huggingface.co/datasets/ada/faces")
    commit = server.repo(REPO.repo, "dataset").refs["main"]
    assert (found["name"], found["title"]) == (f"hub/ada--faces--{commit[:16]}", "ada/faces")
    assert found["report"]["count"] == 12
    assert found["report"]["remarks"][0].startswith("train/1/huge.png there: too large")
    assert found["preview"].startswith("data:image/png;base64,")
    assert str(home) not in json.dumps(found)
    wish = train_wishes.Wish.parse({"recipe": "digits", "dataset": found["name"]})
    assert wish.recipe.classes == 2
    assert own_pictures.name_of(wish.recipe.dataset) == found["name"]
    assert own_pictures.title_of(wish.recipe.dataset) == "ada/faces"
    with pytest.raises(HubError, match="that anybody may see"):
        answered(hub="ada/secret")
    assert server.tokens() == set()
    for wrong in ("hub/ada--faces--0000000000000000", "hub/../own", "hub/ada--faces--" + "0" * 15, "hub//etc"):
        with pytest.raises(GanDemoError):
            train_wishes.Wish.parse({"recipe": "digits", "dataset": wrong})
    for wrong in ("", "faces", "a/b/c", "../own", "ada/..", "ada/faces@../x"):
        with pytest.raises(GanDemoError):
            answered(hub=wrong or " ")


def test_visitors_fetch_within_bounds(server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "is_public", lambda: True)
    monkeypatch.setattr(access, "is_local", lambda: False)
    server.plant(REPO.repo, digits(), kind="dataset")
    server.plant("ada/large", {"all.zip": File(b"x", True, told=access.BOUNDS.upload + 1)}, kind="dataset")
    with pytest.raises(HubError, match="choose a smaller one"):
        answered(hub="ada/large")
    assert answered(hub="ada/faces")["report"]["count"] == 12
    monkeypatch.setattr(access, "BOUNDS", replace(access.BOUNDS, disk=10))
    with pytest.raises(DataError, match="no room for more pictures"):
        answered(hub="ada/faces")
    server.close()  # what lies on the server's disk may not be for everybody
    monkeypatch.setattr(access, "BOUNDS", replace(access.BOUNDS, disk=10**9))
    with pytest.raises(HubError, match="can't be reached"):
        answered(hub="ada/faces")


def test_two_are_fetched_at_a_time(server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def slow(*_: object, **__: object) -> None:
        begun.release()
        assert go_on.wait(240)
        raise HubError("enough")

    monkeypatch.setattr("gandemo.ship.hub.pictures.pull_pictures", slow)
    try:
        for name in ("ada/one", "ada/two"):
            assert train_answers.own({"recipe": "digits", "hub": name})["fetching"]["done"] == 0
            assert begun.acquire(timeout=240)
        assert "fetching" in train_answers.own({"recipe": "digits", "hub": "ada/one"})  # the same one, not a third
        with pytest.raises(RequestError, match="are being fetched already"):
            train_answers.own({"recipe": "digits", "hub": "ada/three"})
    finally:
        go_on.set()
    for name in ("ada/one", "ada/two"):
        with pytest.raises(HubError, match="enough"):
            answered(hub=name)


# --- the command line ---------------------------------------------------------------------------------------


def test_data_names_a_repository(server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.plant(REPO.repo, digits(), kind="dataset", private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_ada")  # the owner's own command line asks in the owner's name
    recipe = chosen_recipe("digits", REPO.repo, None)
    assert recipe.dataset.startswith(f"{datasets.CLASSES}{own.pulled_home()}/ada--faces--")
    assert recipe.classes == 2
    assert len(datasets.load(recipe.dataset, "test")) == 4
    assert json.loads((Path(recipe.dataset.removeprefix(datasets.CLASSES)) / "origin.json").read_text())["repo"] == (
        "ada/faces"
    )


def test_what_is_here_is_not_looked_for_there(server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for name, content in digits().items():
        path = home / "ada" / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert chosen_recipe("digits", "ada/faces", None).dataset == f"{datasets.CLASSES}{home / 'ada' / 'faces'}"
    assert chosen_recipe("digits", "fashion-mnist", None).dataset == "fashion-mnist"
    with pytest.raises(DataError, match="there is no data set"):
        chosen_recipe("digits", "no/such/folder", None)
    assert not server.log
    with pytest.raises(HubError, match="there is no ada/nobody on this machine, and the data sets of the Hub: there"):
        chosen_recipe("digits", "ada/nobody", None)
