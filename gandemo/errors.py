"""Every error that gandemo raises on purpose.

GanDemoError            one sentence that says what was wrong and what to do; shown to people as it is
 ├ RecipeError          a recipe's key or value
 ├ DataError            a data set or a picture that can't be read
 ├ CheckpointError      a checkpoint or run folder that is missing, damaged or of another make
 ├ TrainingError        training that can't start or go on
 │  └ ResumeError       a run that would go on with something else than it began with
 ├ ExportError          a model file that can't be made, or that is not faithful enough
 │  └ ParityError       its output is too far from PyTorch's
 ├ HubError             the Hub that can't be reached, refuses, or holds something else than a checkpoint
 └ RequestError         what somebody asked of a model: count, label, seed, size
"""

import re

_RUN = re.compile(r".+-\d+\b")  # how the ids of runs go


def sentence_of(text: str) -> str:
    """A message with a capital letter, unless it begins with a name: of a file, a folder, a repository or a run."""
    first = text.partition(" ")[0].rstrip(",;:")
    is_name = any(mark in first for mark in (".", "/", "\\", "@", "_", "--")) or _RUN.match(first)
    return text if is_name else text[:1].upper() + text[1:]


class GanDemoError(Exception):
    """The root of all: its message is written for the person at the page or the command line."""

    @property
    def sentence(self) -> str:
        """The message as `sentence_of` shows it."""
        return sentence_of(str(self))


class RecipeError(GanDemoError):
    """A recipe's key or value is wrong."""


class DataError(GanDemoError):
    """A data set or a picture is missing, damaged or of the wrong kind."""


class CheckpointError(GanDemoError):
    """A checkpoint or run folder is missing, damaged or does not match its recipe."""


class TrainingError(GanDemoError):
    """Training can't start or can't go on."""


class ResumeError(TrainingError):
    """A run would go on with another recipe, other data or another version of the training: a fork could.

    Attributes:
        differences: a phrase each.
    """

    def __init__(self, message: str, differences: list[str]) -> None:
        """Keeps the differences for whoever offers the fork."""
        super().__init__(message)
        self.differences = differences


class ExportError(GanDemoError):
    """A model file can't be made, or does not give what the checkpoint gives."""


class ParityError(ExportError):
    """A model file is less faithful than its format must be."""


class HubError(GanDemoError):
    """The Hub can't be reached or refuses, or a repository there is no checkpoint."""


class RequestError(GanDemoError):
    """A request to a model is out of range."""
