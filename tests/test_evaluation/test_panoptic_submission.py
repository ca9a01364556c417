# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Submissions that VPQMetric and STQMetric write."""

import json

from projects.maxtron.evaluation.functional import (
    WINDOWS,
    count_tubes,
    summarize_vpq,
)
from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
)

import numpy as np
import pytest

from tests.test_evaluation.panoptic_cases import DATA, GOLDEN, golden_args
from tests.test_evaluation.panoptic_samples import (
    CATEGORIES,
    EXPECTED,
    META,
    VIDEOS,
    VOID,
    CountedMap,
    build,
    evaluate,
    make_sample,
)


def test_submission(tmp_path, log):
    """The submission has VIPSeg's format and gives the same numbers."""
    folder = tmp_path / 'new/results'
    metrics = [
        build('VPQ', outfile_prefix=str(folder)),
        build('STQ', outfile_prefix=str(folder)),
    ]
    CountedMap.decoded = 0
    report = evaluate(metrics, [make_sample(v) for v in VIDEOS])
    assert report == pytest.approx(EXPECTED, abs=1e-9)
    assert CountedMap.decoded == sum(len(v.frames) for v in VIDEOS)
    assert not [p for p in folder.rglob('*.part*')]
    assert f'Wrote the segments of 3 videos to {folder}/pred.json' in log.text

    args = dict(
        golden_args(),
        pred_dir=str(folder),
        pred_json=str(folder / 'pred.json'),
    )
    counts = [count_video(video) for video in list_videos(**args)[1]]
    for k in WINDOWS:
        stats = [count_tubes(video, k, VOID) for video in counts]
        summary = summarize_vpq(
            {k: stats[0] + stats[1] + stats[2]},
            [c['isthing'] for c in CATEGORIES],
        )
        assert summary['VPQ']['All'] == pytest.approx(
            GOLDEN['per_k'][str(k)]['All']['pq'], abs=1e-9
        )

    # all but the colours of further things is that of the golden files
    written = json.loads((folder / 'pred.json').read_text())['annotations']
    golden = json.loads((DATA / 'pred/pred.json').read_text())['annotations']
    for video, want_video in zip(written, golden, strict=True):
        assert video['video_id'] == want_video['video_id']
        ids = {}
        for frame, want in zip(
            video['annotations'], want_video['annotations'], strict=True
        ):
            stem = want['file_name'][: -len('.png')]
            assert frame['file_name'] == f'{stem}.png'
            check_segments(frame['segments_info'], want['segments_info'], ids)


def check_segments(segments, expected, ids):
    """Compare a frame; ids (expected -> found) stay over the video."""
    key = ('category_id', 'iscrowd', 'area', 'bbox')

    def by_place(values):
        return sorted(values, key=lambda s: [s[k] for k in key])

    for segment, want in zip(
        by_place(segments), by_place(expected), strict=True
    ):
        assert [segment[k] for k in key] == [want[k] for k in key]
        found = ids.setdefault(want['id'], segment['id'])
        assert found == segment['id']
        color = CATEGORIES[want['category_id']]['color']
        distance = [found >> 8 * i & 255 for i in range(3)] - np.array(color)
        of_class = {i for i, other in ids.items() if other == found}
        assert of_class == {want['id']}
        limit = 30 if CATEGORIES[want['category_id']]['isthing'] else 0
        assert np.abs(distance).max() <= limit


def test_any_name_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = [build('STQ'), build('VPQ', outfile_prefix='counts')]
    report = evaluate(metrics, [make_sample(v) for v in VIDEOS])
    assert report == pytest.approx(EXPECTED, abs=1e-9)
    written = json.loads((tmp_path / 'counts/pred.json').read_text())
    assert len(written['annotations']) == 3


def test_submission_only(tmp_path):
    """Neither ground truth nor evaluation is needed."""
    metric = build('VPQ', format_only=True, outfile_prefix=str(tmp_path))
    samples = [make_sample(v, with_gt=False) for v in VIDEOS]
    assert evaluate([metric], samples) == {}
    assert len(list(tmp_path.glob('pan_pred/*/*.png'))) == 16
    assert (tmp_path / 'pred.json').exists()
    with pytest.raises(ValueError, match='needs outfile_prefix'):
        build('STQ', format_only=True)
    metric.dataset_meta = dict(META, palette=None)
    metric.process({}, [make_sample(VIDEOS[0]).to_dict()])
    with pytest.raises(ValueError, match='colour for every class'):
        metric.evaluate()
    metric.dataset_meta = dict(META, palette=[(1, 2, 3)] * 6)
    metric.process({}, [make_sample(VIDEOS[0]).to_dict()])
    with pytest.raises(ValueError, match='colour .* of "sky" is that of "flo'):
        metric.evaluate()
