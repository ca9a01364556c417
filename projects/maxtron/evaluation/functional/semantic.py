# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Video semantic segmentation: mean IoU and video consistency.

Both are defined by Miao et al., "VSPW: A Large-scale Dataset for Video Scene
Parsing in the Wild", 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError

VC_WINDOWS = (8, 16)


@dataclass
class SemanticStats:
    """Sums of a video for mIoU and video consistency.

    Attributes:
        pixels (np.ndarray): (3, C), int64: labelled pixels of each class that
            are predicted correctly, annotated, and predicted.
        consistency (dict[int, list[float]]): For each length of windows, the
            consistency of every window, in [0, 1]; nan for a window without a
            pixel to measure.
    """

    pixels: np.ndarray
    consistency: dict[int, list[float]]


class SemanticCounter:
    """Counter of the labels of a video, frame by frame.

    The consistency of a window of k frames is a share of pixels: of those
    whose annotated class is the same in all k frames, the pixels whose
    predicted class is the same in all k frames, right or wrong. Only the
    number of equal frames in a row is kept for each pixel.

    Args:
        name (str): Name of the video, for messages.
        num_classes (int): C, at most 254.
        windows (Sequence[int]): Lengths of the windows, in frames. Defaults
            to (8, 16).
        compatible (bool): Whether to count like the published code: also
            pixels that are void, and without the last window of a video.
            Defaults to False.
    """

    def __init__(
        self,
        name: str,
        num_classes: int,
        windows: Sequence[int] = VC_WINDOWS,
        compatible: bool = False,
    ) -> None:
        self.name = name
        self.num_classes = num_classes
        self.compatible = compatible
        self.num_frames = 0
        self._pixels = np.zeros((3, num_classes), np.int64)
        self._consistency: dict[int, list[float]] = {k: [] for k in windows}
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        # equal frames in a row before this one: of the ground truth, and of
        # both ground truth and prediction
        self._gt_run = self._run = np.zeros((0, 0), np.int32)

    def add(self, frame_name: str, gt: np.ndarray, pred: np.ndarray) -> None:
        """Add the next frame.

        Args:
            frame_name (str): Name of the frame, for messages.
            gt (np.ndarray): Annotated labels, (H, W), uint8. A label of C or
                more is void.
            pred (np.ndarray): Predicted labels in the same format.

        Raises:
            InputError: If the sizes differ, or that of another frame.
        """
        last = gt if self._last is None else self._last[0]
        for other, what in ((pred, 'prediction'), (last, 'first frame')):
            if other.shape != gt.shape:
                raise InputError(
                    f'video {self.name}, frame {frame_name}: the ground '
                    f'truth is {gt.shape[0]} x {gt.shape[1]} (height x '
                    f'width), but the {what} {other.shape[0]} x '
                    f'{other.shape[1]}.'
                )
        is_labelled = gt < self.num_classes
        self._count_pixels(gt[is_labelled], pred[is_labelled])
        self._count_runs(gt, pred)
        self._last = gt, pred
        self.num_frames += 1
        is_counted = True if self.compatible else is_labelled
        for k, values in self._consistency.items():
            if self.num_frames < k:
                continue
            total = np.count_nonzero((self._gt_run >= k - 1) & is_counted)
            same = np.count_nonzero((self._run >= k - 1) & is_counted)
            values.append(same / total if total else float('nan'))

    def _count_pixels(self, gt: np.ndarray, pred: np.ndarray) -> None:
        """Count the labelled pixels of each class."""
        for row, labels in enumerate((gt[gt == pred], gt, pred)):
            counts = np.bincount(labels, minlength=self.num_classes)
            self._pixels[row] += counts[: self.num_classes]

    def _count_runs(self, gt: np.ndarray, pred: np.ndarray) -> None:
        """Count the equal frames in a row."""
        if self._last is None:
            self._gt_run = self._run = np.zeros(gt.shape, np.int32)
            return
        is_same = gt == self._last[0]
        self._gt_run = (self._gt_run + 1) * is_same
        self._run = (self._run + 1) * (is_same & (pred == self._last[1]))

    def result(self) -> SemanticStats:
        """Return the stats of all added frames.

        Returns:
            SemanticStats: Stats of the video.
        """
        end = -1 if self.compatible else None
        return SemanticStats(
            self._pixels, {k: v[:end] for k, v in self._consistency.items()}
        )


def summarize_semantic(
    stats: Sequence[SemanticStats], compatible: bool = False
) -> dict[str, Any]:
    """Average over classes, and over the windows of all videos.

    Args:
        stats (Sequence[SemanticStats]): One item per video.
        compatible (bool): Whether to average like the published code: its list
            of windows is not emptied between the lengths of windows, so a
            value is the mean over the windows of this length and of all
            lengths before it. Defaults to False.

    Returns:
        dict[str, Any]: In percent ``mIoU``, the mean over the classes with
        ground truth; ``mVC{k}`` for each length of windows; ``per_class``, the
        IoU of each class, None for one without ground truth. A mean of
        nothing is None. ``num_windows`` are the averaged windows by length.
    """
    right, annotated, predicted = np.sum([s.pixels for s in stats], axis=0)
    union = annotated + predicted - right
    iou = [
        100 * float(r / u) if a else None
        for r, a, u in zip(right, annotated, union)
    ]
    summary: dict[str, Any] = dict(
        mIoU=_mean([value for value in iou if value is not None]),
        per_class=iou,
        num_windows={},
    )
    pooled: list[float] = []
    for k in stats[0].consistency:
        values = [v for s in stats for v in s.consistency[k] if v == v]
        pooled = [*pooled, *values] if compatible else values
        mean = _mean(pooled)
        summary[f'mVC{k}'] = None if mean is None else 100 * mean
        summary['num_windows'][k] = len(pooled)
    return summary


def _mean(values: Sequence[float]) -> float | None:
    """Average; None without values."""
    return float(np.mean(values)) if len(values) else None
