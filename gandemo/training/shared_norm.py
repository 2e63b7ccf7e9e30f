"""Batch norm over several processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gandemo.training.distributed import Team


def share_batch_norm(network: nn.Module, team: Team) -> None:
    """Lets every batch norm of a network take its statistics over the whole batch; alone, it does anyway."""
    if team.size == 1:
        return
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, SharedBatchNorm):
                setattr(parent, name, SharedBatchNorm(child, team))


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the rows of all processes: on CPU and GPU, and with gradients of gradients.

    PyTorch's own SyncBatchNorm knows neither the CPU nor second derivatives. In eval mode it is the ordinary one.
    """

    def __init__(self, plain: _BatchNorm, team: Team) -> None:
        """Takes over weights and running statistics."""
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats)
        self.team = team
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.train(plain.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape [N, C, …] does."""

    def forward(self, input: Tensor) -> Tensor:
        """input: [N, C, …], as many rows in each process."""
        if not self.training:
            return super().forward(input)
        wide = input.float()
        variance, mean = torch.var_mean(wide, [0, *range(2, wide.dim())], correction=0)
        # of equal parts: the mean of means, and the mean of variances plus the variance of means
        table: Tensor = _Gather.apply(torch.cat([mean, variance]), self.team)  # type: ignore[no-untyped-call]
        means, variances = table.chunk(2, dim=1)
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + (means - mean).square().mean(dim=0)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked += 1
                weight = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                count = self.team.size * wide.numel() // wide.shape[1]
                self.running_mean.lerp_(mean, weight)
                self.running_var.lerp_(variance * count / max(count - 1, 1), weight)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        shape = [1, -1] + [1] * (wide.dim() - 2)
        return (wide * scale.view(shape) + shift.view(shape)).to(input.dtype)


class _Gather(torch.autograd.Function):
    """[K] of each process to [size, K] for all; its derivative is `_Return`, whose derivative is this again."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, team: Team) -> Tensor:
        ctx.team = team
        return team.gather(values[None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Return.apply(gradient, ctx.team), None  # type: ignore[no-untyped-call]


class _Return(torch.autograd.Function):
    """[size, K] of each process to the sum of what all have for this one: [K]."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, team: Team) -> Tensor:
        ctx.team = team
        total = table.clone(memory_format=torch.contiguous_format)
        team.sum(total)
        return total[team.rank]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Gather.apply(gradient, ctx.team), None  # type: ignore[no-untyped-call]
