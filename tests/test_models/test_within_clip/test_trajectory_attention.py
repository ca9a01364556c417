# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import math

from projects.maxtron.models.within_clip import (
    SelfAttention,
    TrajectoryAttention,
    trajectory_attention,
)
from projects.maxtron.testing.naive_attention import naive_trajectory_attention

import pytest
import torch
import torch.nn.functional as F

C, HEADS = 24, 4


@pytest.fixture(autouse=True)
def double_precision():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def results(function, attention, query, query_pos):
    """Output and the gradients of input, positions and all parameters."""
    query = query.clone().requires_grad_()
    query_pos = query_pos.clone().requires_grad_()
    out = function(query, query_pos)
    weight = torch.sin(torch.arange(out.numel())).view(out.shape)
    inputs = (query, query_pos, *attention.parameters())
    return [out, *torch.autograd.grad((out * weight).sum(), inputs)]


def assert_equal(actual, expected, atol=1e-12):
    for a, b in zip(actual, expected):
        torch.testing.assert_close(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize('fold', [True, False])
@pytest.mark.parametrize('products', [True, False])
@pytest.mark.parametrize('shape', [(2, 3, 5, C), (1, 1, 7, C), (3, 6, 1, C)])
def test_equals_the_equations(monkeypatch, fold, products, shape):
    monkeypatch.setattr(
        trajectory_attention, 'FOLD_MIN_FRAMES', 0 if fold else 100
    )
    monkeypatch.setattr(
        trajectory_attention, 'TOKENS_FOR_PRODUCTS', range(100 * products)
    )
    attention = TrajectoryAttention(C, HEADS)
    query, query_pos = torch.randn(2, *shape)
    expected = results(
        lambda x, pos: naive_trajectory_attention(attention, x, pos),
        attention,
        query,
        query_pos,
    )
    assert_equal(results(attention, attention, query, query_pos), expected)


def test_naive_form_is_eq_2_to_4():
    """Check the transcription itself with loops over tokens and heads."""
    attention = TrajectoryAttention(C, HEADS)
    num_frames, num_tokens, d = 2, 3, C // HEADS
    x = torch.randn(1, num_frames, num_tokens, C)
    q, k, v = attention.qkv(x[0]).chunk(3, -1)
    expected = torch.empty(num_frames, num_tokens, C)
    for t in range(num_frames):
        for p in range(num_tokens):
            points = []
            for other in range(num_frames):
                heads = []
                for h in range(HEADS):
                    part = slice(h * d, h * d + d)
                    logits = k[other, :, part] @ q[t, p, part] / math.sqrt(d)
                    heads.append(logits.softmax(0) @ v[other, :, part])
                points.append(torch.cat(heads))
            q2 = attention.proj_q(points[t])
            k2, v2 = attention.proj_kv(torch.stack(points)).chunk(2, -1)
            heads = []
            for h in range(HEADS):
                part = slice(h * d, h * d + d)
                logits = k2[:, part] @ q2[part] / math.sqrt(d)
                heads.append(logits.softmax(0) @ v2[:, part])
            expected[t, p] = attention.proj(torch.cat(heads))
    out = naive_trajectory_attention(attention, x)
    torch.testing.assert_close(out[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize('batch_size', [1, 5])
def test_chunks_do_not_change_the_result(monkeypatch, batch_size):
    attention = TrajectoryAttention(C, HEADS)
    query, query_pos = torch.randn(2, batch_size, 3, 7, C)
    expected = results(attention, attention, query, query_pos)
    sizes = []
    attend = attention._attend
    monkeypatch.setattr(
        attention,
        '_attend',
        lambda q, *args: (
            sizes.append((len(q), q.shape[2])),
            attend(q, *args),
        )[1],
    )
    for name in ('MIN_CHUNK_QUERIES', 'MIN_CHUNK_QUERIES_AT_TEST'):
        monkeypatch.setattr(trajectory_attention, name, 1)
    for num_queries in (4, 50):
        monkeypatch.setattr(
            trajectory_attention, 'CHUNK_SIZE', num_queries * 3 * C
        )
        sizes.clear()
        with torch.no_grad():
            out = attention(query, query_pos)
        assert_equal([out], expected)
        chunks = [rows * queries for rows, queries in sizes]
        assert sum(chunks) == 21 * batch_size and max(chunks) <= num_queries

        # with gradients nothing is chunked until it would take much memory
        sizes.clear()
        assert_equal(results(attention, attention, query, query_pos), expected)
        assert sizes == [(batch_size, 21)]
        with monkeypatch.context() as patch:
            patch.setattr(trajectory_attention, 'MAX_KEPT_SIZE', 1)
            sizes.clear()
            assert_equal(
                results(attention, attention, query, query_pos), expected
            )
        # once forward and once more in the backward pass
        assert (
            sum(rows * queries for rows, queries in sizes)
            == 2 * 21 * batch_size
        )


def test_leading_dimensions_are_independent():
    attention = TrajectoryAttention(C, HEADS)
    query = torch.randn(2, 3, 4, 5, C)
    query_pos = torch.randn(3, 4, 5, C)  # broadcasts
    out = attention(query, query_pos)
    assert out.shape == query.shape
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(
                attention(query[i, j], query_pos[j]),
                out[i, j],
                rtol=0,
                atol=1e-12,
            )


def test_one_frame_is_plain_attention():
    attention = TrajectoryAttention(C, HEADS)
    query = torch.randn(2, 1, 6, C)
    q, k, v = (
        x.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for x in attention.qkv(query[:, 0]).chunk(3, -1)
    )
    points = F.scaled_dot_product_attention(q, k, v)
    points = points.transpose(1, 2).flatten(2)
    expected = attention.proj(attention.proj_kv(points)[..., C:])
    torch.testing.assert_close(
        attention(query)[:, 0], expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize('module', [TrajectoryAttention, SelfAttention])
def test_attention_map(module):
    attention = module(C, HEADS)
    query, query_pos = torch.randn(2, 2, 3, 5, C)
    out, weights = attention(query, query_pos, return_attention=True)
    torch.testing.assert_close(
        out, attention(query, query_pos), rtol=0, atol=1e-12
    )
    assert weights.shape == (2, HEADS, 15, 3, 5)
    frames = -1 if module is TrajectoryAttention else (-2, -1)
    total = weights.sum(frames)
    torch.testing.assert_close(total, torch.ones_like(total))
    # entry by entry: token 7 of the second sequence to token 2 of frame 1
    q, k, _ = attention.project(query, query_pos)
    q, k = q[1].flatten(0, 1), k[1]
    logits = torch.einsum('hd,tphd->htp', q[7], k) / math.sqrt(C // HEADS)
    expected = logits.exp() / logits.exp().sum(frames, keepdim=True)
    torch.testing.assert_close(weights[1, :, 7], expected)


def test_self_attention_equals_its_formula():
    attention = SelfAttention(C, HEADS)
    query, query_pos = torch.randn(2, 2, 3, 5, C)
    out = attention(query, query_pos)
    x, pos = query.flatten(1, 2), query_pos.flatten(1, 2)
    q = attention.qkv(x + pos)[..., :C].unflatten(-1, (HEADS, -1))
    k = attention.qkv(x + pos)[..., C : 2 * C].unflatten(-1, (HEADS, -1))
    v = attention.qkv(x)[..., 2 * C :].unflatten(-1, (HEADS, -1))
    logits = torch.einsum('bshd,bthd->bhst', q, k) / math.sqrt(C // HEADS)
    mixed = torch.einsum('bhst,bthd->bshd', logits.softmax(-1), v)
    torch.testing.assert_close(
        out.flatten(1, 2), attention.proj(mixed.flatten(2)), rtol=0, atol=1e-12
    )


def test_dropout_acts_on_the_first_attention():
    query = torch.randn(1, 3, 4, C)
    attention = TrajectoryAttention(C, HEADS, attn_drop=1.0)
    # all trajectory points vanish, so only the biases are left
    bias = attention.proj(attention.proj_kv.bias[C:])
    torch.testing.assert_close(
        attention(query), bias.expand_as(query), rtol=0, atol=1e-12
    )
    out = attention.eval()(query)
    attention.attn_drop = 0.0
    torch.testing.assert_close(out, attention.train()(query), rtol=0, atol=0)


def test_dropout_is_repeated_in_the_backward_pass(monkeypatch):
    """Checkpointed chunks must draw the same dropout twice."""
    monkeypatch.setattr(trajectory_attention, 'MAX_KEPT_SIZE', 1)
    attention = TrajectoryAttention(C, HEADS, attn_drop=0.5)
    query = torch.randn(2, 3, 4, C, requires_grad=True)
    step = torch.randn_like(query)
    outs = []
    for shift in (0, 1e-6, -1e-6):
        torch.manual_seed(1)
        outs.append(attention(query + shift * step).sum())
    (grad,) = torch.autograd.grad(outs[0], query)
    numeric = (outs[1] - outs[2]) / 2e-6
    torch.testing.assert_close(
        (grad * step).sum(), numeric, rtol=1e-6, atol=1e-6
    )


def test_init_treats_q_k_and_v_as_separate_matrices():
    torch.set_default_dtype(torch.float32)
    attention = TrajectoryAttention(256)
    attention.init_weights()
    for weight in attention.qkv.weight.chunk(3):
        assert weight.std().item() == pytest.approx(256**-0.5, rel=0.02)
    # one matrix in the reference, too
    assert attention.proj_kv.weight.std().item() == pytest.approx(
        (2 / 768) ** 0.5, rel=0.02
    )


def test_mixed_precision():
    torch.set_default_dtype(torch.float32)
    attention = TrajectoryAttention(C, HEADS)
    for num_frames in (2, 8):  # unfolded and folded
        query = torch.randn(2, num_frames, 5, C)
        with torch.autocast('cpu', torch.bfloat16):
            out = attention(query)
        assert out.dtype == torch.bfloat16
        torch.testing.assert_close(
            out.float(), attention(query), rtol=0.05, atol=0.02
        )


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match='embed_dims=10 .* num_heads=4'):
        TrajectoryAttention(10, 4)
