# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Naive trajectory attention, term by term as in the paper."""

import torch
from torch import Tensor

from ..models.within_clip import TrajectoryAttention


def naive_trajectory_attention(
    attention: TrajectoryAttention,
    query: Tensor,
    query_pos: Tensor | None = None,
) -> Tensor:
    """Compute Eq. 2-4 of the paper term by term.

    Args:
        attention (TrajectoryAttention): Module with the weights.
        query (Tensor): Tokens with shape (B, T, P, C).
        query_pos (Tensor, optional): Positional encoding that is added for
            queries and keys, with the shape of ``query``.

    Returns:
        Tensor: Output with the shape of ``query``.
    """
    batch_size, num_frames, num_tokens, channels = query.shape
    heads, scale = attention.num_heads, attention.head_dims**-0.5
    x = query.flatten(1, 2)  # (B, S, C), S = T * P
    x_pos = x if query_pos is None else x + query_pos.flatten(1, 2)
    w, b = attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3)
    q, k, v = (
        torch.nn.functional.linear(tokens, w[i], b[i])
        .unflatten(-1, (heads, -1))
        .transpose(1, 2)
        for i, tokens in enumerate((x_pos, x_pos, x))
    )  # (B, h, S, d)

    # Eq. 2: softmax over the tokens of each frame separately
    logits = scale * q @ k.transpose(-1, -2)  # (B, h, S, S)
    space = logits.unflatten(-1, (num_frames, num_tokens)).softmax(-1)
    # Eq. 3: one point per token and frame
    points = torch.einsum(
        'bhstp,bhtpd->bsthd', space, v.unflatten(2, (num_frames, num_tokens))
    )
    points = points.flatten(-2)  # (B, S, T, C)
    # Eq. 4: attend along the trajectory, from the point in the own frame
    own = (
        points.unflatten(1, (num_frames, num_tokens))
        .diagonal(dim1=1, dim2=3)
        .permute(0, 3, 1, 2)
        .flatten(1, 2)
    )  # (B, S, C)
    q2 = scale * attention.proj_q(own).unflatten(-1, (heads, -1))
    k2, v2 = attention.proj_kv(points).unflatten(-1, (2, heads, -1)).unbind(-3)
    along = torch.einsum('bshd,bsthd->bhst', q2, k2).softmax(-1)
    out = torch.einsum('bhst,bsthd->bshd', along, v2).flatten(-2)
    return attention.proj(out).view(
        batch_size, num_frames, num_tokens, channels
    )
