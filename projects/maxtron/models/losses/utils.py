# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""What the losses of kMaX share."""
from torch import Tensor


def mean_of_nonzero(loss: Tensor) -> Tensor:
    """Mean of what is not zero, clip by clip, then over the clips.

    Args:
        loss (Tensor): Loss of each of n entries of B clips, shape (B, n).

    Returns:
        Tensor: Scalar; 0 where a clip has only zeros.
    """
    num = loss.count_nonzero(1).clamp(min=1)
    return (loss.sum(1) / num).mean()
