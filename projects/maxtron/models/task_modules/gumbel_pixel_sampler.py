# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

# Reference: the logit of a pixel without a tube, which is only drawn when
# there are not enough others.
_VOID_LOGIT = -99999.


@TASK_UTILS.register_module()
class GumbelPixelSampler:
    """Draws pixels without replacement, those of small tubes more often.

    A pixel is drawn with a weight of its tube's inverse area to the power of
    ``temperature``, by the Gumbel-top-k trick.

    Args:
        num_points (int): Number of pixels of a clip. Defaults to 4096.
        temperature (float): 0 draws all pixels alike. Defaults to 1.

    Raises:
        ValueError: ``num_points`` is below 1.
    """

    def __init__(self,
                 num_points: int = 4096,
                 temperature: float = 1.) -> None:
        if num_points < 1:
            raise ValueError(f'num_points={num_points} of a pixel sampler '
                             'must be at least 1.')
        self.num_points = num_points
        self.temperature = temperature

    def uniform_noise(self, like: Tensor) -> Tensor:
        """Draw the numbers that decide.

        Args:
            like (Tensor): Tensor whose shape, type and device to take.

        Returns:
            Tensor: Uniform in [0, 1).
        """
        return torch.rand_like(like)

    @torch.no_grad()
    def sample(self, log_inverse_areas: Tensor, is_void: Tensor) -> Tensor:
        """Draw pixels.

        Args:
            log_inverse_areas (Tensor): Logarithm of clip size over tube area
                at each pixel, shape (B, P).
            is_void (Tensor): Whether a pixel is of no tube, bool, (B, P).

        Returns:
            Tensor: Indices of pixels, int64, shape
            (B, min(num_points, P)).
        """
        logits = (log_inverse_areas * self.temperature).masked_fill_(
            is_void, _VOID_LOGIT)
        noise = self.uniform_noise(logits)
        keys = logits - noise.log_().neg_().log_()
        return keys.topk(min(self.num_points, keys.shape[1]))[1]
