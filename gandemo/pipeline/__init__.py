"""Checkpoints made callable: loaded once, used by the page, the API, the command line and Python alike.

model      Pipeline: a loaded checkpoint, for every task
colour     colour for a photo, the guide being its own lightness; what counts as a black-and-white photo
hints      dabs of colour, and how far each one goes
painting   photos of any size through a network, by tiles: enhanced, or painted in
chain      an old photo restored: painted in, enhanced, coloured
"""

from gandemo.pipeline.chain import restore
from gandemo.pipeline.colour import is_grey
from gandemo.pipeline.hints import Hint
from gandemo.pipeline.model import Pipeline, Samples

__all__ = ["Hint", "Pipeline", "Samples", "is_grey", "restore"]
