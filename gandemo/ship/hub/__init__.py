"""The Hugging Face Hub: checkpoints pushed and pulled, the app as a Space. The only home of `huggingface_hub`.

ids        USER/REPO[@REVISION], read and checked
client     Hub: where it is and who asks; its errors as sentences; patience with bounds
describe   the card, the metadata and the loading example that a repository shows
pushing    a checkpoint as a model repository, in one commit
verify     what somebody else made, checked against its recipe before anything uses it
demands    what somebody else's networks would ask of this machine
origins    where a pulled checkpoint came from
pulling    a checkpoint from a repository: bounded, verified, then in every list
pictures   pictures to train on, from a data set's repository
space      the whole app as a Space that starts with a checkpoint
live       a run's best checkpoint, pushed every few minutes while it trains
in_python  what `Pipeline.from_pretrained` and `Pipeline.push_to_hub` do

The names below load what they need at first use: who asks is known without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gandemo.ship.hub.client import Hub
    from gandemo.ship.hub.ids import HubId
    from gandemo.ship.hub.pictures import Pictures, pull_pictures
    from gandemo.ship.hub.pulling import Pulled, fetch, pull, pull_listed
    from gandemo.ship.hub.pushing import Pushed, push

__all__ = ["Hub", "HubId", "Pictures", "Pulled", "Pushed", "fetch", "pull", "pull_listed", "pull_pictures", "push"]

_PLACES = {
    "Hub": "client",
    "HubId": "ids",
    "Pictures": "pictures",
    "Pushed": "pushing",
    "pull_pictures": "pictures",
    "push": "pushing",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'pulling')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
