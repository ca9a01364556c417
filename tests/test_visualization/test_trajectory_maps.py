# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tests of trajectory maps: equality with the layers, and drawing."""

from projects.maxtron.models.within_clip import (
    AxialTrajectoryLayer,
    SelfAttention,
    TrajectoryAttention,
)
from projects.maxtron.visualization import (
    draw_trajectory,
    record_calls,
    resize_maps,
    to_cell,
    trajectory_maps,
)
from projects.maxtron.visualization.trajectory_maps import effective_attention

import numpy as np
import pytest
import torch
from torch import nn

T, H, W = 3, 2, 4
TYPES = ('axial_trajectory', 'trajectory', 'self_attention')


@pytest.fixture(autouse=True)
def double_precision():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pass_values_on(attention, q=None, k=None, q2=None, k2=None):
    """Let an attention of one head add up the tokens as they are.

    Queries and keys of both steps are made by the given matrices, by default
    large random ones, so that the weights are far from uniform.
    """
    c = attention.embed_dims
    q, k, q2, k2 = (
        4 * torch.randn(c, c) if x is None else x for x in (q, k, q2, k2)
    )
    for p in attention.parameters():
        nn.init.zeros_(p)
    with torch.no_grad():
        attention.qkv.weight.copy_(torch.cat([q, k, torch.eye(c)]))
        attention.proj.weight.copy_(torch.eye(c))
        if isinstance(attention, TrajectoryAttention):
            attention.proj_q.weight.copy_(q2)
            attention.proj_kv.weight.copy_(torch.cat([k2, torch.eye(c)]))


@pytest.mark.parametrize('kind', [TrajectoryAttention, SelfAttention])
def test_effective_attention_is_what_comes_out(kind):
    """Of one-hot tokens the output is the weights."""
    tokens = T * W
    attention = kind(tokens, num_heads=1)
    pass_values_on(attention)
    query = torch.eye(tokens).view(1, T, W, tokens)
    pos = torch.randn(1, T, W, tokens) / tokens
    weights = effective_attention(attention, query, pos, torch.arange(tokens))[
        0
    ]
    assert weights.max() > 0.5
    torch.testing.assert_close(
        weights.flatten(1), attention(query, pos).view(tokens, tokens)
    )
    some = effective_attention(attention, query, pos, torch.tensor([7, 2]))[0]
    torch.testing.assert_close(some, weights[[7, 2]])


def test_heads_are_those_of_the_module():
    """Without step two: equal to the map that the module returns."""
    attention = TrajectoryAttention(8, num_heads=4)
    nn.init.zeros_(attention.proj_q.weight)
    nn.init.zeros_(attention.proj_q.bias)
    query, pos = torch.randn(2, 2, T, W, 8)
    _, in_frame = attention(query, pos, return_attention=True)
    torch.testing.assert_close(
        effective_attention(attention, query, pos, torch.arange(T * W)),
        in_frame.mean(1) / T,
    )


def run(layer, query, pos=None):
    with record_calls(layer) as calls:
        out = layer(query, pos)
    torch.testing.assert_close(layer(query, pos), out, rtol=0, atol=0)
    assert len(calls) == 1  # the last call was after the recording
    return calls[0]


def test_axial_map_is_what_reaches_the_reference():
    """Of one-hot tokens, through both axes of the layer as it is."""
    channels = T * H * W
    layer = AxialTrajectoryLayer(channels, num_heads=1)
    for attention in (layer.height_attn, layer.width_attn):
        pass_values_on(attention)
    query = torch.eye(channels).view(1, T, H, W, channels)
    added = []
    handle = layer.width_attn.register_forward_hook(
        lambda _, args, out: added.append(out)
    )
    call = run(layer, query)
    handle.remove()
    added = added[0][0]  # (H, T, W, C)
    for frame, row, column in ((0, 0, 0), (1, 1, 2), (2, 0, 3)):
        maps, shares = trajectory_maps(layer, call, frame, row, column)
        assert maps.shape == (T, H, W)
        torch.testing.assert_close(maps.sum((1, 2)), torch.ones(T))
        torch.testing.assert_close(shares.sum(), torch.tensor(1.0))
        # the residual connection adds to the output of the height axis
        # before it, of the row itself
        expected = shares[:, None, None] * maps
        (x,) = (x[0, row, None] for x in call['width_attn'][:1])
        expected[:, row] += effective_attention(
            layer.width_attn, x, None, torch.tensor([frame * W + column])
        )[0, 0]
        torch.testing.assert_close(
            added[row, frame, column], expected.flatten()
        )


@pytest.mark.parametrize('attn_type', TYPES)
def test_peak_follows_a_bright_square(attn_type):
    """A bright spot moves along both axes; tokens attend to brightness."""
    places = [(1, 1), (3, 2), (4, 5), (0, 6)]
    size = (len(places), 6, 8)
    query = torch.zeros(1, *size, 2)
    query[..., 0] = 1
    for t, (y, x) in enumerate(places):
        query[0, t, y, x, 1] = 1
    layer = AxialTrajectoryLayer(2, num_heads=1, attn_type=attn_type)
    looks_for_bright = dict(
        q=torch.tensor([[1.0, 0], [0, 0]]),
        k=torch.tensor([[0.0, 8], [0, 0]]),
        q2=torch.zeros(2, 2),
        k2=torch.zeros(2, 2),
    )
    for attention in layer.children():
        if isinstance(attention, (SelfAttention, TrajectoryAttention)):
            pass_values_on(attention, **looks_for_bright)
    call = run(layer, query)
    maps, _ = trajectory_maps(layer, call, 0, *places[0])
    peaks = [
        tuple(np.unravel_index(m.argmax().item(), size[1:])) for m in maps
    ]
    assert peaks == places
    # a peak, not a ridge along one of the axes
    peak, second = maps.flatten(1).topk(2).values.T
    assert (peak > 2 * second).all()


@pytest.mark.parametrize(
    'input_shape,img_shape,grid',
    [((96, 160), (90, 150), (6, 10)), ((97, 161), (97, 120), (7, 11))],
)
def test_cells_and_pixels_are_of_one_place(input_shape, img_shape, grid):
    """The cell of a pixel, lit, is brightest near the pixel."""
    size = (270, 450)
    for y, x in ((0, 0), (135, 230), (100, 17), (268, 448)):
        cells = [
            to_cell((p + 0.5) * img / ori - 0.5, pixels, cells)
            for p, img, ori, pixels, cells in zip(
                (y, x), img_shape, size, input_shape, grid
            )
        ]
        lit = torch.zeros(2, *grid)
        lit[0, cells[0], cells[1]] = 1
        heat = resize_maps(lit, input_shape, img_shape, size)
        assert heat.shape == (2, *size) and not heat[1].any()
        peak = np.unravel_index(heat[0].argmax(), size)
        for p, q, img, ori in zip((y, x), peak, img_shape, size):
            assert abs(p - q) <= 8.5 * ori / img + 1  # half a cell of 16


def test_drawing():
    """Five frames in two rows; the dot is in the reference only."""
    frames = [np.full((60, 80, 3), 100, np.uint8)] * 5
    maps = np.zeros((5, 60, 80), np.float32)
    for t in range(5):
        maps[t, 40:44, 10 + 10 * t] = 0.1 * (t + 1)
    texts = [f'frame {t}' for t in range(5)]
    picture = draw_trajectory(
        frames, maps, texts, 1, (60, 20), panel_width=160, alpha=0.5
    )
    height, width = 120 + 4, 160 + 4
    assert picture.shape == (2 * height, 4 * width, 3)
    panels = [
        picture[height * (t // 4) :, width * (t % 4) :][2:122, 2:162]
        for t in range(5)
    ]
    red = [(panel == (255, 0, 0)).all(-1) for panel in panels]
    assert [bool(r.any()) for r in red] == [False, True, False, False, False]
    ys, xs = red[1].nonzero()
    assert abs(ys.mean() - 40.5) < 1 and abs(xs.mean() - 120.5) < 1
    for t, panel in enumerate(panels):
        # each map is scaled by its maximum; colours are a heat map
        hot = panel[84, 21 + 20 * t].astype(int)
        assert hot[0] > hot[2] + 40
        assert panel[100, 100, 2] > panel[100, 100, 0] + 40
    assert (picture[height:, width:] == 255).all()
