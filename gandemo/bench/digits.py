"""The loop, the speed of making digits, the start of the page, quality after five minutes."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from gandemo.bench.row import Bench, Row
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES


def _loop() -> Iterator[Row]:
    """Images a second of the loop, divided by those of a loop written by hand for the same networks."""
    for name in ("vanilla", "dense", "selu", "digits"):
        yield {
            "what": f"{name}: the loop's images a second over a bare loop's",
            "value": loop_ratio(RECIPES[name]),
            "unit": "×",
            "bound": ">= 0.95",
        }


def loop_ratio(recipe: Recipe, rounds: int = 31, seconds: float = 1.0) -> float:
    """The median ratio of many short turns, so that a slow spell of the machine meets both sides."""
    import torch

    from gandemo.data import datasets
    from gandemo.training.loop import train

    quiet = recipe.with_settings(
        {"steps": 1_000_000, "evaluate_every": 1_000_000, "sample_every": 1_000_000, "checkpoint_every": 1_000_000}
    )
    pictures = datasets.load(recipe.dataset, "train")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        run = train(quiet, run_dir=Path(folder) / "run", device=torch.device("cpu"))
        ours = _steps_of(run)
        bare = _bare_steps(recipe, pictures)
        for _ in range(3):
            next(ours), next(bare)
        for turn in range(rounds):
            speeds = {}
            sides = [("loop", ours), ("bare", bare)]
            for side, source in sides if turn % 2 else reversed(sides):
                began, steps = time.perf_counter(), 0
                while time.perf_counter() - began < seconds:
                    steps += next(source)
                speeds[side] = steps / (time.perf_counter() - began)
            ratios.append(speeds["loop"] / speeds["bare"])
        run.close()  # type: ignore[attr-defined]
    return statistics.median(ratios)


def _steps_of(run: Iterator[Any]) -> Iterator[int]:
    """The steps between two progress events of a training, so that all that the loop does is in the measurement."""
    from gandemo.training.events import Progress

    before = 0
    for event in run:
        if isinstance(event, Progress):
            yield event.step - before
            before = event.step


def _bare_steps(recipe: Recipe, pictures: Any) -> Iterator[int]:
    """The same two players, by hand, without events, averages, checks or anything else that a loop is for."""
    import torch
    import torch.nn.functional as F

    from gandemo.nets import build_discriminator, build_generator
    from gandemo.training.trainer import make_optimizer, wants_bf16

    torch.manual_seed(recipe.seed)
    generator, discriminator = build_generator(recipe), build_discriminator(recipe)
    assert discriminator is not None
    g_optimizer = make_optimizer(recipe.generator_optimizer, generator)
    d_optimizer = make_optimizer(recipe.discriminator_optimizer, discriminator)
    size, hinge = recipe.batch_size, recipe.loss.gan == "hinge"
    bf16 = wants_bf16(recipe, torch.device("cpu"))
    order, place = torch.randperm(len(pictures.labels)), 0

    def autocast() -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=bf16)

    while True:
        for _ in range(recipe.log_every):
            if place + size > len(order):
                order, place = torch.randperm(len(pictures.labels)), 0
            chosen, place = order[place : place + size], place + size
            real, labels = pictures.images[chosen].float() / 127.5 - 1.0, pictures.labels[chosen]
            given = (labels,) if recipe.classes else ()
            noise = torch.randn(size, recipe.latent)
            if recipe.reuse_fakes:
                with autocast():
                    fake = generator(noise, *given)
            else:
                with torch.no_grad(), autocast():
                    fake = generator(noise, *given)
            with autocast():
                logits = discriminator(
                    torch.cat([real, fake.detach().float()]), *(torch.cat([given_, given_]) for given_ in given)
                )
            logits = logits.float()
            if hinge:
                loss = F.relu(1.0 - logits[:size]).mean() + F.relu(1.0 + logits[size:]).mean()
            else:
                aims = torch.cat([torch.full((size,), recipe.loss.real_target), torch.zeros(size)])
                loss = F.binary_cross_entropy_with_logits(logits, aims)
            d_optimizer.zero_grad()
            loss.backward()
            d_optimizer.step()
            discriminator.requires_grad_(False)
            with autocast():
                if not recipe.reuse_fakes:
                    fake = generator(torch.randn(size, recipe.latent), *given)
                logits = discriminator(fake, *given)
            loss = -logits.float().mean() if hinge else F.softplus(-logits.float()).mean()
            g_optimizer.zero_grad()
            loss.backward()
            g_optimizer.step()
            discriminator.requires_grad_(True)
        yield recipe.log_every


def _generate() -> Iterator[Row]:
    """Model time for 64 digits, and the command line's time for 10,000."""
    from gandemo.pipeline import Pipeline

    for name in ("digits", "fashion"):
        pipeline = Pipeline.from_pretrained(name)
        pipeline.generate(64)
        times = []
        for seed in range(30):
            began = time.perf_counter()
            pipeline.generate(64, seed=seed)
            times.append(time.perf_counter() - began)
        yield {
            "what": f"64 pictures of {name}",
            "value": 1000 * statistics.median(times),
            "unit": "ms",
            "bound": "<= 60",
        }
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, "-m", "gandemo", "generate", "digits", "-n", "10000", "-o", f"{folder}/samples.npz"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
    yield {"what": "10,000 digits through the command line", "value": seconds, "unit": "s", "bound": "<= 15"}


def _quick() -> Iterator[Row]:
    """How good digits are after five minutes from nothing."""
    yield from quick("digits", minutes=5.0, bound="< 10")


def quick(name: str, minutes: float, bound: str | None = None) -> Iterator[Row]:
    """Trains a recipe from nothing for some minutes and measures what came out, on test pictures."""
    from gandemo import checkpoint
    from gandemo.ship.publish import evaluate
    from gandemo.training.loop import train

    recipe = RECIPES[name].with_settings(
        {"evaluate_every": 1_000_000, "sample_every": 1_000_000, "checkpoint_every": 1_000_000}
    )
    with tempfile.TemporaryDirectory() as folder:
        *_, last = train(recipe, run_dir=Path(folder) / "run", max_seconds=60 * minutes)
        found = evaluate(checkpoint.load(Path(folder) / "run" / "checkpoints" / f"step-{last.step}"))
    what = f"{name} after {minutes:g} minutes ({last.step:,} steps)"
    yield {"what": f"{what}: Fréchet distance", "value": found["generated"]["frechet"], "unit": "", "bound": bound}
    yield {"what": f"{what}: the same of real pictures", "value": found["real"]["frechet"], "unit": "", "bound": None}
    if "agreement" in found["generated"]:
        share = 100 * found["generated"]["agreement"]
        yield {"what": f"{what}: read as the class asked for", "value": share, "unit": "%", "bound": None}
    yield {"what": f"{what}: coverage", "value": found["generated"]["coverage"], "unit": "", "bound": None}


_HELLO = """
import gradio as gr
gr.Interface(lambda name: "Hello " + name, "text", "text").launch(server_port={port}, quiet=True, ssr_mode=False)
"""


def _start() -> Iterator[Row]:
    """Seconds from the start of `python app.py` to its first answer, over those of a bare Gradio hello-world."""
    app = Path(__file__).resolve().parents[2] / "app.py"
    ours, bare = [], []
    for _ in range(5):
        port = _free_port()
        ours.append(_seconds_to_answer([sys.executable, str(app)], port))
        port = _free_port()
        bare.append(_seconds_to_answer([sys.executable, "-c", _HELLO.format(port=port)], port))
    yield {"what": "python app.py to its first answer", "value": statistics.median(ours), "unit": "s", "bound": None}
    ratio = statistics.median(ours) / statistics.median(bare)
    yield {"what": "the same over a bare Gradio hello-world", "value": ratio, "unit": "×", "bound": "<= 1.4"}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _seconds_to_answer(command: list[str], port: int) -> float:
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    began = time.perf_counter()
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - began < 120:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    answer.read(1)
                    return time.perf_counter() - began
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("the server did not answer within two minutes")
    finally:
        server.kill()
        server.wait()


ROWS: dict[str, Bench] = {
    "loop": Bench("the training loop against a bare one", _loop),
    "generate": Bench("time to make digits", _generate),
    "start": Bench("time until the page answers", _start),
    "quick-digits": Bench("digits from nothing after five minutes", _quick),
}
