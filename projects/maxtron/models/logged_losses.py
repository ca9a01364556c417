# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Values of a training step for the log."""

from collections.abc import Iterator, Mapping

import torch
from mmengine.model import BaseModel
from torch import Tensor


class LoggedLosses(Mapping):
    """Losses of a step that are copied to the CPU while the GPU works.

    MMEngine reads every loss after each step. On a GPU each reading would wait
    for the whole step. All losses are copied at once instead, before the
    backward pass, and a reading waits only for that copy.

    Args:
        losses (dict[str, Tensor]): Scalars of one device.
    """

    def __init__(self, losses: Mapping[str, Tensor]) -> None:
        self._positions = {name: i for i, name in enumerate(losses)}
        values = torch.stack([x.detach().reshape(()) for x in losses.values()])
        # Only of a GPU it is known below when the copy is complete.
        in_background = values.device.type in ('cpu', 'cuda')
        self._values = values.to('cpu', non_blocking=in_background)
        self._copied = None
        if values.is_cuda:
            self._copied = torch.cuda.Event()
            self._copied.record()

    def __getitem__(self, name: str) -> Tensor:
        """Return a loss, a scalar on the CPU."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._values[self._positions[name]]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order."""
        return iter(self._positions)

    def __len__(self) -> int:
        """Return the number of losses."""
        return len(self._positions)


class LossLoggingMixin(BaseModel):
    """Model whose losses are logged without waiting for the GPU."""

    def parse_losses(
        self, losses: dict[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Add the losses of a step.

        Args:
            losses (dict[str, Tensor]): Losses, or lists of losses, by name.

        Returns:
            tuple[Tensor, Mapping[str, Tensor]]: The sum, and the values for
            the log.
        """
        total, log_vars = super().parse_losses(losses)
        return total, LoggedLosses(log_vars)
