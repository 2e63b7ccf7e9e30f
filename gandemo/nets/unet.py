"""U-Nets from picture to picture: ours for every photo task, and the article's colorizer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandemo.errors import RecipeError
from gandemo.nets.filling import LEVELS, DirectionalFill, pull_push
from gandemo.nets.layers import initialise
from gandemo.nets.wiener import WienerBank

RESIDUALS = ("none", "add", "masked")
_SHY = -5.0  # logit of each Wiener filter at first, where that of no change is 0


class UNet(nn.Module):
    """Halved by strided convolutions, doubled by nearest neighbour, with the finer features joined in on the way up.

    No layer looks at the picture as a whole (no instance norm, no reflection), so that tiles give what the whole gives;
    any height and width do that are multiples of `multiple`.
    """

    def __init__(
        self,
        *,
        inputs: int = 3,
        outputs: int = 3,
        channels: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (0, 1, 1, 1),
        batch_norm: bool = True,
        residual: str = "none",
        wiener: Sequence[Sequence[float]] = (),
        fill: bool = False,
        directions: int = 0,
        slope: float = 0.2,
        init: str = "he-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        inputs: channels of the input.
        outputs: channels of the output.
        channels: at full size, at half, at a quarter …
        blocks: residual 3×3 convolutions at each of these sizes, on the way down.
        batch_norm: after every convolution but the first and the last.
        residual: "none": the output is a picture of its own, within [-1, 1] by tanh; "add": it is added to the
            input's first channels; "masked": the same, but only where the input's last channel is 1.
        wiener: σ and noise of each filter of a `WienerBank`. The network sees what they would change, and says at each
            pixel in which shares they do. Only with residual "add", on pictures of three channels.
        fill: with residual "masked": the holes are filled smoothly from their rims before the network sees them.
        directions: with `fill`: of a `DirectionalFill`; the network says at each pixel in which shares they, and the
            smooth fill, are taken.
        slope: of LeakyReLU.
        init: name of the initialiser.
        """
        super().__init__()
        if residual not in RESIDUALS:
            raise RecipeError(f"there is no residual {residual!r}; valid: {', '.join(RESIDUALS)}")
        if len(blocks) != len(channels) or len(channels) < 2:
            raise ValueError(f"{len(channels)} channels and {len(blocks)} blocks; give two or more, one each")
        if residual != "none" and outputs + (residual == "masked") > inputs:
            raise ValueError(f"residual {residual!r} needs more than {inputs} inputs for {outputs} outputs")
        if wiener and (residual != "add" or inputs != 3 or outputs != 3):
            raise ValueError(f"wiener needs residual 'add' and 3 channels, not {residual!r}, {inputs} and {outputs}")
        if fill and (residual != "masked" or len(channels) <= LEVELS):
            raise ValueError(f"fill needs residual 'masked' and more than {LEVELS} channels")
        if directions < 0 or (directions and (not fill or inputs != 4 or outputs != 3)):
            raise ValueError(f"directions, from 0, need fill, 4 inputs and 3 outputs, not {inputs} and {outputs}")
        self.outputs, self.residual, self.fill = outputs, residual, fill
        self.wiener = WienerBank(wiener) if wiener else None
        self.directions = DirectionalFill(directions) if directions else None
        candidates = len(wiener) + directions
        self.multiple = 2 ** (len(channels) - 1)
        self.stem = nn.Sequential(nn.Conv2d(inputs + candidates, channels[0], 3, padding=1), nn.LeakyReLU(slope))
        self.down = nn.ModuleList(
            _layer(nn.Conv2d(fine, coarse, 4, stride=2, padding=1, bias=not batch_norm), batch_norm, slope)
            for fine, coarse in pairwise(channels)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(_Block(width, batch_norm, slope) for _ in range(count)))
            for width, count in zip(channels, blocks, strict=True)
        )
        # the narrow 1×1 convolution comes before the doubling: a quarter of the pixels, and no checkerboard
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(channels))
        self.join = nn.ModuleList(
            _layer(nn.Conv2d(2 * fine, fine, 3, padding=1, bias=not batch_norm), batch_norm, slope)
            for fine, _ in pairwise(channels)
        )
        self.rises = nn.ModuleList(Rise() for _ in self.narrow)
        self.last = nn.Conv2d(channels[0], outputs + candidates, 3, padding=1)
        initialise(self, init)
        nn.init.zeros_(self.last.weight)  # at first nothing: the input as it is, or no colour
        if wiener and self.last.bias is not None:
            nn.init.constant_(self.last.bias[outputs:], _SHY)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [N, inputs, H, W] in [-1, 1]; returns [N, outputs, H, W], within [-1, 1] unless residual."""
        changes = None
        if self.fill:
            known, lost = pictures[:, : self.outputs], pictures[:, -1:]
            filled = pull_push(known, lost)
            pictures = torch.cat([filled, lost], 1)
            if self.directions is not None:
                changes = self.directions(known, lost, filled)
        x = pictures
        if self.wiener is not None:
            changes = self.wiener(pictures)
            x = torch.cat([pictures, self.wiener.seen(changes)], 1)
        elif self.directions is not None and changes is not None:
            x = torch.cat([pictures, self.directions.seen(changes)], 1)
        x = self.blocks[0](self.stem(x.contiguous(memory_format=torch.channels_last)))
        finer = []
        for down, block in zip(self.down, list(self.blocks)[1:], strict=True):
            finer.append(x)
            x = block(down(x))
        for rise, narrow, join in zip(*map(reversed, (self.rises, self.narrow, self.join)), strict=True):
            x = rise(narrow, join, x, finer.pop())
        change = self.last(x)
        if self.residual == "none":
            return torch.tanh(change)
        if changes is not None:
            change = change[:, : self.outputs] + _mixed(changes, change[:, self.outputs :])
        if self.residual == "masked":
            change = change * pictures[:, -1:]
        return pictures[:, : self.outputs] + change


def _mixed(changes: Sequence[Tensor], logits: Tensor) -> Tensor:
    """Each candidate's change in its share, to each channel: [N, 3, H, W]; what is left over of 1 changes nothing."""
    # padded, since a plane of zeros to join with would be written into each exported file
    shares = torch.softmax(F.pad(logits, (0, 0, 0, 0, 1, 0)), 1)[:, 1:]
    return torch.cat([(shares * change).sum(1, keepdim=True) for change in changes], 1)


def _layer(convolution: nn.Conv2d, batch_norm: bool, slope: float) -> nn.Sequential:
    norm = [nn.BatchNorm2d(convolution.out_channels)] if batch_norm else []
    return nn.Sequential(convolution, *norm, nn.LeakyReLU(slope, inplace=True))


class Rise(nn.Module):
    """Twice the size, joined with what the way down has left there; an export puts another in its place."""

    def forward(self, narrow: nn.Module, join: nn.Module, coarse: Tensor, finer: Tensor) -> Tensor:
        """coarse: [N, C, H, W]; finer: [N, c, 2H, 2W]; returns [N, c, 2H, 2W]."""
        x = F.interpolate(narrow(coarse), scale_factor=2.0, mode="nearest")
        out: Tensor = join(torch.cat([x, finer], dim=1))
        return out


class _Block(nn.Module):
    """x + conv(x), then LeakyReLU."""

    def __init__(self, channels: int, batch_norm: bool, slope: float) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=not batch_norm)
        self.norm = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.norm(self.convolution(x)), self.slope)


class ValidUNet(nn.Module):
    """The article's colorizer: 5×5, 3×3 and 3×3 convolutions without padding, three times over, and the way back.

    The way back is its transposed convolutions of stride 1. They are written as the convolutions that they are, padded
    by all of their reach, since no phone knows a transposed convolution with dilation.
    """

    def __init__(
        self,
        *,
        inputs: int = 1,
        outputs: int = 3,
        widths: Sequence[Sequence[int]] = ((16, 32, 32), (32, 64, 64), (64, 128, 128)),
        dilations: Sequence[int] = (4, 2, 1),
        slope: float = 0.3,
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        inputs: channels of the input.
        outputs: channels of the output.
        widths: of the three convolutions of each stage.
        dilations: of the 5×5 convolution of each stage, and of its counterpart.
        slope: of LeakyReLU, which is on the way down only; 0.3 is Keras's default.
        init: name of the initialiser.
        """
        super().__init__()
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        fan_in = inputs
        for index, ((first, second, third), dilation) in enumerate(zip(widths, dilations, strict=True)):
            self.down.append(
                nn.Sequential(
                    nn.Conv2d(fan_in, first, 5, dilation=dilation),
                    nn.LeakyReLU(slope, inplace=True),
                    nn.Conv2d(first, second, 3),
                    nn.LeakyReLU(slope, inplace=True),
                    nn.Conv2d(second, third, 3),
                    nn.LeakyReLU(slope, inplace=True),
                )
            )
            fan_out = fan_in if index else outputs
            self.up.insert(
                0,
                nn.Sequential(
                    nn.Conv2d(2 * third, third, 3, padding=2),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(third, third, 3, padding=2),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(third, fan_out, 5, dilation=dilation, padding=4 * dilation),
                    nn.ReLU(inplace=True),
                ),
            )
            fan_in = third
        self.bottleneck = nn.Sequential(nn.Conv2d(fan_in, fan_in, 3, padding=1), nn.Tanh())
        initialise(self, init)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: [N, inputs, H, W] in [-1, 1]; returns [N, outputs, H, W], at least -1; within, from 0."""
        x = (pictures.contiguous(memory_format=torch.channels_last) + 1.0) / 2.0
        finer = []
        for stage in self.down:
            x = stage(x)
            finer.append(x)
        x = self.bottleneck(x)
        for stage in self.up:
            x = stage(torch.cat([x, finer.pop()], dim=1))
        return x * 2.0 - 1.0
