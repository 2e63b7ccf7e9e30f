"""What the tab Train answers: runs started once, changed by those who may, and told of as they are."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gandemo.errors import GanDemoError, RequestError, TrainingError
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import curves, estimate, events, runs, storage, terms
from gandemo.ui import access, catalog, own_pictures, train, train_answers, train_form, train_live
from tests import tiny

OWNER, STRANGER = "a" * 48, "b" * 48


class Stub:
    """A manager that starts nothing, and remembers what it was asked for."""

    threads, niceness = 1, 0

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def start(self, recipe: Recipe, **agreed: Any) -> runs.RunSummary:
        self.asked.append(("start", {"recipe": recipe, **agreed}))
        folder = runs.new_run_dir(recipe)
        init = None if agreed["init"] is None else Path(agreed["init"])
        runs.lay_out(folder, recipe, init, owner=agreed["owner"], max_seconds=agreed["max_seconds"])
        return runs.summarise(folder)

    def fork_refused(self, run: str, **agreed: Any) -> runs.RunSummary:
        self.asked.append(("fork_refused", (run, agreed)))
        return runs.summarise(runs.find_run(run))

    def stop(self, run: str, *, now: bool = False) -> str:
        self.asked.append(("stop", (run, now)))
        return f"{run} is stopping"

    def resume(self, run: str) -> runs.RunSummary:
        self.asked.append(("resume", run))
        return runs.summarise(runs.find_run(run))


@pytest.fixture
def manager(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """The answers with a manager that starts nothing; nothing is measured either."""
    stub = Stub()
    estimator = estimate.Estimator(("false",), {})
    monkeypatch.setattr(train_answers, "manager", lambda: stub)
    monkeypatch.setattr(train_answers, "estimator", lambda: estimator)
    train_answers._tickets.clear()
    yield stub
    estimator.close()


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "somebody/gandemo")


def lay(home: Path, name: str, *told: events.Event, recipe: Recipe = tiny.DIGITS, owner: str = "") -> Path:
    folder = home / "runs" / name
    runs.lay_out(folder, recipe, owner=owner)
    for event in told:
        events.append(folder / "events.jsonl", event)
    return folder


def progress(step: int) -> events.Progress:
    return events.Progress(
        step=step,
        time=step,
        losses={"generator": 1.0},
        signals={},
        images_per_second=50,
        seconds=2 * step,
        seconds_left=9,
    )


def started() -> events.Started:
    return events.Started(step=0, time=0, steps=6, device="cpu", threads=1, precision="fp32", parameters={})


STOPPED = events.Finished(step=4, time=5, state="stopped", seconds=8)


# --- the form ---------------------------------------------------------------------------------------------


def test_every_recipe_is_offered_once(manager: Stub) -> None:
    offered = [card["name"] for task in train_answers.offer()["tasks"] for card in task["recipes"]]
    assert sorted(offered) == sorted(RECIPES)


def test_choices_are_those_of_the_recipe(manager: Stub, filled: Path) -> None:
    found = train_answers.choices({"recipe": "vanilla"})
    assert found["dataset"] == "mnist"
    assert {each["name"] for each in found["datasets"]} == {"mnist", "fashion-mnist"}
    assert {each["name"] for each in train_answers.choices({"recipe": "colorize"})["datasets"]} == {"photos"}
    assert found["drawer"]
    fresh = {"name": "", "title": "fresh weights, from nothing"}
    assert (found["begins"], found["missing"]) == ([fresh], "")  # none of these checkpoints has its networks
    tiny.save(filled / "checkpoints" / "alike", RECIPES["vanilla"])
    assert [each["name"] for each in train_answers.choices({"recipe": "vanilla"})["begins"]] == ["", "alike"]


def test_what_a_second_stage_begins_with(manager: Stub, filled: Path) -> None:
    """The first stage where it is here, else what it became: what is chosen by default can be started."""
    recipe = RECIPES["colorize"]
    tiny.save(filled / "checkpoints" / "colorize", recipe)
    found = train_answers.choices({"recipe": "colorize"})
    assert [each["name"] for each in found["begins"]] == ["colorize", train_answers.FRESH]
    assert found["missing"] == "colorize-l1"
    tiny.save(filled / "checkpoints" / "colorize-l1", RECIPES["colorize-l1"])
    found = train_answers.choices({"recipe": "colorize"})
    assert [each["name"] for each in found["begins"]] == ["", "colorize", train_answers.FRESH]
    assert found["begins"][0]["title"] == "colorize-l1, as this design does"
    assert found["missing"] == ""


# --- starting ---------------------------------------------------------------------------------------------


def test_a_ticket_is_good_for_one_run(manager: Stub, home: Path) -> None:
    asked = {"recipe": "vanilla", "ticket": "t1"}
    first = train_answers.start(asked)
    assert train_answers.start(asked)["run"] == first["run"]
    assert train_answers.start({**asked, "ticket": "t2"})["run"] != first["run"]
    assert [verb for verb, _ in manager.asked] == ["start", "start"]


def test_what_was_measured_sets_how_often_it_tells(manager: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = estimate.Estimate(0.1, 0.05, 1, 1, 1, 100, 1, 1, None, {}, "cpu")
    monkeypatch.setattr(train_answers.estimator(), "known", lambda _: fast)
    train_answers.start({"recipe": "vanilla"})
    (_, asked) = manager.asked[0]
    assert (asked["recipe"].log_every, asked["recipe"].sample_every) == (10, 100)  # a second, ten seconds
    assert asked["recipe"].evaluate_every == RECIPES["vanilla"].evaluate_every


def test_an_estimate_is_told_for_the_wish(manager: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = estimate.Estimate(0.5, 0, 0, 0, 1, 256, 10, 10, 5 * 10**8, {"generator": 7}, "cpu")
    monkeypatch.setattr(train_answers.estimator(), "ask", lambda _: estimate.Answer("ready", found))
    told = train_answers.take({"recipe": "vanilla", "settings": {"steps": 600}})
    assert (told["seconds"], told["cut"], told["memory"]) == (300.0, False, 5 * 10**8)
    told = train_answers.take({"recipe": "vanilla", "settings": {"steps": 600}, "minutes": 2})
    assert (told["seconds"], told["cut"]) == (120.0, True)
    monkeypatch.setattr(train_answers.estimator(), "ask", lambda _: estimate.Answer("failed", why="no data"))
    assert train_answers.take({"recipe": "vanilla"}) == {"state": "failed", "why": "No data"}


# --- who may do what --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "share", "password", "local", "public"),
    [
        ("127.0.0.1", False, False, True, False),
        ("localhost", False, False, True, False),
        ("::1", False, False, True, False),
        ("127.0.0.1", True, False, False, True),
        ("0.0.0.0", False, False, False, True),
        ("gan.example", False, False, False, True),
        ("0.0.0.0", False, True, False, False),
    ],
)
def test_who_reaches_the_page(
    monkeypatch: pytest.MonkeyPatch, host: str, share: bool, password: bool, local: bool, public: bool
) -> None:
    monkeypatch.setattr(access, "_reached_from_outside", None)
    monkeypatch.setattr(access, "_has_password", None)
    access.settle(host, share=share, password=password)
    assert (access.is_local(), access.is_public()) == (local, public)
    monkeypatch.setenv("GANDEMO_PUBLIC", "1")
    assert not access.is_local()


def test_on_this_machine_everybody_may_do_everything() -> None:
    assert access.digest("anything") == ""
    assert access.may_change("", None)
    assert access.may_change("somebody", None)


def test_in_public_only_the_browser_that_started_a_run_may_change_it(public: None) -> None:
    mine = access.digest(OWNER)
    assert OWNER not in mine
    assert access.may_change(mine, OWNER)
    assert not access.may_change(mine, STRANGER)
    assert not access.may_change(mine, mine)
    assert not access.may_change(mine, None)
    assert not access.may_change("", OWNER)  # started at the command line
    for wrong in (None, "", "short", "g" * 40, ["a" * 48]):
        with pytest.raises(RequestError, match="no key of its own"):
            access.digest(wrong)


@pytest.mark.usefixtures("public")
def test_in_public_a_run_is_bounded(manager: Stub, home: Path) -> None:
    start = {"recipe": "vanilla", "owner": OWNER}
    train_answers.start(start)
    (_, asked) = manager.asked[0]
    assert asked["max_seconds"] == 60 * access.BOUNDS.minutes
    assert asked["owner"] == access.digest(OWNER)
    for settings, complaint in (
        ({"steps": 10**6}, "steps may be at most"),
        ({"batch_size": 4_000}, "batch_size may be at most"),
        ({"generator.args.widths": [9_000, 9_000]}, "can't be changed on a public server"),
        ({"image_size": 1_024}, "can't be changed on a public server"),
    ):
        with pytest.raises(RequestError, match=complaint):
            train_answers.start({**start, "settings": settings})
    with pytest.raises(RequestError, match="choose one of the list"):
        train_answers.start({**start, "dataset": str(home)})
    with pytest.raises(RequestError, match="no key"):
        train_answers.start({"recipe": "vanilla"})
    assert train_answers.choices({"recipe": "vanilla"})["drawer"] == []
    (home / "runs").mkdir(exist_ok=True)
    runs.write_queue([f"run-{number}" for number in range(access.BOUNDS.waiting)])
    with pytest.raises(TrainingError, match="wait already"):
        train_answers.start(start)


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("verb", ["stop", "end", "resume", "ask_delete", "delete", "publish"])
def test_in_public_a_stranger_changes_nothing(manager: Stub, home: Path, verb: str) -> None:
    lay(home, "mine-1", started(), progress(4), owner=access.digest(OWNER))
    with pytest.raises(RequestError, match="started in another browser"):
        train_answers.act({"verb": verb, "run": "mine-1", "owner": STRANGER})
    assert manager.asked == []
    rows = train_live.look({"owner": STRANGER})["list"]["runs"]
    assert rows[0]["verbs"] == ["fork"]
    train_live._list = (0.0, Path(), [])
    assert "resume" in train_live.look({"owner": OWNER})["list"]["runs"][0]["verbs"]


@pytest.mark.usefixtures("public")
def test_in_public_a_refused_run_is_forked_within_the_same_bounds(manager: Stub, home: Path) -> None:
    fork = {"verb": "fork", "refused": True, "owner": STRANGER}
    lay(home, "fine-1", started(), progress(4), STOPPED)
    with pytest.raises(RequestError, match="can go on as it is; resume it"):
        train_answers.act({**fork, "run": "fine-1"})
    refused = events.Finished(step=4, time=0.0, state="failed", reason="", differences=["dataset: a, now b"])
    lay(home, "large-1", started(), refused, recipe=tiny.DIGITS.with_settings({"batch_size": 4000}))
    with pytest.raises(RequestError, match="batch_size may be at most"):
        train_answers.act({**fork, "run": "large-1"})
    lay(home, "refused-1", started(), refused)
    train_answers.act({**fork, "run": "refused-1"})
    (_, asked) = manager.asked[-1]
    assert asked == ("refused-1", {"owner": access.digest(STRANGER), "max_seconds": 60 * access.BOUNDS.minutes})
    runs.write_queue([f"run-{number}" for number in range(access.BOUNDS.waiting)])
    with pytest.raises(TrainingError, match="wait already"):
        train_answers.act({**fork, "run": "refused-1"})


def test_verbs_follow_the_state(manager: Stub, home: Path) -> None:
    folder = lay(home, "one-1", started(), progress(4), STOPPED)
    found = runs.summarise(folder)
    assert train_answers.verbs(found, mine=True, has_checkpoint=False) == ["resume", "fork", "delete"]
    assert train_answers.verbs(found, mine=False, has_checkpoint=True) == ["fork", "use", "publish"]
    for state, expected in (
        ("queued", {"stop", "fork", "delete"}),
        ("starting", {"stop", "fork"}),
        ("running", {"stop", "fork"}),
        ("stopping", {"end", "fork"}),
        ("interrupted", {"resume", "fork", "delete"}),
        ("failed", {"resume", "fork", "delete"}),
        ("done", {"fork", "delete"}),
    ):
        now = type(found)(**{**found.__dict__, "state": state})
        assert set(train_answers.verbs(now, mine=True, has_checkpoint=False)) == expected


def test_the_bound_on_the_disk_is_set_on_the_page(manager: Stub, home: Path) -> None:
    lay(home, "heavy-1", STOPPED)
    (home / "runs" / "heavy-1" / "weights").write_bytes(b"0" * 10**6)
    (home / "runs" / ".deleted-old-1").mkdir()
    asked = train_answers.room({})
    assert asked["limit"] is None
    assert asked["taken"] > 10**6
    assert asked["free"] > 0
    assert (home / "runs" / ".deleted-old-1").is_dir()  # asking takes nothing away
    assert train_answers.room({"limit": 2.5})["limit"] == storage.disk_limit() == 2_500_000_000
    assert not (home / "runs" / ".deleted-old-1").is_dir()
    assert train_answers.room({"limit": None})["limit"] is storage.disk_limit() is None
    for wrong, complaint in ((0, "above 0"), ("much", "above 0"), (True, "above 0"), (0.001, "too small")):
        with pytest.raises(GanDemoError, match=complaint):
            train_answers.room({"limit": wrong})


def test_in_public_the_bound_is_not_a_visitors(manager: Stub, home: Path, public: None) -> None:
    # also where nobody has set one, and where what was set can't be read
    for text in ('{"disk_limit": null}', "", "{"):
        (home / "runs").mkdir(exist_ok=True)
        (home / "runs" / storage.SETTINGS).write_text(text)
        assert train_answers.room({})["limit"] == access.BOUNDS.disk
    with pytest.raises(RequestError, match="not a visitor's"):
        train_answers.room({"limit": None})
    assert train_live.look({})["list"]["may_bound"] is False


def test_doing_things_to_what_is_not_there_is_one_sentence(manager: Stub, home: Path) -> None:
    for name in ("gone-1", "../checkpoints", "", None, "a/b"):
        with pytest.raises(RequestError, match="no run"):
            train_answers.act({"verb": "stop", "run": name})
    with pytest.raises(RequestError, match="nothing called"):
        train_answers.act({"verb": "explode", "run": "gone-1"})


def test_stopping_what_has_stopped_is_calm(manager: Stub, home: Path) -> None:
    lay(home, "one-1", started(), progress(4), STOPPED)
    assert train_answers.act({"verb": "stop", "run": "one-1"}) == {"says": "one-1 is stopped already"}
    assert manager.asked == []


# --- what is shown ----------------------------------------------------------------------------------------


def test_a_look_sends_only_what_has_changed(manager: Stub, home: Path) -> None:
    folder = lay(home, "one-1", started(), progress(2), progress(4))
    first = train_live.look({})
    assert first["head"]["id"] == "one-1"
    assert first["curves"]["steps"] == [2, 4]
    again = train_live.look({"run": "one-1", "known": first["stamps"]})
    assert set(again) == {"now", "stamps"}
    events.append(folder / "events.jsonl", progress(6))
    train_live._list = (0.0, Path(), [])
    later = train_live.look({"run": "one-1", "known": first["stamps"]})
    assert later["head"]["step"] == 6
    assert later["curves"]["steps"] == [2, 4, 6]
    part = train_live.look({"run": "one-1", "first": 3, "last": 5, "known": later["stamps"]})
    assert set(part) == {"now", "stamps", "curves"}
    assert first["doctor"] == {"run": "one-1", "found": [], "waits_for": 200}  # it can't tell yet, and says so
    events.append(folder / "events.jsonl", progress(200))
    train_live._list = (0.0, Path(), [])
    assert train_live.look({"run": "one-1", "known": later["stamps"]})["doctor"]["waits_for"] == 0
    json.dumps(first)  # plain values


def test_a_bound_on_the_time_is_what_is_left(manager: Stub, home: Path) -> None:
    folder = lay(home, "one-1", started(), progress(4))  # after 8 seconds, 9 before its end
    terms.write(folder, terms.Terms(max_seconds=10.0))
    head = train_live.look({})["head"]
    assert (head["seconds_left"], head["stops_early"], head["given"]) == (2.0, True, None)
    events.append(folder / "events.jsonl", STOPPED.model_copy(update={"seconds": 10.2}))
    train_live._list = (0.0, Path(), [])
    assert train_live.look({})["head"]["given"] == 10.0
    # and resumed: as long again
    for event in (started().model_copy(update={"step": 4, "resumed": True}), progress(6)):
        events.append(folder / "events.jsonl", event)
    train_live._list = (0.0, Path(), [])
    head = train_live.look({})["head"]
    assert (head["seconds_left"], head["stops_early"]) == (pytest.approx(8.2), True)


def test_a_first_stage_knows_what_goes_on_from_it(manager: Stub, home: Path) -> None:
    lay(home, "one-1", started(), recipe=RECIPES["colorize-l1"])
    assert train_live.look({})["head"]["leads_to"] == "colorize"
    tiny.save(home / "checkpoints" / "colorize-l1", RECIPES["colorize-l1"])  # it is there already
    assert train_live.look({})["head"]["leads_to"] == ""
    lay(home, "two-1", started())
    train_live._list = (0.0, Path(), [])
    assert train_live.look({"run": "two-1"})["head"]["leads_to"] == ""


@pytest.mark.parametrize("start", ["checkpoints/mine", "runs/old-1/checkpoints/step-4"])
def test_what_a_run_came_from(manager: Stub, home: Path, start: str) -> None:
    (home / start).mkdir(parents=True)
    runs.lay_out(home / "runs" / "one-1", tiny.DIGITS, home / start)
    assert train_live.look({})["head"]["from"] == start.removeprefix("runs/").replace("checkpoints/", "")


def test_a_look_bears_with_anything(manager: Stub, home: Path) -> None:
    assert train_live.look({})["list"]["count"] == 0
    lay(home, "one-1", started())
    train_live._list = (0.0, Path(), [])
    for asked in ({"run": 3}, {"run": "gone"}, {"known": 7}, {"rows": "all", "first": "x", "last": True}):
        assert train_live.look(asked)["head"]["id"] == "one-1"


def test_the_one_that_trains_is_shown_first(manager: Stub, home: Path) -> None:
    old = lay(home, "old-1", started(), progress(2))
    lay(home, "young-1", started(), progress(2), STOPPED)
    hold = runs.process.hold(old)
    try:
        events.append(old / "events.jsonl", started())
        train_live._list = (0.0, Path(), [])
        found = train_live.look({})
        assert found["head"]["id"] == "old-1"
        assert found["head"]["state"] == "running"
        assert found["list"]["active"] == ["old-1"]
    finally:
        hold.release()


def test_sheets_are_named_by_their_step_alone(manager: Stub, home: Path) -> None:
    folder = lay(home, "one-1", started())
    (folder / "samples").mkdir()
    Image.new("L", (20, 10), 90).save(folder / "samples" / "step-0000003.png")
    (folder / "samples" / "step-0000004.png").write_text("no picture")
    found = train_live.pictures({"run": "one-1", "steps": [3, 4, 5]})["pictures"]
    assert list(found) == ["3"]
    with Image.open(io.BytesIO(base64.b64decode(found["3"].partition(",")[2]))) as sheet:
        assert sheet.size == (20, 10)
    for steps in (None, ["../recipe"], [-1], [1.5]):
        with pytest.raises(RequestError, match="whole numbers"):
            train_live.pictures({"run": "one-1", "steps": steps})
    with pytest.raises(RequestError, match="no run"):
        train_live.pictures({"run": "../one-1", "steps": [3]})


def test_a_film_has_a_frame_for_each_sheet(manager: Stub, home: Path) -> None:
    told = [events.Sampled(step=step, time=0, path=f"samples/step-{step:07d}.png") for step in (0, 5, 10)]
    folder = lay(home, "one-1", started(), *told)
    with pytest.raises(RequestError, match="two"):
        train_live.film({"run": "one-1"})
    (folder / "samples").mkdir()
    for place, step in enumerate((0, 5, 10)):
        Image.new("L", (300, 240), 80 * place).save(folder / "samples" / f"step-{step:07d}.png")
    made = train_live.film({"run": "one-1"})
    with Image.open(io.BytesIO(base64.b64decode(made["film"].partition(",")[2]))) as film:
        assert (film.format, film.n_frames) == ("GIF", 3)
        assert film.size == (600, 510)  # twice as large, with the step below


def test_a_race_is_between_two_of_a_kind(manager: Stub, home: Path) -> None:
    score = events.Evaluated(step=4, time=0, metrics={"frechet": 9.0}, score="frechet", is_best=True, seconds=1)
    lay(home, "one-1", started(), progress(4), score)
    lay(home, "two-1", started(), progress(2))
    lay(home, "reader-1", started(), recipe=tiny.TINY["classifier"])
    found = train_live.race({"runs": ["one-1", "two-1"]})
    assert [side["id"] for side in found["sides"]] == ["one-1", "two-1"]
    assert found["sides"][0]["scores"] == {"steps": [4], "seconds": [8.0], "score": [9.0], "best": 0}
    assert "sides" not in train_live.race({"runs": ["one-1", "two-1"], "known": found["stamp"]})
    with pytest.raises(RequestError, match="different tasks"):
        train_live.race({"runs": ["one-1", "reader-1"]})
    for wrong in (None, ["one-1"], ["one-1", "gone-1"]):
        with pytest.raises(RequestError):
            train_live.race({"runs": wrong})


def test_where_pictures_lie_is_not_told(manager: Stub, home: Path) -> None:
    path = home / "data" / "own" / "0123456789abcdef.zip"
    recipe = tiny.DIGITS.with_settings({"dataset": f"classes:{path}"})
    lay(home, "one-1", started(), recipe=recipe)
    told = json.dumps(train_live.look({}))
    assert str(home) not in told
    assert own_pictures.name_of(recipe.dataset) == "own/0123456789abcdef.zip"


# --- own pictures -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("public")
def test_strangers_name_no_folder(manager: Stub, home: Path) -> None:
    with pytest.raises(RequestError, match="can't be read from elsewhere"):
        train_answers.own({"recipe": "vanilla", "folder": str(home)})


def test_only_what_was_sent_is_read_as_sent(
    manager: Stub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    outside = tmp_path / "secret.zip"
    outside.write_bytes(b"PK")
    for path in (outside, "/etc/passwd", tmp_path / "gradio" / "gone.zip", "\0"):
        with pytest.raises(RequestError, match="no longer here"):
            own_pictures.check({"sent": str(path), "name": "a.zip"}, RECIPES["vanilla"])


# --- the line to the page ---------------------------------------------------------------------------------


def ask(name: str) -> Callable[[Any], dict[str, Any]]:
    return train._answer(name, train.ANSWERS[name])


def test_errors_reach_the_page_as_a_sentence(manager: Stub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("act")({"verb": "stop", "run": "x"}) == {"error": "There is no run 'x' any more; choose another"}
    assert "strange" in ask("act")("stop")["error"]

    def broken(_: Any) -> dict[str, Any]:
        raise KeyError("a secret")

    monkeypatch.setattr(train_answers, "act", broken)
    assert ask("act")({})["error"].startswith("Something went wrong here")


def test_every_answer_has_its_name() -> None:
    for name in train.ANSWERS:
        assert ask(name).__name__ == name
    assert train_live.SHEETS < curves.PLACES
    assert set(train_form.SMALL) <= {name for name, *_ in train_form.TASKS}
    assert catalog.title_of("mnist") == "MNIST digits"
    assert terms.FILE == "start.json"
