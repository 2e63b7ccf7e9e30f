"""`push` and `pull` on the command line: what they print, and one line with status 2 for each mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gandemo import __main__ as cli
from gandemo import checkpoint
from gandemo.training import loop, runs
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
        (("push", "tiny", "ada/tiny", "--space", "--base", "ada/x"), "leave out one of them"),
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


# --- as people type it: with nothing of the tests in it -------------------------------------------------------------


@pytest.fixture
def typed(server: FakeHub, home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m gandemo …`; the endpoint and ada's token come from the environment alone."""
    settings = {
        "HF_ENDPOINT": server.endpoint,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_ada",
        "GANDEMO_HOME": str(home),
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | settings
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "gandemo", *arguments]
        # a shell may have started the tests with Ctrl-C ignored, which children take over; a handler they do not
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    assert not [path for path in home.rglob("*") if path.is_file() and b"hf_ada" in path.read_bytes()]


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its status, and what it has said that was not read yet."""
    out, err = process.communicate(timeout=600)
    assert "hf_ada" not in out + err
    return process.returncode, out, err


def test_a_process_of_its_own(server: FakeHub, home: Path, typed: Callable[..., subprocess.Popen[str]]) -> None:
    tiny.save(home / "checkpoints" / "tiny")
    status, out, err = ended(typed("push", "tiny", "ada/tiny"))
    assert (status, err) == (0, "")
    assert "pushed to" in out
    assert "recipe.json" in server.files("ada/tiny")


def test_the_app_as_a_space(server: FakeHub, home: Path, typed: Callable[..., subprocess.Popen[str]]) -> None:
    tiny.save(home / "checkpoints" / "tiny")
    status, out, err = ended(typed("push", "tiny", "ada/demo", "--space", "--private"))
    assert (status, err) == (0, "")
    assert out.startswith(f"pushed to {server.endpoint}/spaces/ada/demo (private, commit ")
    space = server.repo("ada/demo", "space")
    assert (space.private, space.variables) == (True, {"GANDEMO_CHECKPOINTS": "tiny"})
    files = server.files("ada/demo", "space")
    assert {"app.py", "gandemo/ui/app.py", "checkpoints/tiny/generator.safetensors"} <= set(files)
    assert not [name for name, data in files.items() if name.startswith("tests/") or b"HF_TOKEN=hf_ada" in data]
    status, out, err = ended(typed("push", "tiny", "ada/demo", "--space", "--private"))
    assert (status, err) == (0, "")
    assert out.startswith("nothing has changed since the last push: ")


@pytest.fixture
def training(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The run `mine`, which this process trains as far as it is asked to; its first checkpoint is there."""
    tiny.add_dataset(monkeypatch)
    events = loop.train(tiny.DIGITS.with_settings({"steps": 12}), run_dir=home / "runs" / "mine")
    while not list((home / "runs" / "mine" / "checkpoints").glob("step-*")):
        next(events)
    return events


def test_a_run_is_pushed_while_it_trains(
    server: FakeHub, home: Path, training: Iterator[object], typed: Callable[..., subprocess.Popen[str]]
) -> None:
    process = typed("push", "mine", "ada/mine", "--every", "1000", "--private")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("mine: its best is pushed every 1000 minutes until it ends; ")
    assert process.stdout.readline() == f"pushed mine/step-3 to {server.endpoint}/ada/mine\n"
    assert process.poll() is None
    list(training)
    status, out, err = ended(process)
    assert (status, err) == (0, "")
    resolved = checkpoint.resolve("mine")
    assert out == ("" if resolved.name == "mine/step-3" else f"pushed {resolved.name} to {server.endpoint}/ada/mine\n")
    assert server.files("ada/mine")["generator.safetensors"] == (resolved.path / "generator.safetensors").read_bytes()
    assert server.repo("ada/mine").private


def test_ctrl_c_ends_the_pushes_and_not_the_run(
    server: FakeHub, home: Path, training: Iterator[object], typed: Callable[..., subprocess.Popen[str]]
) -> None:
    process = typed("push", "mine", "ada/mine", "--every", "1000")
    assert process.stdout is not None
    process.stdout.readline()
    assert process.stdout.readline().startswith("pushed ")
    process.send_signal(signal.SIGINT)
    status, out, err = ended(process)
    assert (status, out) == (130, "")
    assert err == "gandemo: mine is pushed no longer; the run itself is left as it is\n"
    there = server.repo("ada/mine").titles
    list(training)
    assert runs.summarise(home / "runs" / "mine").state == "done"
    status, out, err = ended(typed("push", "mine", "ada/mine", "--every", "1000"))  # all that came since
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert server.repo("ada/mine").titles[: len(there)] == there


def test_who_may_not_push_hears_it_before_the_training_is_over(
    server: FakeHub, home: Path, training: Iterator[object], run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hf_nobody")
    wrong = ("push", "mine", "ada/mine", "--every", "5", "--token-file", str(tmp_path / "token"))
    status, out, err = run(*wrong)
    assert (status, out) == (2, "")
    assert "does not know this token" in err
    for arguments, says in (
        (("push", "mine", "mine", "--every", "5"), "'mine' is no repository on the Hub"),
        (("push", "mine", "ada/mine@v1", "--every", "5"), "leave out @v1"),
        (("push", "mine", "ada/mine", "--every", "5", "--base", "x"), "'x' is no repository on the Hub"),
    ):
        status, out, err = run(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert says in err
    assert not server.repos
