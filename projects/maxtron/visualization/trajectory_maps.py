# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Attention maps of a point in all frames of its clip."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.visualization.utils import convert_overlay_heatmap
from torch import Tensor, nn

from ..models.within_clip import AxialTrajectoryLayer, SelfAttention
from ..models.within_clip.axial_trajectory_encoder import ATTENTIONS
from .label_drawing import draw_label

_MARK_COLOR = (255, 0, 0)
_PANELS_A_ROW = 4
_GAP = 4  # pixels between panels


def tracking_layers(model: nn.Module) -> dict[str, AxialTrajectoryLayer]:
    """Find the within-clip tracking layers, in the order of the data.

    Args:
        model (nn.Module): The model.

    Returns:
        dict[str, AxialTrajectoryLayer]: Layers by name in the model.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, AxialTrajectoryLayer)
    }


@contextmanager
def record_calls(layer: AxialTrajectoryLayer) -> Iterator[list[dict]]:
    """Record the arguments of the attentions of a layer.

    The output is unchanged; all hooks are removed on exit.

    Args:
        layer (AxialTrajectoryLayer): The layer.

    Yields:
        list[dict]: One dict per call of the layer, appended when it is
        called. The layer is called once per level, from the coarsest. A dict
        has ``size`` (T, H, W) and, by the name of each attention, the query
        and its positional encoding.
    """
    calls: list[dict] = []

    def begin(_, args):
        calls.append(dict(size=tuple(args[0].shape[1:4])))

    handles = [layer.register_forward_pre_hook(begin)]
    for name in ATTENTIONS[layer.attn_type]:
        handles.append(
            getattr(layer, name).register_forward_pre_hook(
                lambda _, args, name=name: calls[-1].update({name: args})
            )
        )
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def effective_attention(
    attention: nn.Module, query: Tensor, query_pos: Tensor, tokens: Tensor
) -> Tensor:
    r"""Express trajectory attention as one attention over all tokens.

    Step one computes the trajectory points
    :math:`y_t = \sum_p A_{tp} v_{tp}` with a softmax over the tokens p of
    each frame (Eq. 2 and 3). Step two sums them, :math:`\sum_t a_t W_v y_t`,
    with a softmax over the frames (Eq. 4). Token p of frame t therefore has
    the weight :math:`a_t A_{tp}`. W_v mixes the heads of step one before step
    two, so the heads of each step are averaged separately.

    Args:
        attention (nn.Module): :class:`TrajectoryAttention` or
            :class:`SelfAttention`, which has one softmax over all tokens.
        query (Tensor): Tokens with shape (B, T, P, C).
        query_pos (Tensor): Their positional encoding; broadcasts to
            ``query``. May be None.
        tokens (Tensor): Indices into T * P of the n tokens whose attention is
            returned, shape (n, ).

    Returns:
        Tensor: Shape (B, n, T, P); sums to one over T and P.
    """
    num_frames, num_tokens = query.shape[1:3]
    scale = attention.head_dims**-0.5
    q, k, v = attention.project(query, query_pos)  # (B, T, P, h, d)
    q = q.flatten(1, 2)[:, tokens]
    logits = scale * torch.einsum('bnhd,btphd->bhntp', q, k)
    if isinstance(attention, SelfAttention):
        return (
            logits.flatten(3)
            .softmax(-1)
            .mean(1)
            .unflatten(2, (num_frames, num_tokens))
        )
    in_frame = logits.softmax(-1)
    points = torch.einsum('bhntp,btphd->bnthd', in_frame, v).flatten(3)
    queries = torch.arange(len(tokens), device=tokens.device)
    own = points[:, queries, tokens // num_tokens]  # (B, n, C)
    heads = (attention.num_heads, attention.head_dims)
    q2 = attention.proj_q(own).unflatten(-1, heads)
    k2 = attention.proj_kv(points).chunk(2, -1)[0].unflatten(-1, heads)
    logits = scale * torch.einsum('bnhd,bnthd->bnth', q2, k2)
    along = logits.softmax(2).mean(-1)  # (B, n, T)
    return in_frame.mean(1) * along[..., None]


def trajectory_maps(
    layer: AxialTrajectoryLayer, call: dict, frame: int, row: int, column: int
) -> tuple[Tensor, Tensor]:
    r"""Compute the attention of a reference token to all tokens of its clip.

    For full trajectory attention it is :func:`effective_attention`.
    Axial-trajectory attention combines two axes. By the width axis, the
    reference :math:`(s, y, x)` attends to the tokens of its row in all frames
    with the weights :math:`E^w_{s'x'}`. By the height axis, the token
    :math:`(s', y, x')` has attended to its column in all frames with the
    weights :math:`E^h_{(s'yx') \to (ty'x')}`. For given attention weights,

    .. math:: M_{ty'x'} = \sum_{s'} E^w_{s'x'} E^h_{(s'yx') \to (ty'x')}

    is exactly the share of token :math:`(t, y', x')` that reaches the
    reference through both axes. The sum covers both paths to another place
    in another frame: along the row in the first frame and then along the
    column in the other, or the reverse. Residual connections bypass the
    attention and are ignored.

    Args:
        layer (AxialTrajectoryLayer): The layer.
        call (dict): One call of the layer, see :func:`record_calls`; only the
            first clip of the batch is used.
        frame (int): Frame of the reference in the clip.
        row (int): Row of the reference in the feature map.
        column (int): Column of the reference.

    Returns:
        tuple[Tensor, Tensor]: Maps of all frames, shape (T, H, W), each with
        the sum 1, and the share of each frame in the attention, shape (T, ).
    """
    num_frames, height, width = size = call['size']

    def attend(name, group, tokens):
        query, pos = (None if x is None else x[0, group] for x in call[name])
        return effective_attention(
            getattr(layer, name),
            query,
            pos,
            torch.as_tensor(tokens, device=query.device),
        )

    if layer.attn_type != 'axial_trajectory':
        token = (frame * height + row) * width + column
        maps = attend('temporal_attn', None, [token])[0, 0].view(size)
    else:
        along_row = attend(
            'width_attn', slice(row, row + 1), [frame * width + column]
        )[0, 0]  # (T, W)
        along_columns = attend(
            'height_attn',
            slice(None),
            [s * height + row for s in range(num_frames)],
        )  # (W, T, T, H)
        maps = torch.einsum('sx,xsty->tyx', along_row, along_columns)
    shares = maps.sum((1, 2))
    return maps / shares[:, None, None], shares


def to_cell(position: float, num_pixels: int, num_cells: int) -> int:
    """Find the cell of a feature map that contains a pixel.

    Args:
        position (float): Row or column of the pixel in the input.
        num_pixels (int): Height or width of the input. If it is odd, as the
            canvas of kMaX-DeepLab, the cells are centred on the first and
            the last pixel and evenly between.
        num_cells (int): Height or width of the feature map.

    Returns:
        int: Row or column in the feature map.
    """
    if num_pixels % 2:
        return round(position * (num_cells - 1) / max(num_pixels - 1, 1))
    return int((position + 0.5) * num_cells / num_pixels)


def resize_maps(
    maps: Tensor,
    input_shape: tuple[int, int],
    img_shape: tuple[int, int],
    size: tuple[int, int],
) -> np.ndarray:
    """Resize feature maps to the size of the frames.

    Args:
        maps (Tensor): Shape (T, h, w).
        input_shape (tuple[int, int]): Height and width of the padded input of
            the model.
        img_shape (tuple[int, int]): Height and width before padding.
        size (tuple[int, int]): Height and width of the frames.

    Returns:
        np.ndarray: float32, shape (T, *size).
    """
    maps = F.interpolate(
        maps[:, None].float(),
        input_shape,
        mode='bilinear',
        align_corners=bool(input_shape[1] % 2),
    )
    maps = maps[..., : img_shape[0], : img_shape[1]]
    maps = F.interpolate(maps, size, mode='bilinear', align_corners=False)
    return maps[:, 0].cpu().numpy()


def draw_trajectory(
    frames: Sequence[np.ndarray],
    maps: np.ndarray,
    texts: Sequence[str],
    reference: int,
    point: tuple[int, int],
    panel_width: int = 480,
    alpha: float = 0.5,
) -> np.ndarray:
    """Draw the frames of a clip side by side, each with its heat map.

    Args:
        frames (Sequence[np.ndarray]): T frames, RGB, uint8, (H, W, 3).
        maps (np.ndarray): The heat maps, shape (T, H, W). The colours of
            each map cover the range from its minimum to its maximum.
        texts (Sequence[str]): Labels of the frames.
        reference (int): Index of the frame with the reference point.
        point (tuple[int, int]): x and y of the reference point in pixels.
        panel_width (int): Width of a drawn frame in pixels. Defaults to 480.
        alpha (float): Opacity of the heat maps, 0 to 1. Defaults to 0.5.

    Returns:
        np.ndarray: RGB, uint8.
    """
    height, width = frames[0].shape[:2]
    scale = panel_width / width
    size = (panel_width, max(round(height * scale), 1))
    panels, gap = [], _GAP // 2
    for t, (frame, heat, text) in enumerate(zip(frames, maps, texts)):
        panel = convert_overlay_heatmap(
            cv2.resize(heat, size), cv2.resize(frame, size), alpha
        )
        panel = np.ascontiguousarray(panel)
        if t == reference:
            center = tuple(int((x + 0.5) * scale) for x in point)
            for radius, color in ((6, (255, 255, 255)), (4, _MARK_COLOR)):
                cv2.circle(panel, center, radius, color, -1, cv2.LINE_AA)
        draw_label(panel, text, (0, 0), np.array((255, 255, 255), np.uint8))
        panels.append(
            cv2.copyMakeBorder(
                panel,
                *(gap, gap, gap, gap),
                cv2.BORDER_CONSTANT,
                value=(255, 255, 255),
            )
        )
    columns = min(len(panels), _PANELS_A_ROW)
    blank = np.full_like(panels[0], 255)
    panels += [blank] * (-len(panels) % columns)
    return np.concatenate(
        [
            np.concatenate(panels[i : i + columns], 1)
            for i in range(0, len(panels), columns)
        ]
    )
