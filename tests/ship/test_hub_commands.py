"""`push` and `pull` on the command line: what they print, and one line with status 2 for each mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gandemo import __main__ as cli
from gandemo import checkpoint
from tests import tiny
from tests.ship.fake_hub import FakeHub

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(
    server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`python -m gandemo …` in this process, in ada's name: status, standard output and error."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HF_TOKEN", "hf_ada")
    tiny.save(home / "checkpoints" / "tiny")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["gandemo", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_there_and_back(server: FakeHub, run: Callable[..., tuple[int, str, str]], home: Path) -> None:
    status, out, err = run("push", "tiny", "ada/tiny", "--private")
    assert (status, err) == (0, "")
    assert out.startswith(f"pushed to {server.endpoint}/ada/tiny (private, commit ")
    assert out.endswith("): 5 of 5 files\n")
    status, out, err = run("push", "tiny", "ada/tiny")
    assert out.startswith(f"nothing has changed since the last push: {server.endpoint}/ada/tiny (private, commit ")
    status, out, err = run("pull", "ada/tiny", "--name", "again")
    assert (status, err) == (0, "")
    assert out.startswith("pulled ada/tiny as again (commit ")
    assert checkpoint.resolve("again").recipe == tiny.DIGITS
    server.close()
    status, out, err = run("pull", "ada/tiny")
    assert out == "pulled ada/tiny as ada--tiny (from the cache, since the Hub can't be reached): digits\n"
    status, out, err = run("generate", "ada/tiny", "-n", "4", "-o", "x.npz")
    assert (status, out) == (0, "wrote x.npz\n")


def test_a_token_file_comes_before_the_environment(
    server: FakeHub, run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hf_ben\n")
    status, _, err = run("push", "tiny", "ben/tiny", "--token-file", str(tmp_path / "token"))
    assert (status, err) == (0, "")
    assert server.tokens() == {"hf_ben"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("push", "nope", "ada/tiny"), "there is no checkpoint 'nope'"),
        (("push", "tiny", "tiny"), "'tiny' is no repository on the Hub"),
        (("push", "tiny", "ben/tiny"), "this token may not write to ben/tiny"),
        (("push", "tiny", "ada/tiny", "--base", "nothing"), "'nothing' is no repository on the Hub"),
        (("push", "tiny", "ada/tiny", "--every", "5", "--space"), "leave out --space"),
        (("push", "tiny", "ada/tiny", "--every", "5"), "there is no run 'tiny'"),
        (("push", "tiny", "ada/tiny", "--token-file", "nowhere"), "can't read the token from nowhere"),
        (("pull", "tiny"), "'tiny' is no repository on the Hub"),
        (("pull", "ada/nothing"), "there is no ada/nothing on the Hub"),
        (("pull", "ada/nothing", "--name", "../x"), "'../x' is no name for a checkpoint"),
        (("pull", "ada/nothing", "--name", "tiny"), "there is a checkpoint tiny here already"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: tuple[str, ...], says: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("gandemo: ")
    assert err.count("\n") == 1
    assert says in err
    assert "hf_" not in err


def test_a_storm_is_one_line_too(server: FakeHub, run: Callable[..., tuple[int, str, str]]) -> None:
    server.fail("/api/", 429, times=1000, headers={"Retry-After": "600"})
    assert run("push", "tiny", "ada/tiny")[2].strip().endswith("asks to slow down; try again in 10 minutes")
    assert run("pull", "ada/tiny")[2].strip().endswith("asks to slow down; try again in 10 minutes")


def test_a_process_of_its_own(server: FakeHub, home: Path) -> None:
    """With nothing of the tests in it: the endpoint and the token come from the environment alone."""
    tiny.save(home / "checkpoints" / "tiny")
    settings = {
        "HF_ENDPOINT": server.endpoint,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_ada",
        "GANDEMO_HOME": str(home),
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | settings
    done = subprocess.run(
        [sys.executable, "-m", "gandemo", "push", "tiny", "ada/tiny"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "pushed to" in done.stdout
    assert "recipe.json" in server.files("ada/tiny")
