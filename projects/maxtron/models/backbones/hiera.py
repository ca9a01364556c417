# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from typing import Any

from torch import Tensor


def hiera_maps(model: Any, image: Tensor) -> list[Tensor]:
    """Compute the maps of the stages of a Hiera for an image of any size.

    ``HieraModel`` of ``transformers`` interpolates its position embeddings,
    but arranges its tokens in maps by the size in its configuration. This
    function sets the size of the image instead. ``HieraBackbone`` of version
    5.24 leaves out the order by windows, which the attention expects.

    Args:
        model (HieraModel): The model.
        image (Tensor): Shape (N, 3, H, W); the sides are multiples of 32, the
            size of a window.

    Returns:
        list[Tensor]: Map of each stage, shape (N, C_i, H / s_i, W / s_i) with
        the strides s_i of 4 to 32.
    """
    config = model.config
    size = [n // s for n, s in zip(image.shape[2:], config.patch_stride)]
    strides = [config.query_stride] * (len(config.depths) - 1)
    for stage in range(len(config.depths)):
        # steps back from the order by windows, and the size of the map
        model.encoder.schedule[stage] = strides, size
        if stage < config.num_query_pool:
            size = [n // s for n, s in zip(size, config.query_stride)]
            strides = strides[1:]
    output = model(
        image, interpolate_pos_encoding=True, output_hidden_states=True
    )
    _, *maps = output.reshaped_hidden_states  # (N, h, w, C), from the stem on
    return [x.permute(0, 3, 1, 2).contiguous() for x in maps]
