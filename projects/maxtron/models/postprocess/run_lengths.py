# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Run-length encoding of masks on any device, in COCO's compressed form."""

import math

import numpy as np
import torch
from torch import Tensor


def find_edges(masks: Tensor) -> Tensor:
    """Find the pixels at which runs of a mask begin.

    Runs go down the columns, from column to column, as COCO's do. The first
    run is one of zeros, so that a first pixel of 1 begins a run.

    Args:
        masks (Tensor): Masks, shape (n, H, W), bool.

    Returns:
        Tensor: Indices into the flattened masks, ascending, int64.
    """
    edges = torch.empty_like(masks)
    torch.ne(masks[:, 1:], masks[:, :-1], out=edges[:, 1:])
    torch.ne(masks[:, 0, 1:], masks[:, -1, :-1], out=edges[:, 0, 1:])
    edges[:, 0, 0] = masks[:, 0, 0]
    if edges.is_cuda:
        return edges.flatten().nonzero()[:, 0]
    # much faster than PyTorch's on the CPU
    return torch.from_numpy(np.flatnonzero(edges.numpy()))


def encode_edges(
    edges: np.ndarray, num_masks: int, size: tuple[int, int]
) -> list[dict]:
    """Encode masks by their edges.

    Args:
        edges (np.ndarray): See :func:`find_edges`, of any order.
        num_masks (int): Number of masks n.
        size (tuple[int, int]): Height and width of the masks.

    Returns:
        list[dict]: The masks as :func:`pycocotools.mask.encode` gives them:
        ``size`` and ``counts`` (bytes).
    """
    height, width = size
    num_pixels = math.prod(size)
    # from row-major to column-major
    rows, columns = np.divmod(edges, width)
    masks, rows = np.divmod(rows, height)
    ends = masks * num_pixels + columns * height + rows
    # The last run of a mask ends with it.
    last = np.arange(1, num_masks + 1) * num_pixels
    ends = np.concatenate([ends, last])
    # A mask that begins with 1 has an edge at the end of the one before, and
    # thus a first run of length 0.
    ends.sort()
    runs = np.diff(ends, prepend=0)
    stops = np.cumsum(np.bincount(masks, minlength=num_masks) + 1)
    starts = np.concatenate([[0], stops[:-1]])
    text, text_ends = _compress(runs, starts)
    cuts = [0, *text_ends[stops - 1].tolist()]
    return [
        dict(size=[height, width], counts=text[begin:end])
        for begin, end in zip(cuts, cuts[1:])
    ]


def _compress(
    runs: np.ndarray, starts: np.ndarray
) -> tuple[bytes, np.ndarray]:
    """Compress run lengths; :func:`.count_runs` describes the code.

    Args:
        runs (np.ndarray): Runs of all masks, shape (n, ), int64.
        starts (np.ndarray): Index of the first run of each mask.

    Returns:
        tuple[bytes, np.ndarray]: The characters of all runs, and the end of
        each run in them, shape (n, ).
    """
    values = runs.copy()
    values[2:] -= runs[:-2]  # but the first three runs of a mask are kept
    for i in range(3):
        first = starts + i
        first = first[first < np.append(starts[1:], len(runs))]
        values[first] = runs[first]
    lengths = np.ones(len(runs), np.int64)
    limit = 16
    while (is_longer := (values < -limit) | (values >= limit)).any():
        lengths += is_longer
        limit <<= 5
    ends = np.cumsum(lengths)
    text = np.empty(ends[-1] if len(ends) else 0, np.uint8)
    index = np.arange(len(runs))
    for k in range(lengths.max(initial=0)):
        index = index[lengths[index] > k]
        digits = (values[index] >> (5 * k)) & 31
        digits |= (lengths[index] > k + 1) << 5
        text[(ends - lengths)[index] + k] = digits + 48
    return text.tobytes(), ends
