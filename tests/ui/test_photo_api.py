"""The API of the tabs Colorize and Enhance as others call it, on the running app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio_client
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def client(served: str, tmp_path_factory: pytest.TempPathFactory) -> gradio_client.Client:
    return gradio_client.Client(served, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.fixture
def grey(tmp_path: Path) -> Any:
    Image.linear_gradient("L").resize((60, 40)).save(tmp_path / "old.png")
    return gradio_client.handle_file(tmp_path / "old.png")


def refused(client: gradio_client.Client, api_name: str, **arguments: Any) -> str:
    """The sentence that a wrong call is answered with."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the client has a class of its own for it
        client.predict(**arguments, api_name=api_name)
    message = str(raised.value)
    assert "Traceback" not in message
    assert "\n" not in message
    return message


def test_colorize(client: gradio_client.Client, grey: Any, tmp_path: Path) -> None:
    made = client.predict(photo=grey, api_name="/colorize")
    assert Path(made).name == "old-colour.png"
    with Image.open(made) as picture:
        pixels = np.asarray(picture, np.int16)
    assert pixels.shape == (40, 60, 3)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() > 8
    hints = [{"x": 0.5, "y": 0.5, "colour": [200, 0, 0]}]
    hinted = client.predict(photo=grey, hints=hints, api_name="/colorize")
    assert Path(hinted).read_bytes() != Path(made).read_bytes()
    rainbow = Image.merge("RGB", [Image.linear_gradient("L").rotate(angle) for angle in (0, 90, 180)])
    rainbow.save(tmp_path / "rainbow.png")
    colour = gradio_client.handle_file(tmp_path / "rainbow.png")
    assert "s in colour already" in refused(client, "/colorize", photo=colour)
    assert client.predict(photo=colour, recolour=True, api_name="/colorize")


def test_enhance(client: gradio_client.Client, grey: Any, tmp_path: Path) -> None:
    made = client.predict(photo=grey, scale=2, api_name="/enhance")
    with Image.open(made) as picture:
        assert picture.size == (120, 80)
    mask = Image.new("L", (60, 40))
    mask.paste(255, (0, 0, 20, 20))
    mask.save(tmp_path / "mask.png")
    file = gradio_client.handle_file(tmp_path / "mask.png")
    painted = client.predict(photo=grey, mask=file, strength=0.0, api_name="/enhance")
    with Image.open(painted) as picture, Image.open(tmp_path / "old.png") as before:
        changed = np.asarray(picture, np.int16) != np.asarray(before.convert("RGB"), np.int16)
    assert changed[:20, :20].any()
    assert not changed[25:, 25:].any()


def test_a_wrong_call_is_answered_with_one_sentence(client: gradio_client.Client, grey: Any, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    text = gradio_client.handle_file(tmp_path / "text.jpg")
    for api_name in ("/colorize", "/enhance"):
        assert "ext.jpg is no picture that can be read" in refused(client, api_name, photo=text)
        assert "There is no photo: send one" in refused(client, api_name, photo=None)
        assert "There is no checkpoint 'nope'" in refused(client, api_name, photo=grey, checkpoint="nope")
        assert "The strength must be a number" in refused(client, api_name, photo=grey, strength=7)
    assert "The scale must be 1, 2 or 4, got 3" in refused(client, "/enhance", photo=grey, scale=3)
    assert "Hints must be a list" in refused(client, "/colorize", photo=grey, hints={"x": 1})
