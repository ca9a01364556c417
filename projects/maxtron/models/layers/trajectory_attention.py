# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Trajectory attention (Eq. 2-4 of the MaXTron paper) and plain attention."""
import math
from typing import Optional, Tuple, Union

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# From this many frames on, folding W_k and W_v around the softmax over frames
# beats forming k2 and v2 (CPU time of forward and of forward+backward: equal
# at 3 and 4 frames, 1.3 times faster at 6, 1.6 at 12).
FOLD_MIN_FRAMES = 5
# How many trajectory points (queries x frames x channels) are made at once.
# 16 MB measured best on the CPU: larger falls out of the cache, smaller leaves
# too few queries for the attention kernel, of which it takes at least ...
CHUNK_SIZE = 2**22
MIN_CHUNK_QUERIES = 512
# With gradients, all points are kept for the backward pass up to this size
# (512 MB), and beyond it computed a second time, chunk by chunk.
MAX_KEPT_SIZE = 2**27

AttentionOutput = Union[Tensor, Tuple[Tensor, Tensor]]


class _FusedProjectionAttention(nn.Module):
    """The part that both attentions share: q, k and v of positioned tokens.

    Args:
        embed_dims (int): Number of channels C.
        num_heads (int): Number of heads; must divide ``embed_dims``.
        attn_drop (float): Dropout of the attention probabilities.
            Defaults to 0.

    Raises:
        ValueError: ``num_heads`` does not divide ``embed_dims``.
    """

    def __init__(self,
                 embed_dims: int,
                 num_heads: int = 8,
                 attn_drop: float = 0.) -> None:
        super().__init__()
        if embed_dims % num_heads != 0:
            raise ValueError(
                f'embed_dims={embed_dims} cannot be split into '
                f'num_heads={num_heads} heads of equal size.')
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.head_dims = embed_dims // num_heads
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def project(self, query: Tensor,
                query_pos: Optional[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
        """Queries and keys of the tokens with, values without positions.

        Args:
            query (Tensor): Tokens with shape (..., C).
            query_pos (Tensor, optional): What is added to the tokens for
                queries and keys; broadcasts to ``query``.

        Returns:
            tuple[Tensor]: q, k and v, each with shape (..., heads, C / heads).
        """
        if query_pos is None:
            q, k, v = self.qkv(query).chunk(3, dim=-1)
        else:
            split = 2 * self.embed_dims
            weight, bias = self.qkv.weight, self.qkv.bias
            q, k = F.linear(query + query_pos, weight[:split],
                            bias[:split]).chunk(2, dim=-1)
            v = F.linear(query, weight[split:], bias[split:])
        heads = (self.num_heads, self.head_dims)
        return q.unflatten(-1, heads), k.unflatten(-1, heads), v.unflatten(
            -1, heads)

    def init_weights(self) -> None:
        """Xavier-normal for every matrix, as if q, k and v were separate."""
        for weight in (p for p in self.parameters() if p.dim() > 1):
            nn.init.xavier_normal_(weight)
        for weight in self.qkv.weight.chunk(3):
            nn.init.xavier_normal_(weight)

    def extra_repr(self) -> str:
        """str: What the sub-modules do not show."""
        return f'num_heads={self.num_heads}, attn_drop={self.attn_drop}'

    @property
    def _dropout(self) -> float:
        return self.attn_drop if self.training else 0.


class SelfAttention(_FusedProjectionAttention):
    """Plain multi-head self-attention over all tokens of all frames.

    The ablation against which trajectory attention is compared: same
    interface, but a token sees the whole clip in one softmax.
    """

    def forward(self,
                query: Tensor,
                query_pos: Optional[Tensor] = None,
                return_attention: bool = False) -> AttentionOutput:
        """Forward function.

        Args:
            query (Tensor): Tokens with shape (..., T, P, C).
            query_pos (Tensor, optional): Added to the tokens for queries and
                keys; broadcasts to ``query``. Defaults to None.
            return_attention (bool): Whether to also return the attention
                map, which is large. Defaults to False.

        Returns:
            Tensor | tuple[Tensor]: Output with the shape of ``query`` and, on
            request, the map with shape (B, heads, T * P, T, P), where B is
            the product of the leading dimensions.
        """
        num_frames, num_tokens = query.shape[-3:-1]
        q, k, v = (
            x.reshape(-1, num_frames * num_tokens, self.num_heads,
                      self.head_dims).transpose(1, 2)
            for x in self.project(query, query_pos))  # (B, h, S, d)
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self._dropout)
        out = self.proj(out.transpose(1, 2).reshape(query.shape))
        if not return_attention:
            return out
        logits = self.head_dims**-0.5 * q @ k.transpose(-1, -2)
        attention = logits.softmax(-1)
        return out, attention.unflatten(-1, (num_frames, num_tokens))


class TrajectoryAttention(_FusedProjectionAttention):
    """Trajectory attention: follow each token through the frames.

    Step one attends inside every frame on its own, which gives each token
    its trajectory: one point per frame. Step two attends along the
    trajectory. Both softmaxes are scaled by ``head_dims ** -0.5``. A "frame"
    is whatever the tokens are grouped by: the frames of a clip within a clip,
    the clips of a video across clips.

    The matrix between all tokens of all frames is never formed, except to
    return it: step one is ``scaled_dot_product_attention`` with the key
    frames on the batch axis. Step two is computed in one of two exact forms,
    see :meth:`_follow`. Queries do not depend on each other, so they are
    handled in chunks and the memory stays flat in the number of frames.

    Args:
        embed_dims (int): Number of channels C.
        num_heads (int): Number of heads; must divide ``embed_dims``.
        attn_drop (float): Dropout of the attention probabilities of step
            one. Defaults to 0.
    """

    def __init__(self,
                 embed_dims: int,
                 num_heads: int = 8,
                 attn_drop: float = 0.) -> None:
        super().__init__(embed_dims, num_heads, attn_drop)
        self.proj_q = nn.Linear(embed_dims, embed_dims)
        self.proj_kv = nn.Linear(embed_dims, 2 * embed_dims)

    def forward(self,
                query: Tensor,
                query_pos: Optional[Tensor] = None,
                return_attention: bool = False) -> AttentionOutput:
        """Forward function.

        Args:
            query (Tensor): Tokens with shape (..., T, P, C): T frames of P
                tokens each. Leading dimensions are independent of each
                other.
            query_pos (Tensor, optional): Added to the tokens for queries and
                keys, not for values; broadcasts to ``query``. Defaults to
                None.
            return_attention (bool): Whether to also return the attention map
                of step one, which is large. Defaults to False.

        Returns:
            Tensor | tuple[Tensor]: Output with the shape of ``query`` and, on
            request, the map with shape (B, heads, T * P, T, P) before
            dropout, where B is the product of the leading dimensions: each
            row sums to one over the P tokens of each frame.
        """
        num_frames, num_tokens = query.shape[-3:-1]
        q, k, v = (
            x.reshape(-1, num_frames, num_tokens, self.num_heads,
                      self.head_dims).transpose(2, 3)
            for x in self.project(query, query_pos))  # (B, T, h, P, d)
        q = q.transpose(1, 2).flatten(2, 3)  # (B, h, T * P, d)
        frames = torch.arange(
            num_frames, device=query.device).repeat_interleave(num_tokens)
        out = self._attend_in_chunks(q, k, v, frames)
        out = self.proj(out).view(query.shape)
        if not return_attention:
            return out
        logits = self.head_dims**-0.5 * q[:, None] @ k.transpose(-1, -2)
        return out, logits.softmax(-1).permute(0, 2, 3, 1, 4)

    def _attend_in_chunks(self, q: Tensor, k: Tensor, v: Tensor,
                          frames: Tensor) -> Tensor:
        """Both steps for all queries, a part of them at a time.

        Args:
            q (Tensor): Queries with shape (B, h, T * P, d).
            k (Tensor): Keys with shape (B, T, h, P, d).
            v (Tensor): Values with the shape of the keys.
            frames (Tensor): Frame of each query, shape (T * P, ).

        Returns:
            Tensor: Attended values with shape (B, T * P, C).
        """
        batch_size, num_queries = len(q), len(frames)
        points_per_query = k.shape[1] * self.embed_dims
        with_grad = torch.is_grad_enabled() and q.requires_grad
        size = batch_size * num_queries * points_per_query
        if size <= (MAX_KEPT_SIZE if with_grad else CHUNK_SIZE):
            return self._attend(q, k, v, frames)

        at_once = max(CHUNK_SIZE // points_per_query, MIN_CHUNK_QUERIES)
        num_columns = math.ceil(num_queries / at_once)
        num_rows = math.ceil(batch_size / max(at_once // num_queries, 1))
        out = []
        for rows in zip(*(x.chunk(num_rows) for x in (q, k, v))):
            columns = zip(rows[0].chunk(num_columns, 2),
                          frames.chunk(num_columns))
            inputs = ((q_part, *rows[1:], part) for q_part, part in columns)
            out.append(
                torch.cat([
                    checkpoint(self._attend, *x, use_reentrant=False)
                    if with_grad else self._attend(*x) for x in inputs
                ], 1))
        return torch.cat(out)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor,
                frames: Tensor) -> Tensor:
        """Both steps for n queries at once.

        Args:
            q (Tensor): Queries with shape (B, h, n, d).
            k (Tensor): Keys with shape (B, T, h, P, d).
            v (Tensor): Values with the shape of the keys.
            frames (Tensor): Frame of each query, shape (n, ).

        Returns:
            Tensor: Attended values with shape (B, n, C).
        """
        batch_size, num_frames = k.shape[:2]
        q = q[:, None].expand(-1, num_frames, -1, -1, -1)
        points = F.scaled_dot_product_attention(
            q.flatten(0, 1),
            k.flatten(0, 1),
            v.flatten(0, 1),
            dropout_p=self._dropout)  # (B * T, h, n, d)
        points = points.transpose(1, 2).reshape(batch_size, num_frames,
                                                len(frames), self.embed_dims)
        return self._follow(points, frames)

    def _follow(self, points: Tensor, frames: Tensor) -> Tensor:
        """Step two: attend along the trajectories.

        With y_t the point in frame t and h the head,
        ``q2 . (W_k y_t)`` equals ``(W_k' q2) . y_t``, and the sum over t of
        ``a_t (W_v y_t)`` equals ``W_v`` times the sum of ``a_t y_t``. The
        folded form on the right multiplies with the matrices once a query
        instead of once a point. The bias of W_k shifts all logits of a query
        alike, so the softmax does not see it.

        Args:
            points (Tensor): Trajectory points with shape (B, T, n, C).
            frames (Tensor): Frame of each query, shape (n, ).

        Returns:
            Tensor: Attended values with shape (B, n, C).
        """
        heads = (self.num_heads, self.head_dims)
        queries = torch.arange(len(frames), device=frames.device)
        own = points[:, frames, queries]  # (B, n, C)
        q2 = (self.proj_q(own) * self.head_dims**-0.5).unflatten(-1, heads)
        if points.shape[1] < FOLD_MIN_FRAMES:
            k2, v2 = self.proj_kv(points).unflatten(
                -1, (2, *heads)).unbind(-3)  # (B, T, n, h, d)
            attention = (q2[:, None] * k2).sum(-1, keepdim=True).softmax(1)
            return (attention * v2).sum(1).flatten(-2)

        w_k, w_v = self.proj_kv.weight.unflatten(0, (2, *heads))  # (h, d, C)
        folded = torch.einsum('bnhd,hdc->bnhc', q2, w_k)
        logits = torch.einsum('bnhc,btnc->bnht', folded, points)
        mean = torch.einsum('bnht,btnc->bnhc', logits.softmax(-1), points)
        out = torch.einsum('bnhc,hdc->bnhd', mean, w_v).flatten(-2)
        return out + self.proj_kv.bias[self.embed_dims:]
