"""The API as others call it, on the running app."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import gradio_client
import pytest
from PIL import Image, ImageDraw


@pytest.fixture(scope="module")
def client(served: str, tmp_path_factory: pytest.TempPathFactory) -> gradio_client.Client:
    return gradio_client.Client(served, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


# What answers whatever it is sent: lists that are made anew, and the ends of work that is not under way.
HARMLESS = {"lambda", "_opened", "_stop", "_stopped"}


def refused(client: gradio_client.Client, api_name: str, **arguments: Any) -> str:
    """The sentence that a wrong call is answered with."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the client has a class of its own for it
        client.predict(**arguments, api_name=api_name)
    message = str(raised.value)
    assert "Traceback" not in message
    assert "\n" not in message
    return message


def test_generate(client: gradio_client.Client) -> None:
    picture, values = client.predict(checkpoint="tiny", count=20, label=7, seed=5, api_name="/generate")
    with Image.open(picture) as sheet:
        assert sheet.size == (148, 118)
        first = sheet.tobytes()
    assert values["labels"] == [7] * 20
    again, _ = client.predict(checkpoint="tiny", count=20, label=7, seed=5, api_name="/generate")
    with Image.open(again) as sheet:
        assert sheet.tobytes() == first


def test_judge_and_checkpoints(client: gradio_client.Client) -> None:
    shares = client.predict(checkpoint="tiny", count=12, api_name="/judge")
    assert len(shares) == 12
    assert all(0 <= share <= 1 for share in shares)
    listed = {one["name"]: one for one in client.predict(api_name="/checkpoints")}
    assert listed["tiny"]["frechet"] == 12.34
    assert not listed["tiny-mute"]["can_judge"]
    assert "tiny-reader" not in listed


def test_walk(client: gradio_client.Client) -> None:
    film = client.predict(checkpoint="tiny", start_seed=1, end_seed=2, label=3, api_name="/walk")
    with Image.open(film) as frames:
        assert frames.format == "PNG"
        assert frames.n_frames > 40


def test_judge_drawing(client: gradio_client.Client, tmp_path: Path) -> None:
    drawing = Image.new("RGB", (200, 300), "white")
    ImageDraw.Draw(drawing).line([(60, 60), (140, 60), (90, 240)], fill="black", width=20)
    drawing.save(tmp_path / "seven.png")
    file = gradio_client.handle_file(tmp_path / "seven.png")
    digit, said = client.predict(drawing=file, checkpoint="tiny", api_name="/judge_drawing")
    with Image.open(digit) as seen:
        assert seen.size == (28, 28)
    assert len(said["verdict"]["classes"]) == 10
    Image.new("RGB", (200, 300), "white").save(tmp_path / "empty.png")
    file = gradio_client.handle_file(tmp_path / "empty.png")
    assert "othing is drawn" in refused(client, "/judge_drawing", drawing=file, checkpoint="tiny")


def test_compare(client: gradio_client.Client) -> None:
    left, right, table = client.predict(checkpoint="tiny", other="tiny-plain", seed=3, api_name="/compare")
    assert left != right
    assert table["columns"] == ["tiny", "tiny-plain", "real"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"checkpoint": "nope"}, "There is no checkpoint 'nope'; choose one of "),
        ({"checkpoint": "../../../etc"}, "There is no checkpoint '../../../etc'"),
        ({"checkpoint": "/etc/passwd"}, "There is no checkpoint '/etc/passwd'"),
        ({"checkpoint": "<script>"}, "There is no checkpoint '&lt;script&gt;'"),
        ({"checkpoint": "tiny-reader"}, "There is no checkpoint 'tiny-reader'"),
        ({"checkpoint": "tiny", "count": -64}, "The count must be from 1 to 1,000, got -64"),
        ({"checkpoint": "tiny", "count": 10**9}, "The count must be from 1 to 1,000"),
        ({"checkpoint": "tiny", "label": 12}, "The class must be from 0 to 9, got 12"),
        ({"checkpoint": "tiny-plain", "label": 1}, "was trained without classes"),
        ({"checkpoint": "tiny", "seed": -1}, "The seed must be a whole number from 0"),
        ({"checkpoint": "tiny", "variety": 99}, "Variety must be a number from 0 to 2, got 99"),
        ({"checkpoint": "tiny", "count": "many"}, "The count must be a whole number, got 'many'"),
        ({"checkpoint": "tiny", "seed": {"a": 1}}, "The seed must be a whole number, got"),
    ],
)
def test_a_wrong_call_is_answered_with_one_sentence(
    client: gradio_client.Client, arguments: dict[str, Any], says: str
) -> None:
    assert says in refused(client, "/generate", **arguments)


def test_the_pages_own_endpoints_check_what_they_are_sent(served: str) -> None:
    """They are not in the API, but anybody can send them anything."""
    with urllib.request.urlopen(f"{served}config") as answer:
        config = json.load(answer)
    own = [call for call in config["dependencies"] if call["api_visibility"] == "private" and call["backend_fn"]]
    assert len(own) > 10
    for call in own:
        body = {
            "data": ["../../etc/passwd"] * len(call["inputs"]),
            "event_data": {"checkpoint": "../../etc/passwd", "index": "x", "pixels": "x" * 100},
            "fn_index": call["id"],
            "session_hash": f"somebody-{call['id']}",
        }
        events = _joined(served, body)
        refused = events["success"] is False or '"kind": "failed"' in json.dumps(events)
        assert refused or call["api_name"].rstrip("_0123456789") in HARMLESS, call
        assert "root:" not in json.dumps(events)
        assert "Traceback" not in json.dumps(events)


def _joined(served: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{served}gradio_api/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{served}gradio_api/queue/data?session_hash={body['session_hash']}") as stream:
        for line in stream:
            message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
            if message.get("msg") == "process_completed" and message.get("event_id") == event:
                return dict(message)
    raise AssertionError("the stream ended without an answer")
