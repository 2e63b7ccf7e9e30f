"""What the tab Digits asks of the models, and what wrong requests are told."""

from __future__ import annotations

import base64
import io
import logging
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from gandemo.errors import DataError, GanDemoError, RequestError
from gandemo.pipeline import Pipeline
from gandemo.ui import app, digits, models
from gandemo.ui import digits_answers as answers
from tests import tiny


def wish(**changed: Any) -> answers.Wish:
    return answers.Wish.parse({"checkpoint": "tiny", "seed": 3, "label": "all", "count": 20, "variety": 1.0, **changed})


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"checkpoint": "nope"}, "there is no checkpoint 'nope'"),
        ({"checkpoint": "../../etc/passwd"}, "there is no checkpoint '../../etc/passwd'"),
        ({"checkpoint": None}, "there is no checkpoint 'None'"),
        ({"checkpoint": "tiny-reader"}, "there is no checkpoint 'tiny-reader'"),
        ({"seed": -1}, "the seed must be a whole number from 0"),
        ({"seed": None}, "the seed must be a whole number, got nothing"),
        ({"seed": 1.5}, "the seed must be a whole number, got 1.5"),
        ({"seed": "5; rm"}, "the seed must be a whole number"),
        ({"seed": True}, "the seed must be a whole number"),
        ({"seed": math.inf}, "the seed must be a whole number, got inf"),
        ({"seed": 2**80}, "the seed must be a whole number from 0"),
        ({"count": 0}, "the count must be from 1 to 1,000, got 0"),
        ({"count": -64}, "the count must be from 1 to 1,000, got -64"),
        ({"count": 10**9}, "the count must be from 1 to 1,000"),
        ({"label": 12}, "the class must be from 0 to 9, got 12"),
        ({"label": "-1"}, "the class must be a whole number"),
        ({"label": "seven"}, "the class must be a whole number, got 'seven'"),
        ({"label": 3, "checkpoint": "tiny-plain"}, "was trained without classes"),
        ({"variety": 2.5}, "variety must be a number from 0 to 2, got 2.5"),
        ({"variety": math.nan}, "variety must be a number from 0 to 2, got nan"),
        ({"variety": None}, "variety must be a number from 0 to 2, got None"),
    ],
)
def test_a_wrong_wish_is_one_sentence(filled: Path, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(GanDemoError) as refused:
        answers.wall(wish(**changed))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_wall_is_the_pipelines_pictures_in_one_png(filled: Path) -> None:
    wall = answers.wall(wish())
    made = Pipeline.from_pretrained(filled / "checkpoints" / "tiny").generate(20, seed=3)
    sheet = np.asarray(opened(wall["png"]))
    assert sheet.shape == (58, 298)
    assert np.array_equal(sheet[30:58, 60:88], made.images[12])
    assert wall["labels"] == made.labels.tolist()
    assert wall["probabilities"] is None
    assert answers.wall(wish())["png"] == wall["png"]
    assert answers.wall(wish(seed=4))["png"] != wall["png"]
    assert answers.Wish.parse(wall["wish"]) == wish()


def test_a_wall_is_judged_as_the_classes_it_was_asked_for(filled: Path) -> None:
    wall = answers.wall(wish(label="7"), judged=True)
    pipeline = Pipeline.from_pretrained(filled / "checkpoints" / "tiny")
    made = pipeline.generate(20, labels=7, seed=3)
    assert wall["probabilities"] == pytest.approx(pipeline.judge(made.images, 7).tolist(), abs=1e-4)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 2), (7, 3), (20, 5), (50, 10), (100, 10), (400, 20)])
def test_columns_without_classes(count: int, columns: int) -> None:
    assert answers.columns_of(wish(count=count), 0) == columns


@pytest.mark.parametrize(("count", "columns"), [(20, 10), (50, 10), (100, 10), (400, 20)])
def test_columns_hold_one_class_each(count: int, columns: int) -> None:
    assert answers.columns_of(wish(count=count), 10) == columns


def test_one_picture_is_judged_as_every_class(filled: Path) -> None:
    one = answers.one_of_wall(wish(), 12)
    assert opened(one["png"]).size == (28, 28)
    assert "Number 13 of 20" in one["title"]
    assert [kind["name"] for kind in one["verdict"]["classes"]] == list(tiny.NAMES)
    judged = answers.wall(wish(), judged=True)["probabilities"]
    assert one["verdict"]["probability"] == pytest.approx(judged[12], abs=1e-3)
    with pytest.raises(RequestError, match="from 0 to 19, got 20"):
        answers.one_of_wall(wish(), 20)


def test_without_a_second_player_nobody_is_asked(filled: Path) -> None:
    wall = answers.wall(wish(checkpoint="tiny-mute"))
    assert not wall["can_judge"]
    assert wall["why"] == "tiny-mute came without its discriminator, so there is nobody to ask."
    verdict = answers.one_of_wall(wish(checkpoint="tiny-mute"), 0)["verdict"]
    assert verdict["probability"] is None
    assert verdict["why"] == wall["why"]
    with pytest.raises(GanDemoError):
        answers.wall(wish(checkpoint="tiny-mute"), judged=True)


@pytest.mark.parametrize(("label", "count"), [(None, 10), (4, 1)])
def test_a_walk_is_cut_from_one_sheet(filled: Path, label: int | None, count: int) -> None:
    shown, _ = answers.walk("tiny", 1, 2, label)
    sheet = np.asarray(opened(shown["sheet"]))
    pipeline = Pipeline.from_pretrained(filled / "checkpoints" / "tiny")
    path = pipeline.walk(1, 2, count=count, label=label, frames=answers.WALK_FRAMES)
    for index in (0, 21, answers.WALK_FRAMES - 1):
        top = shown["height"] * (index // shown["columns"])
        left = shown["width"] * (index % shown["columns"])
        assert np.array_equal(sheet[top : top + 28, left : left + 28], path[index, 0])


def test_a_film_goes_there_and_back(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "FILMS_KEPT", 2)
    for seed in (2, 3, 4):
        file = Path(answers.film_file("tiny", 1, seed, 4))
    with Image.open(file) as film:
        assert film.n_frames == 2 * answers.WALK_FRAMES - 2
        assert film.width == film.height
    assert len(list(file.parent.iterdir())) == 2


def drawn_seven() -> np.ndarray:
    board = np.zeros((112, 112), np.uint8)
    board[20:28, 30:80] = 255
    board[20:95, 72:80] = 255
    return board


def test_a_drawing_from_the_page(filled: Path) -> None:
    board = drawn_seven()
    sent = {"pixels": base64.b64encode(board.tobytes()).decode(), "side": 112}
    assert np.array_equal(answers.drawing_from_page(sent), board)
    judged = answers.drawing("tiny", board)
    digit = np.asarray(opened(judged["png"]))
    assert digit.shape == (28, 28)
    assert digit.max() == 255
    assert len(judged["verdict"]["classes"]) == 10
    assert answers.drawing("tiny-plain", board)["verdict"]["classes"] == []
    assert answers.drawing("tiny-mute", board)["verdict"]["probability"] is None


def test_a_classifier_reads_what_is_drawn(filled: Path) -> None:
    recipe = tiny.DIGITS.with_settings({"features": "tiny-reader"})
    tiny.save(filled / "checkpoints" / "read", recipe, metrics={"calibration": {"scale": 1.0, "offset": 0.0}})
    pipeline = models.pipeline("read", "digits")
    digit = np.asarray(opened(answers.drawing("read", drawn_seven())["png"]))
    seen = answers.read(pipeline, digit)
    assert seen is not None
    kind, name, share = seen
    assert name == str(kind)
    assert 0.1 <= share <= 1.0
    drawn = answers.drawing("read", drawn_seven())
    assert drawn["reads"].endswith(f" “{name}”.")
    assert drawn["verdict"]["as"] == name
    assert answers.one_of_wall(wish(checkpoint="read"), 4)["verdict"]["as"] == "4"
    elsewhere = recipe.with_settings({"features": "../checkpoints/tiny-reader"})  # only names in the list are opened
    tiny.save(filled / "checkpoints" / "astray", elsewhere)
    assert answers.read(models.pipeline("astray", "digits"), digit) is None


@pytest.mark.parametrize("pixels", ["", "AAAA", "not base64!", "A" * 10**6, None, 7])
def test_a_broken_drawing_is_one_sentence(pixels: object) -> None:
    with pytest.raises(RequestError, match="the drawing must have 112 × 112 grey values"):
        answers.drawing_from_page({"pixels": pixels})


def test_an_empty_drawing_is_one_sentence(filled: Path) -> None:
    with pytest.raises(RequestError, match="nothing is drawn yet"):
        answers.drawing("tiny", np.zeros((112, 112), np.uint8))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_a_drawing_from_a_file(filled: Path, tmp_path: Path, mode: str) -> None:
    board = Image.fromarray(drawn_seven())
    if mode == "RGBA":
        ink = Image.new("RGBA", board.size, (0, 0, 0, 255))
        ink.putalpha(board)
    else:
        ink = Image.eval(board, lambda value: 255 - value).convert(mode)
    ink.save(tmp_path / "seven.png")
    digit, said = answers.drawing_from_file("tiny", str(tmp_path / "seven.png"))
    from_page = opened(answers.drawing("tiny", drawn_seven())["png"])
    assert np.abs(np.asarray(digit, np.int16) - np.asarray(from_page)).mean() < 2
    assert 0 <= said["verdict"]["probability"] <= 1


def test_a_file_that_is_no_drawing_is_one_sentence(filled: Path, tmp_path: Path) -> None:
    text = tmp_path / "seven.png"
    text.write_text("seven")
    with pytest.raises(DataError, match="no picture that can be read"):
        answers.drawing_from_file("tiny", str(text))
    Image.new("L", (40_000, 300)).save(text)
    with pytest.raises(RequestError, match="too long and thin"):
        answers.drawing_from_file("tiny", str(text))


def test_a_comparison_tells_when_the_noise_differs(filled: Path) -> None:
    both = answers.comparison(("tiny", "tiny-plain"), 5)
    assert [side["name"] for side in both["sides"]] == ["tiny", "tiny-plain"]
    assert "tiny takes 8 random numbers for a picture, tiny-plain 100" in both["figures"]["notes"][0]
    assert "tiny-plain was not measured yet." in both["figures"]["notes"]
    same = answers.comparison(("tiny", "tiny-mute"), 5)
    assert same["figures"]["notes"][0] == "Both got the very same 8 random numbers for each picture."


def test_the_last_few_models_stay_in_memory(filled: Path) -> None:
    assert models.pipeline("tiny", "digits") is models.pipeline("tiny", "digits")
    for index in range(models.KEPT):
        tiny.save(filled / "checkpoints" / f"more-{index}")
    first = models.pipeline("tiny", "digits")
    for index in range(models.KEPT):
        models.pipeline(f"more-{index}", "digits")
    assert len(models._loaded) == models.KEPT
    assert models.pipeline("tiny", "digits") is not first


def test_a_new_version_of_a_checkpoint_is_loaded(filled: Path) -> None:
    before = answers.wall(wish())["png"]
    tiny.save(filled / "checkpoints" / "tiny", tiny.DIGITS, seed=9)
    assert answers.wall(wish())["png"] != before


# --- callbacks --------------------------------------------------------------------------------------------


def test_what_was_foreseen_is_said_as_it_is() -> None:
    @models.calm
    def refuse() -> None:
        raise RequestError("the count must be <1>, got 2")

    with pytest.raises(gr.Error) as shown:
        refuse()
    assert shown.value.message == "The count must be &lt;1&gt;, got 2"
    assert not shown.value.print_exception


def test_what_was_not_foreseen_is_logged_and_calm(caplog: pytest.LogCaptureFixture) -> None:
    @models.calm
    def fail() -> None:
        raise ZeroDivisionError("secret detail")

    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as shown:
        fail()
    assert "secret" not in shown.value.message
    assert "Traceback" not in shown.value.message
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("data", [None, {}, "text", [1], {"index": -1}])
@pytest.mark.parametrize("callback", [digits._asked, digits._selected, digits._filmed])
def test_odd_event_data_are_one_sentence(filled: Path, callback: Any, data: Any) -> None:
    with pytest.raises(gr.Error) as shown:
        models.calm(callback)(gr.EventData(None, data))
    assert shown.value.message.count("\n") == 0


def test_every_endpoint_has_a_name_or_is_the_pages_own() -> None:
    code = """
from gandemo.ui.app import build
for fn in build().fns.values():
    if fn.fn is not None:
        calm = hasattr(fn.fn, "__wrapped__")
        print(fn.name, fn.api_name if fn.api_visibility == "public" else "-", fn.concurrency_id, calm)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = [line.split() for line in result.stdout.splitlines()]
    public = {name for _, name, _, _ in rows if name != "-"}
    digits = {"checkpoints", "generate", "judge", "walk", "judge_drawing", "compare"}
    assert public == {*digits, "colorize", "enhance"}
    assert {calm for _, _, _, calm in rows} == {"True"}
    assert {queue for _, name, queue, _ in rows if name in digits} == {models.QUEUE}
    assert {queue for _, _, queue, _ in rows} == {models.QUEUE, "photos", "stop", "hub", "export"}


# --- serving ----------------------------------------------------------------------------------------------


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `launch` asks of Gradio; nothing is served, and port 80 is taken."""
    asked: dict[str, Any] = {}

    class Served:
        def launch(self, **settings: Any) -> tuple[None, str, None]:
            if settings["server_port"] == 80:
                raise OSError("Cannot find empty port in range: 80-80.")
            asked.update(settings)
            return None, "http://127.0.0.1:7860/", None

        def block_thread(self) -> None:
            pass

    monkeypatch.setattr(app, "build", Served)
    monkeypatch.setattr(app, "_warm_up", lambda: None)
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    return asked


def test_by_default_only_this_machine_is_served(launched: dict[str, Any]) -> None:
    app.launch()
    assert launched["server_name"] == "127.0.0.1"
    assert launched["server_port"] is None
    assert launched["run_history"] is False


@pytest.mark.parametrize(
    ("env", "arguments", "host"),
    [
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, {}, "0.0.0.0"),
        ({"SPACE_ID": "somebody/demo"}, {}, "0.0.0.0"),
        ({"SPACE_ID": "somebody/demo", "GRADIO_SERVER_NAME": "10.0.0.1"}, {}, "10.0.0.1"),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, {"host": "127.0.0.2"}, "127.0.0.2"),
    ],
)
def test_the_address_comes_from_the_call_or_the_environment(
    launched: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    arguments: dict[str, Any],
    host: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    app.launch(**arguments)
    assert launched["server_name"] == host


def test_a_missing_public_link_is_told(launched: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    app.launch(share=True, auth=("ann", "secret"))
    assert launched["share"]
    assert launched["auth"] == ("ann", "secret")
    said = capsys.readouterr().out
    assert "no public link" in said
    assert "secret" not in said


def test_a_port_in_use_is_one_sentence(launched: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=r"can't listen on 127\.0\.0\.1, port 80"):
        app.launch(port=80)
