# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Trajectory attention (Eq. 2-4 of the MaXTron paper) and plain attention."""

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import InputError
from ..layers import runs_eagerly_on_cpu

# Minimum number of frames at which the matrices are applied after the sums
# over frames. Measured speed-up on a CPU, forward and forward+backward: 0.8 at
# 2 frames, about 1 at 3 and 4, 1.1 to 1.2 at 5, 1.3 at 6, 1.6 to 2.1 at 12. At
# 4 frames this form takes more memory.
FOLD_MIN_FRAMES = 5
# Size of a chunk of trajectory points (queries x frames x channels). 16 MB is
# fastest on the CPU: larger chunks do not fit into the cache, and smaller
# chunks have too few queries for the attention kernel.
CHUNK_SIZE = 2**22
# Tokens of a frame for which matrix products replace the attention kernel on a
# CPU. Measured speed-up of 2 frames: 1.1 to 1.7 at 20 to 43 tokens (but 0.8 at
# 32), 0.6 to 0.9 below 17, 0.8 to 1.0 above 48. Many frames take memory.
TOKENS_FOR_PRODUCTS = range(17, 48)
# Minimum queries per chunk during training.
MIN_CHUNK_QUERIES = 512
# Minimum queries per chunk at inference, where memory must hardly grow with
# the number of frames.
MIN_CHUNK_QUERIES_AT_TEST = 32
# Largest size (512 MB) at which training keeps all points for the backward
# pass. Above it, the points are computed a second time, chunk by chunk.
MAX_KEPT_SIZE = 2**27

AttentionOutput: TypeAlias = Tensor | tuple[Tensor, Tensor]


class _FusedProjectionAttention(nn.Module):
    """Base class of both attentions: projection to q, k and v.

    Args:
        embed_dims (int): Number of channels C.
        num_heads (int): Number of heads; must divide ``embed_dims``.
        attn_drop (float): Dropout of the attention probabilities.
            Defaults to 0.

    Raises:
        InputError: If ``num_heads`` does not divide ``embed_dims``.
    """

    def __init__(
        self, embed_dims: int, num_heads: int = 8, attn_drop: float = 0.0
    ) -> None:
        super().__init__()
        if embed_dims % num_heads != 0:
            raise InputError(
                f'embed_dims={embed_dims} cannot be split into '
                f'num_heads={num_heads} heads of equal size.'
            )
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.head_dims = embed_dims // num_heads
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)

    def project(
        self, query: Tensor, query_pos: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Project tokens to queries and keys, with positions, and to values.

        Args:
            query (Tensor): Tokens with shape (..., C).
            query_pos (Tensor, optional): Encoding added to the tokens for
                queries and keys; broadcasts to ``query``.

        Returns:
            tuple[Tensor]: q, k and v, each with shape (..., heads, C / heads).
        """
        # Products with a permuted tensor would copy it once each.
        query = query.contiguous()
        if query_pos is None:
            tokens = self.qkv(query).chunk(3, dim=-1)
        else:
            sizes = 2 * self.embed_dims, self.embed_dims
            qk, v = (
                F.linear(x, weight, bias)
                for x, weight, bias in zip(
                    (query + query_pos, query),
                    self.qkv.weight.split(sizes),
                    self.qkv.bias.split(sizes),
                )
            )
            tokens = *qk.chunk(2, dim=-1), v
        q, k, v = (
            x.unflatten(-1, (self.num_heads, self.head_dims)) for x in tokens
        )
        return q, k, v

    def init_weights(
        self, init: Callable[[Tensor], Tensor] = nn.init.xavier_normal_
    ) -> None:
        """Initialize the matrices of q, k and v separately.

        Args:
            init (Callable): Initializes a matrix in place. Defaults to
                :func:`torch.nn.init.xavier_normal_`.
        """
        for weight in (p for p in self.parameters() if p.dim() > 1):
            init(weight)
        for weight in self.qkv.weight.chunk(3):
            init(weight)

    def extra_repr(self) -> str:
        """str: Settings that the sub-modules do not show."""
        return f'num_heads={self.num_heads}, attn_drop={self.attn_drop}'

    @property
    def _dropout(self) -> float:
        return self.attn_drop if self.training else 0.0


class SelfAttention(_FusedProjectionAttention):
    """Plain multi-head self-attention over all tokens of all frames.

    It is an ablation of trajectory attention with the same interface: one
    softmax covers all tokens of the clip.
    """

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor | None = None,
        return_attention: bool = False,
    ) -> AttentionOutput:
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
            x.reshape(
                -1, num_frames * num_tokens, self.num_heads, self.head_dims
            ).transpose(1, 2)
            for x in self.project(query, query_pos)
        )  # (B, h, S, d)
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self._dropout)
        out = self.proj(out.transpose(1, 2).reshape(query.shape))
        if not return_attention:
            return out
        logits = self.head_dims**-0.5 * q @ k.transpose(-1, -2)
        attention = logits.softmax(-1)
        return out, attention.unflatten(-1, (num_frames, num_tokens))


class TrajectoryAttention(_FusedProjectionAttention):
    """Trajectory attention, which follows each token through the frames.

    Step one attends to each frame separately and gives each token its
    trajectory: one point per frame. Step two attends along the trajectory. The
    logits of both softmaxes are scaled by ``head_dims ** -0.5``. A "frame" is
    a group of tokens: a frame of a clip in within-clip tracking, a clip of a
    video in cross-clip tracking.

    The attention matrix of all tokens is never formed, except to return it:
    step one is ``scaled_dot_product_attention`` with the key frames on the
    batch axis. Step two is computed in one of two exact forms, see
    :meth:`_follow`. Queries are independent of each other, so they are
    processed in chunks, and the memory hardly grows with the number of frames.

    Args:
        embed_dims (int): Number of channels C.
        num_heads (int): Number of heads; must divide ``embed_dims``.
        attn_drop (float): Dropout of the attention probabilities of step
            one. Defaults to 0.
    """

    def __init__(
        self, embed_dims: int, num_heads: int = 8, attn_drop: float = 0.0
    ) -> None:
        super().__init__(embed_dims, num_heads, attn_drop)
        self.proj_q = nn.Linear(embed_dims, embed_dims)
        self.proj_kv = nn.Linear(embed_dims, 2 * embed_dims)

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor | None = None,
        return_attention: bool = False,
    ) -> AttentionOutput:
        """Forward function.

        Args:
            query (Tensor): Tokens of T frames with P tokens each, shape
                (..., T, P, C). Leading dimensions are independent of each
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
            x.reshape(
                -1, num_frames, num_tokens, self.num_heads, self.head_dims
            ).transpose(2, 3)
            for x in self.project(query, query_pos)
        )  # (B, T, h, P, d)
        q = q.transpose(1, 2).flatten(2, 3)  # (B, h, T * P, d)
        frames = torch.arange(
            num_frames, device=query.device
        ).repeat_interleave(num_tokens)
        out = self._attend_in_chunks(q, k, v, frames)
        out = self.proj(out).view(query.shape)
        if not return_attention:
            return out
        logits = self.head_dims**-0.5 * q[:, None] @ k.transpose(-1, -2)
        return out, logits.softmax(-1).permute(0, 2, 3, 1, 4)

    def _attend_in_chunks(
        self, q: Tensor, k: Tensor, v: Tensor, frames: Tensor
    ) -> Tensor:
        """Compute both steps for all queries, chunk by chunk.

        Args:
            q (Tensor): Queries with shape (B, h, T * P, d).
            k (Tensor): Keys with shape (B, T, h, P, d).
            v (Tensor): Values with the shape of the keys.
            frames (Tensor): Frame of each query, shape (T * P, ).

        Returns:
            Tensor: Attended values with shape (B, T * P, C).
        """
        batch_size, num_queries = q.shape[0], frames.shape[0]
        points_per_query = k.shape[1] * self.embed_dims
        with_grad = torch.is_grad_enabled() and q.requires_grad
        size = batch_size * num_queries * points_per_query
        # An export for any number of frames does not know the size.
        if isinstance(size, torch.SymInt) or size <= (
            MAX_KEPT_SIZE if with_grad else CHUNK_SIZE
        ):
            return self._attend(q, k, v, frames)

        least = MIN_CHUNK_QUERIES if with_grad else MIN_CHUNK_QUERIES_AT_TEST
        at_once = max(CHUNK_SIZE // points_per_query, least)
        num_columns = math.ceil(num_queries / at_once)
        num_rows = math.ceil(batch_size / max(at_once // num_queries, 1))
        out = []
        for rows in zip(*(x.chunk(num_rows) for x in (q, k, v))):
            columns = zip(
                rows[0].chunk(num_columns, 2), frames.chunk(num_columns)
            )
            inputs = ((q_part, *rows[1:], part) for q_part, part in columns)
            if with_grad:
                parts = [
                    checkpoint(self._attend, *x, use_reentrant=False)
                    for x in inputs
                ]
                out.append(torch.cat(parts, 1))
            else:
                out.append(self._attend_into_one(inputs, num_queries))
        return torch.cat(out)

    def _attend_into_one(
        self, inputs: Iterable[tuple[Tensor, ...]], num_queries: int
    ) -> Tensor:
        """Compute both steps chunk by chunk and write to one tensor.

        Separate results would lie between the temporary tensors and prevent
        the allocator from reusing their memory.

        Args:
            inputs (Iterable[tuple[Tensor]]): Chunks, see :meth:`_attend`.
            num_queries (int): Number of queries n of all chunks.

        Returns:
            Tensor: Attended values with shape (B, n, C).
        """
        out, start = None, 0
        for chunk in inputs:
            part = self._attend(*chunk)
            if out is None:
                out = part.new_empty(len(part), num_queries, self.embed_dims)
            end = start + part.shape[1]
            out[:, start:end] = part
            start = end
        return out

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, frames: Tensor
    ) -> Tensor:
        """Compute both steps for n queries at once.

        Args:
            q (Tensor): Queries with shape (B, h, n, d).
            k (Tensor): Keys with shape (B, T, h, P, d).
            v (Tensor): Values with the shape of the keys.
            frames (Tensor): Frame of each query, shape (n, ).

        Returns:
            Tensor: Attended values with shape (B, n, C).
        """
        batch_size, num_frames = k.shape[:2]
        points = self._find_points(q[:, None], k, v)  # (B, T, h, n, d)
        points = points.transpose(2, 3).reshape(
            batch_size, num_frames, frames.shape[0], self.embed_dims
        )
        return self._follow(points, frames)

    def _find_points(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend to each frame separately (step one).

        Args:
            q (Tensor): Queries with shape (B, 1, h, n, d).
            k (Tensor): Keys with shape (B, T, h, P, d).
            v (Tensor): Values with the shape of the keys.

        Returns:
            Tensor: Trajectory points with shape (B, T, h, n, d).
        """
        # An export would fix a number of frames that is compared first.
        is_short = runs_eagerly_on_cpu(q) and k.shape[1] < FOLD_MIN_FRAMES
        suits = is_short and k.shape[3] in TOKENS_FOR_PRODUCTS
        if suits and not self._dropout:
            logits = (q * self.head_dims**-0.5) @ k.transpose(-1, -2)
            return logits.softmax(-1).to(v.dtype) @ v
        points = F.scaled_dot_product_attention(
            q.expand(-1, k.shape[1], -1, -1, -1).flatten(0, 1),
            k.flatten(0, 1),
            v.flatten(0, 1),
            dropout_p=self._dropout,
        )
        return points.unflatten(0, k.shape[:2])

    def _follow(self, points: Tensor, frames: Tensor) -> Tensor:
        """Attend along the trajectories (step two).

        The softmax over the frames is invariant to a shift of all logits of a
        query, and its weights sum to one. Let y_t be the point in frame t, o
        the frame of the query and s_t = y_t - y_o the step to frame t. Then
        only the steps need logits, and
        ``sum_t a_t (W_v y_t) = W_v y_o + sum_t a_t (W_v s_t)``. This form is
        for few frames. For many frames, the matrices are moved out of the
        sums, so that they are applied once per query instead of once per
        point: ``q2 . (W_k y_t) = (W_k' q2) . y_t`` and
        ``sum_t a_t (W_v y_t) = W_v (sum_t a_t y_t)``. The bias of W_k drops
        out of both.

        Args:
            points (Tensor): Trajectory points with shape (B, T, n, C).
            frames (Tensor): Frame of each query, shape (n, ).

        Returns:
            Tensor: Attended values with shape (B, n, C).
        """
        num_frames, num_queries = points.shape[1:3]
        heads = (self.num_heads, self.head_dims)
        w_k, w_v = self.proj_kv.weight.chunk(2)
        bias = self.proj_kv.bias[self.embed_dims :]
        queries = torch.arange(num_queries, device=points.device)
        own = points[:, frames, queries]  # (B, n, C)
        q2 = (self.proj_q(own) * self.head_dims**-0.5).unflatten(-1, heads)
        is_known = not isinstance(num_frames, torch.SymInt)
        if is_known and num_frames < FOLD_MIN_FRAMES:
            ahead = torch.arange(1, num_frames, device=points.device)
            others = (frames + ahead[:, None]) % num_frames  # (T - 1, n)
            steps = points[:, others, queries] - own[:, None]
            k2 = F.linear(steps, w_k).unflatten(-1, heads)
            v2 = F.linear(steps, w_v).unflatten(-1, heads)
            logits = (q2[:, None] * k2).sum(-1)  # (B, T - 1, n, h)
            attention = F.pad(logits, (0, 0, 0, 0, 1, 0)).softmax(1)[:, 1:]
            moved = (attention[..., None] * v2).sum(1)  # (B, n, h, d)
            return F.linear(own, w_v, bias) + moved.flatten(-2)

        w_k, w_v = (w.unflatten(0, heads) for w in (w_k, w_v))  # (h, d, C)
        folded = torch.einsum('bnhd,hdc->bnhc', q2, w_k)
        logits = torch.einsum('bnhc,btnc->bnht', folded, points)
        mean = torch.einsum('bnht,btnc->bnhc', logits.softmax(-1), points)
        return torch.einsum('bnhc,hdc->bnhd', mean, w_v).flatten(-2) + bias
