# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Multi-scale deformable attention."""

from collections.abc import Sequence

from torch import Tensor

from ..common import runs_eagerly_on_cpu
from .choice import choose_implementation
from .custom_op import ms_deform_attn
from .embedding_bag import attend_by_embedding_bag
from .grid_sample import attend_by_grid_sample


def multi_scale_deformable_attention(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
    implementation: str | None = None,
) -> Tensor:
    """Sample the maps of several levels and sum the samples with weights.

    Samples are bilinear, and zero outside the maps. Half precision is
    accumulated in float32. Locations should be float32 also if the value is
    not: half precision cannot address the pixels of large maps.

    ``torch.compile`` traces one operator (``maxtron::ms_deform_attn``) for
    'triton' and 'mmcv', and PyTorch's operators for 'torch'.

    Args:
        value (Tensor): Tokens of all L levels, shape (B, N, h, d) with h heads
            and N the sum of the sizes of the levels.
        spatial_shapes (Sequence[tuple[int, int]]): Height and width of each
            level, as Python integers.
        sampling_locations (Tensor): Points (x, y), between 0 and 1 inside a
            map, shape (B, Q, h, L, P, 2).
        attention_weights (Tensor): Weight of each point, shape
            (B, Q, h, L, P).
        implementation (str, optional): 'triton', 'torch', 'mmcv' (MMCV's
            compiled operator) or 'auto'. Defaults to the environment variable
            ``MAXTRON_MSDA``, or else to 'auto', see
            :func:`~.choice.choose_implementation`.

    Returns:
        Tensor: Shape (B, Q, h * d), with the type of the value.

    Raises:
        InputError: If the implementation is unknown or cannot run here.
    """
    name = choose_implementation(
        value.device.type, len(spatial_shapes), implementation
    )
    if name != 'torch':
        sizes = [side for shape in spatial_shapes for side in shape]
        return ms_deform_attn(
            value, sizes, sampling_locations, attention_weights, name
        )
    if runs_eagerly_on_cpu(value):
        attend = attend_by_embedding_bag
    else:
        attend = attend_by_grid_sample
    return attend(value, spatial_shapes, sampling_locations, attention_weights)
