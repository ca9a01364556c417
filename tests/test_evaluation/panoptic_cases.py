# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The golden case of VPQ and STQ, and videos of random segments."""

import json
from pathlib import Path

import projects.maxtron  # noqa: F401
from projects.maxtron.evaluation.functional import VideoCounter, count_pairs

import numpy as np

PARITY = Path(__file__).parents[1] / 'data/parity/vps'
GOLDEN = json.loads((PARITY / 'vpq_stq.json').read_text())['results']
DATA = PARITY / 'vpq_data'
NUM_CLASSES = 4
IS_THING = (True, False, True, False)


def golden_args(root=DATA):
    """The four paths that the tools and ``list_videos`` require."""
    return dict(
        pred_dir=str(root / 'pred'),
        pred_json=str(root / 'pred/pred.json'),
        gt_dir=str(root / 'gt'),
        gt_json=str(root / 'gt.json'),
    )


def assert_golden_vpq(summary):
    """Compare all of a summary with the golden numbers."""
    for name, value in GOLDEN['final_vpq'].items():
        assert abs(summary['VPQ'][name] - value) < 1e-9
    for k, want in GOLDEN['per_k'].items():
        found = {str(k): v for k, v in summary['windows'].items()}[k]
        for group in ('All', 'Things', 'Stuff'):
            for key, value in want[group].items():
                assert abs(found[group][key] - value) < 1e-9
        for label, values in want['per_class'].items():
            for key in ('pq', 'sq', 'rq'):
                value = found['per_class'][int(label)][key]
                assert abs(value - 100 * values[key]) < 1e-9


def assert_golden_stq(summary):
    """Compare all of a summary with the golden numbers."""
    want = GOLDEN['stq']
    for key in ('STQ', 'AQ', 'IoU'):
        assert abs(summary[key] - want[key]) < 1e-9
        found = [video[key] for video in summary['per_video']]
        np.testing.assert_allclose(
            found, want[f'{key}_per_seq'], rtol=0, atol=1e-9
        )
    assert [v['length'] for v in summary['per_video']] == want[
        'Length_per_seq'
    ]


class RandomVideo:
    """Frames of random segments that cover all rules.

    Ids and crowd flags are constant in a tube, and categories in most frames.
    Annotated areas may be too large, segments may be listed twice, several
    crowds may have one category, and there is void.
    """

    def __init__(self, seed, num_frames, num_ids=9, size=(12, 18)):
        self.rng = np.random.default_rng(seed)
        self.size = size
        self.num_ids = num_ids
        self.categories = self.rng.integers(0, NUM_CLASSES, num_ids + 1)
        base = self._patches(self.rng.integers(0, num_ids + 1, size))
        self.frames = []
        for t in range(num_frames):
            gt = np.roll(base, t, 1)
            pred = gt.copy()
            noise = self.rng.random(size) < self.rng.uniform(0, 0.3)
            pred[noise] = self.rng.integers(0, num_ids + 1, noise.sum())
            self.frames.append(
                (
                    self._segments(gt, is_gt=True),
                    self._segments(pred, is_gt=False),
                    gt,
                    pred,
                )
            )

    def _patches(self, ids):
        coarse = ids[::4, ::6]
        return np.kron(coarse, np.ones((4, 6), int))[
            : self.size[0], : self.size[1]
        ]

    def _segments(self, id_map, is_gt):
        segments = []
        for i, area in zip(*np.unique(id_map, return_counts=True)):
            if i == 0:
                continue
            category = int(self.categories[i])
            if self.rng.random() < 0.1:
                category = int(self.rng.integers(NUM_CLASSES))
            segment = dict(
                id=int(i) * 4321,
                category_id=category,
                iscrowd=int(is_gt and i % 3 == 0),
            )
            parts = [int(area) + int(self.rng.integers(3))]
            if self.rng.random() < 0.1:
                parts = [parts[0] // 2, parts[0] - parts[0] // 2]
            segments += [dict(segment, area=part) for part in parts]
        self.rng.shuffle(segments)
        return segments

    def rgb_frames(self):
        """Convert the frames for the naive evaluation."""
        for gt_segments, pred_segments, *maps in self.frames:
            yield (
                gt_segments,
                pred_segments,
                *(
                    np.stack([m * 4321 >> s & 255 for s in (0, 8, 16)], -1)
                    for m in maps
                ),
            )

    def counts(self):
        """Convert the video for this project's evaluation."""
        counter = VideoCounter('v', {i: i for i in range(NUM_CLASSES)})
        for t, (gt_segments, pred_segments, gt, pred) in enumerate(
            self.frames
        ):
            counter.add(
                str(t),
                count_pairs(gt * 4321, pred * 4321, str(t)),
                gt_segments,
                pred_segments,
            )
        return counter.result()
