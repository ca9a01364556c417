# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Oracles that correct one kind of error of the instances of a video.

A predicted track matches an annotated track if the IoU of their tubes is at
least 0.5, whatever their classes. Each annotated track matches one predicted
track: the one with the highest score among those that match no other track.
Crowds do not match. Each oracle returns the video with a corrected prediction;
all in the order of ``INSTANCE_ORACLES`` make a prediction perfect.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from pycocotools import mask as mask_utils


class InstanceVideo(NamedTuple):
    """Tracks of a video, in the format of :class:`ClipYouTubeVISMetric`.

    Attributes:
        gts (list[dict]): Annotated tracks: ``category_id``, ``iscrowd`` and
            ``segmentations``, run lengths or None over frames.
        preds (list[dict]): Predicted tracks, with ``score``.
    """

    gts: list[dict]
    preds: list[dict]


def true_association(video: InstanceVideo) -> InstanceVideo:
    """Join the masks that belong to an annotated track to one track.

    A mask belongs to the annotated instance that it overlaps most, with an IoU
    above 0.5, or else to the one to which most masks of its track belong. If
    several masks of a frame belong to one instance, that of the highest score
    is taken, and masks with an IoU above 0.5 are preferred. The joined track
    has the most frequent class and the mean score of its masks. Masks that
    were not taken remain in their tracks.
    """
    owners = [_owners(video.gts, pred) for pred in video.preds]
    order = np.argsort([-pred['score'] for pred in video.preds], kind='stable')
    num_frames = max(
        (len(x['segmentations']) for x in video.gts + video.preds), default=0
    )
    taken: dict[tuple[int, int], int] = {}  # (instance, frame): track
    for matched in (True, False):
        for p in order.tolist():
            votes = Counter(owner for owner in owners[p] if owner >= 0)
            main = votes.most_common(1)[0][0] if votes else -1
            for t, owner in enumerate(owners[p]):
                if not matched and owner < 0:
                    owner = main
                if owner < 0 or video.preds[p]['segmentations'][t] is None:
                    continue
                taken.setdefault((owner, t), p)
    left = [dict(pred) for pred in video.preds]
    for pred in left:
        pred['segmentations'] = list(pred['segmentations'])
    joined = []
    for g in sorted({g for g, _ in taken}):
        frames = {t: p for (owner, t), p in taken.items() if owner == g}
        segmentations: list = [None] * num_frames
        for t, p in frames.items():
            segmentations[t] = video.preds[p]['segmentations'][t]
            left[p]['segmentations'][t] = None
        members = [video.preds[p] for p in frames.values()]
        classes = Counter(pred['category_id'] for pred in members)
        joined.append(
            dict(
                members[0],
                category_id=classes.most_common(1)[0][0],
                score=float(np.mean([pred['score'] for pred in members])),
                segmentations=segmentations,
            )
        )
    joined += [pred for pred in left if any(pred['segmentations'])]
    return video._replace(preds=joined)


def true_classes(video: InstanceVideo) -> InstanceVideo:
    """Give each track that matches an annotated track its class."""
    return _correct(video, 'category_id')


def true_masks(video: InstanceVideo) -> InstanceVideo:
    """Give each track that matches an annotated track its masks."""
    return _correct(video, 'segmentations')


def add_missing(video: InstanceVideo) -> InstanceVideo:
    """Add the annotated tracks that match no track, with score 1."""
    found = set(_match(video))
    missing = [
        dict(
            video_id=gt.get('video_id'),
            score=1.0,
            category_id=gt['category_id'],
            segmentations=gt['segmentations'],
        )
        for g, gt in enumerate(video.gts)
        if g not in found and not gt.get('iscrowd')
    ]
    return video._replace(preds=video.preds + missing)


def remove_false(video: InstanceVideo) -> InstanceVideo:
    """Remove the tracks that match no annotated track."""
    kept = zip(video.preds, _match(video), strict=True)
    return video._replace(preds=[pred for pred, g in kept if g >= 0])


INSTANCE_ORACLES: dict[str, Callable[[InstanceVideo], InstanceVideo]] = {
    'true association': true_association,
    'true classes': true_classes,
    'false removed': remove_false,
    'missing added': add_missing,
    'true masks': true_masks,
}


def apply_instance_oracles(
    video: InstanceVideo, names: Sequence[str]
) -> InstanceVideo:
    """Apply oracles one after the other.

    Args:
        video (InstanceVideo): The video.
        names (Sequence[str]): Names of the oracles, keys of
            ``INSTANCE_ORACLES``.

    Returns:
        InstanceVideo: The video with the corrected prediction.
    """
    for name in names:
        video = INSTANCE_ORACLES[name](video)
    return video


def tube_ious(gts: Sequence[dict], preds: Sequence[dict]) -> np.ndarray:
    """Compute the IoU of tubes.

    Args:
        gts (Sequence[dict]): n tracks.
        preds (Sequence[dict]): m tracks of the same video.

    Returns:
        np.ndarray: IoU, shape (m, n); 0 if both are empty.
    """
    shared = np.zeros((len(preds), len(gts)))
    areas = [
        np.array([sum(_areas(x['segmentations'])) for x in tracks])
        for tracks in (preds, gts)
    ]
    for t in range(max((len(x['segmentations']) for x in gts), default=0)):
        rows, columns = (
            [i for i, x in enumerate(tracks) if x['segmentations'][t]]
            for tracks in (preds, gts)
        )
        if not rows or not columns:
            continue
        masks = [preds[i]['segmentations'][t] for i in rows]
        others = [gts[i]['segmentations'][t] for i in columns]
        ious = mask_utils.iou(masks, others, [0] * len(others))
        total = np.add.outer(_areas(masks), _areas(others))
        # IoU = shared / (total - shared)
        shared[np.ix_(rows, columns)] += total * ious / (1 + ious)
    union = np.add.outer(*areas) - shared
    return shared / np.maximum(union, 1)


def _areas(masks: Sequence[dict | None]) -> list[int]:
    """Count the pixels of masks."""
    return [int(mask_utils.area(mask)) if mask else 0 for mask in masks]


def _match(video: InstanceVideo) -> list[int]:
    """Match each predicted track: its annotated track, or -1."""
    gts = [g for g, gt in enumerate(video.gts) if not gt.get('iscrowd')]
    matches = [-1] * len(video.preds)
    if not gts:
        return matches
    ious = tube_ious([video.gts[g] for g in gts], video.preds)
    order = np.argsort([-pred['score'] for pred in video.preds], kind='stable')
    for p in order.tolist():
        best = int(ious[p].argmax())
        if ious[p, best] >= 0.5:
            matches[p] = gts[best]
            ious[:, best] = -1.0
    return matches


def _correct(video: InstanceVideo, field: str) -> InstanceVideo:
    """Copy a field of annotated tracks to the tracks that match them."""
    preds = [
        pred if g < 0 else dict(pred, **{field: video.gts[g][field]})
        for pred, g in zip(video.preds, _match(video), strict=True)
    ]
    return video._replace(preds=preds)


def _owners(gts: Sequence[dict], pred: dict) -> list[int]:
    """Match each mask of a track: index of the annotation, or -1."""
    owners = []
    for t, mask in enumerate(pred['segmentations']):
        seen = [
            g
            for g, gt in enumerate(gts)
            if gt['segmentations'][t] and not gt.get('iscrowd')
        ]
        owners.append(-1)
        if mask and seen:
            others = [gts[g]['segmentations'][t] for g in seen]
            ious = mask_utils.iou([mask], others, [0] * len(seen))[0]
            if ious.max() > 0.5:
                owners[-1] = seen[int(ious.argmax())]
    return owners
