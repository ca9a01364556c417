# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Mean IoU and video consistency."""

import json
import re

import projects.maxtron  # noqa: F401, before MMDetection
from projects.maxtron.evaluation.functional import (
    SemanticCounter,
    summarize_semantic,
)

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS, METRICS
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope

from tests.panoptic_results import panoptic_map
from tests.test_datasets.test_vipseg import LAZY
from tests.test_datasets.tiny_benchmarks import vspw_files, write_files
from tools.analysis_tools import eval_vss

VOID = 255


def measure(videos, num_classes, windows, compatible=False):
    """Evaluate pairs of arrays of labels, each (T, H, W)."""
    stats = []
    for gt, pred in videos:
        counter = SemanticCounter('v', num_classes, windows, compatible)
        for frame in zip(gt, pred):
            counter.add('f', *(labels.astype(np.uint8) for labels in frame))
        stats.append(counter.result())
    return summarize_semantic(stats, compatible)


def test_example_by_hand():
    """Four frames of four pixels in a row; docs/analysis.md has the same one."""
    gt = np.array([[0, 0, 1, VOID], [0, 0, 1, VOID],
                   [0, 1, 1, VOID], [0, 1, 1, 0]])[:, None]  # yapf: disable
    pred = np.array([[0, 1, 1, 2], [0, 1, 2, 2],
                     [0, 1, 2, 2], [0, 1, 2, 2]])[:, None]  # yapf: disable
    found = measure([(gt, pred)], 3, (2, 3))
    assert found['mIoU'] == pytest.approx(100 * (4 / 7 + 3 / 8) / 2)
    assert found['per_class'][2] is None
    assert found['mVC2'] == pytest.approx(100 * (2 / 3 + 1 + 1) / 3)
    assert found['mVC3'] == pytest.approx(100 * (1 / 2 + 1) / 2)
    # void counts, the last window does not, and mVC3 has the windows of 2
    found = measure([(gt, pred)], 3, (2, 3), compatible=True)
    assert found['mVC2'] == pytest.approx(100 * (3 / 4 + 1) / 2)
    assert found['mVC3'] == pytest.approx(100 * (3 / 4 + 1 + 2 / 3) / 3)
    assert found['num_windows'] == {2: 2, 3: 3}


def plain(videos, num_classes, windows, compatible):
    """Evaluate by the definitions, window by window."""
    gt, pred = (
        np.concatenate([v[i].ravel() for v in videos]) for i in range(2)
    )
    gt, pred = gt[gt < num_classes], pred[gt < num_classes]
    ious = [
        ((gt == c) & (pred == c)).sum() / ((gt == c) | (pred == c)).sum()
        for c in np.unique(gt)
    ]
    summary, pooled = dict(mIoU=100 * np.mean(ious) if ious else None), []
    for k in windows:
        if not compatible:
            pooled = []
        for gt, pred in videos:
            for i in range(len(gt) - k + (not compatible)):
                fixed = (gt[i : i + k] == gt[i]).all(0)
                if not compatible:
                    fixed &= gt[i] < num_classes
                stable = fixed & (pred[i : i + k] == pred[i]).all(0)
                if fixed.any():
                    pooled.append(stable.sum() / fixed.sum())
        summary[f'mVC{k}'] = 100 * np.mean(pooled) if pooled else None
    return summary


@pytest.mark.parametrize('compatible', [False, True])
def test_plain_definition_on_random_sets(compatible):
    rng = np.random.default_rng(0)
    for _ in range(100):
        videos = []
        for _ in range(rng.integers(1, 4)):
            first = rng.choice([0, 1, 2, VOID], (2, 1, 3, 4))
            frames = first.repeat(rng.integers(1, 9), 1)
            change = rng.random(frames.shape) < rng.uniform(0, 0.3)
            frames[change] = rng.choice([0, 1, 2, VOID], change.sum())
            videos.append(tuple(frames))
        windows = (2, 5)
        found = measure(videos, 3, windows, compatible)
        for key, value in plain(videos, 3, windows, compatible).items():
            assert found[key] == pytest.approx(value), key


def predict(root):
    """Samples of VSPW with random changes of the ground truth."""
    init_default_scope('mmdet')
    dataset = DATASETS.build(
        dict(
            type='VSPWDataset',
            data_root=str(root),
            ann_file='val.txt',
            test_mode=True,
            pipeline=LAZY,
        )
    )
    rng = np.random.default_rng(0)
    samples = []
    for data in dataset:
        for frame in data['data_samples']:
            mask = cv2.imread(frame.seg_map_path, cv2.IMREAD_UNCHANGED)
            ids = np.where(mask < 125, mask, 0).astype(np.int32) - 1
            ids[rng.random(ids.shape) < 0.1] = 5
            ids[ids < 0] = 124
            frame.pred_panoptic_map = panoptic_map(ids, 124)
        samples.append(data['data_samples'])
    return samples, dataset.metainfo


def evaluate(samples, meta, **kwargs):
    metric = dict(type='SemanticVideoMetric', windows=(2, 5), **kwargs)
    evaluator = Evaluator([METRICS.build(metric)])
    evaluator.dataset_meta = meta
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def test_runner_and_folders_agree(tmp_path, capsys, log):
    """Several processes: see test_panoptic_metrics.py."""
    root = write_files(tmp_path, vspw_files())
    samples, meta = predict(root)
    report = evaluate(
        samples, meta, classwise=True, outfile_prefix=f'{root}/pred'
    )
    assert list(report) == ['vss/mIoU', 'vss/mVC2', 'vss/mVC5']
    assert all(0 < value < 100 for value in report.values())
    assert '| wall ' in log.text and '| sky ' not in log.text
    assert 'Wrote the labels of 2 videos to' in log.text
    assert len(list((root / 'pred').glob('*/0*.png'))) == 12

    compatible = evaluate(samples, meta, compatible=True)
    assert compatible['vss/mVC5'] != report['vss/mVC5']
    command = f'{root}/pred --data-root {root} --windows 2 5 --out'.split()
    for values, more in ((report, []), (compatible, ['--compatible'])):
        eval_vss.main([*command, f'{root}/out.json', *more])
        written = json.loads((root / 'out.json').read_text())
        for key, value in values.items():
            assert written[key.removeprefix('vss/')] == value
        mean = f'mVC5: {values["vss/mVC5"]:.5f}\n'
        assert mean in capsys.readouterr().out

    path = root / 'pred/portrait/00000003.png'
    whole = path.read_bytes()
    for spoil, message in (
        (lambda: path.write_bytes(whole[:40]), 'cannot be read as an image'),
        (
            lambda: cv2.imwrite(str(path), np.full((96, 64), 124, np.uint8)),
            'has the value 124, but labels are 0 to 123, and 255 means no',
        ),
        (
            lambda: cv2.imwrite(str(path), np.ones((64, 64), np.uint8)),
            r'truth is 96 x 64 \(height x width\), but the prediction 64 x 64',
        ),
        (path.unlink, 'portrait/00000003.png does not exist'),
    ):
        spoil()
        with pytest.raises(SystemExit) as end:
            eval_vss.main(command[:-1])
        where = 'eval_vss: video portrait, frame 00000003: .*'
        assert re.match(where + message, str(end.value)), end.value


def test_bad_arguments(tmp_path, capsys):
    for windows in ((), (1, 8)):
        with pytest.raises(ValueError, match='windows must be numbers of'):
            METRICS.build(dict(type='SemanticVideoMetric', windows=windows))
    for arguments, message in (
        ('--windows 1 8', 'numbers of frames, 2 or more'),
        ('--nproc 0', '--nproc must be 1 or more'),
    ):
        with pytest.raises(SystemExit):
            eval_vss.main(['pred', *arguments.split()])
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match='val.txt, the list of videos, does'):
        eval_vss.main(['pred', '--data-root', str(tmp_path)])
