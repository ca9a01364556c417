# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
from pathlib import Path

import projects.maxtron  # noqa: F401
from projects.maxtron.evaluation import ClipYouTubeVISMetric
from projects.maxtron.evaluation.metrics.video_groups import VideoGroup

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.structures import InstanceData

from tests.processes import run_ranks
from tests.test_datasets.tiny_videos import CLASSES, write_dataset
from tests.test_evaluation.instance_samples import (
    EXPECTED,
    GT,
    build,
    evaluate,
    make_video,
)

NAMES = dict(
    zip(EXPECTED['stats'], ClipYouTubeVISMetric.STATS)
)  # AP -> mAP, ...


@pytest.mark.parametrize('as_tensor', [False, True])
def test_official_numbers(as_tensor):
    """All values of the golden case, each time the metric is used."""
    metric = build(metric_items=ClipYouTubeVISMetric.STATS, classwise=True)
    for _ in range(2):
        report = evaluate(metric, as_tensor=as_tensor)
        for name, value in EXPECTED['stats'].items():
            assert report[f'youtube_vis/segm_{NAMES[name]}'] == pytest.approx(
                value, abs=1e-12
            )
        for category in GT['categories']:
            key = f'youtube_vis/{category["name"]}_precision'
            assert report[key] == pytest.approx(
                EXPECTED['ap_per_category'][str(category['id'])], abs=1e-12
            )


def test_default_values_are_those_of_the_papers():
    assert list(evaluate(build())) == [
        f'youtube_vis/segm_{item}'
        for item in ('mAP', 'mAP_50', 'mAP_75', 'AR@1', 'AR@10')
    ]


def test_long_and_short_videos(tmp_path):
    """By ids, names, a list in a file, or the annotations of the others."""
    subsets = EXPECTED['subsets']
    (tmp_path / 'list.json').write_text(json.dumps(['v2', 'v3']))
    annotations = dict(
        videos=[
            dict(id=70 + i, file_names=[f'v{i}/00000.jpg'])
            for i in subsets['short_videos']
        ]
    )
    (tmp_path / 'short.json').write_text(json.dumps(annotations))
    converted = dict(videos=[dict(id=1, name='v1'), dict(id=2, name='v4')])
    (tmp_path / 'converted.json').write_text(json.dumps(converted))
    for option in (
        dict(long_videos=subsets['long_videos']),
        dict(long_videos=['v2', 'v3']),
        dict(long_videos=str(tmp_path / 'list.json')),
        dict(short_videos=str(tmp_path / 'short.json')),
        dict(short_videos=str(tmp_path / 'converted.json')),
    ):
        report = evaluate(
            build(metric_items=ClipYouTubeVISMetric.STATS, **option)
        )
        for group in ('long', 'short'):
            for name, value in subsets[f'stats_{group}'].items():
                key = f'youtube_vis/segm_{NAMES[name]}_{group}'
                assert report[key] == pytest.approx(value, abs=1e-12)
        assert report['youtube_vis/segm_mAP_all'] == pytest.approx(
            subsets['AP_all'], abs=1e-12
        )
        assert report['youtube_vis/segm_mAP_l_all'] == -1
    report = evaluate(
        build(metric_items=ClipYouTubeVISMetric.STATS, long_videos=['v1'])
    )
    groups = [
        [report[f'youtube_vis/segm_{name}_{x}'] for x in ('long', 'short')]
        for name in ClipYouTubeVISMetric.STATS
    ]
    # A mean requires both, and one has no objects of some size.
    assert any(min(pair) == -1 < max(pair) for pair in groups)
    for name, pair in zip(ClipYouTubeVISMetric.STATS, groups):
        expected = -1 if -1 in pair else sum(pair) / 2
        assert report[f'youtube_vis/segm_{name}_all'] == pytest.approx(
            expected
        )
    with pytest.raises(ValueError, match='long_videos matches 0 of the 4'):
        evaluate(build(long_videos=['v9']))


def test_no_predictions_are_an_ap_of_zero():
    report = evaluate(build(), with_pred=False)
    assert set(report.values()) == {0.0}


def test_video_without_predictions_counts():
    """A ground truth track without a prediction lowers recall."""
    metric = build()
    metric.process({}, [make_video(GT['videos'][0])])
    alone = metric.evaluate(1)
    metric.process({}, [make_video(GT['videos'][0])])
    metric.process({}, [make_video(GT['videos'][3], with_pred=False)])
    both = metric.evaluate(2)
    assert 0 < both['youtube_vis/segm_AR@10'] < alone['youtube_vis/segm_AR@10']


def test_ground_truth_of_the_dataset_is_perfect(tmp_path):
    """From files through the dataset to the metric."""
    write_dataset(tmp_path)
    dataset = DATASETS.build(
        dict(
            type='YouTubeVISClipDataset',
            dataset_version='2022',
            data_root=str(tmp_path),
            ann_file='train.json',
            data_prefix=dict(img_path='train/JPEGImages'),
            metainfo=dict(classes=CLASSES),
            test_mode=True,
            pipeline=[dict(type='PackLazyVideo', transforms=[])],
            _scope_='mmdet',
        )
    )
    metric = build()
    metric.dataset_meta = dataset.metainfo
    for video in dataset:
        for frame in video['data_samples']:
            anns = frame.instances
            frame.pred_track_instances = InstanceData(
                instances_id=torch.tensor([a['instance_id'] for a in anns]),
                labels=torch.tensor([a['bbox_label'] for a in anns]),
                scores=torch.ones(len(anns)),
                bboxes=torch.zeros(len(anns), 4),
                masks=[a['mask'] for a in anns],
            )
        metric.process({}, [video['data_samples'].to_dict()])
    assert list(metric.evaluate(2).values()) == pytest.approx([1] * 5)


def test_bad_arguments_and_predictions():
    with pytest.raises(ValueError, match='needs outfile_prefix'):
        build(format_only=True)
    with pytest.raises(ValueError, match='AP_99'):
        build(metric_items=['AP_99'])
    with pytest.raises(ValueError, match='either long_videos or short_videos'):
        build(long_videos=[1], short_videos=[2])
    with pytest.raises(ValueError, match='A video without frames was predic'):
        build().process_video([])
    sample = make_video(GT['videos'][0])
    sample['video_data_samples'][2].pred_track_instances.masks[0]['size'] = [
        60,
        80,
    ]
    with pytest.raises(
        ValueError, match=r'Frame 2 of video 1 .* is 60 x 80 \(height x width'
    ):
        build().process({}, [sample])
    del sample['video_data_samples'][2].pred_track_instances.scores
    with pytest.raises(ValueError, match="track_instances has no 'scores'"):
        build().process({}, [sample])
    sample['video_data_samples'][1].set_metainfo(dict(ori_shape=None))
    with pytest.raises(ValueError, match="frame 1 .* has no 'ori_shape'"):
        build().process({}, [sample])


def evaluate_on_rank(rank: int, folder: Path) -> None:
    """Evaluate the videos of one process."""
    metric = build(long_videos=EXPECTED['subsets']['long_videos'])
    metric.dataset_meta['class_groups'] = dict(base=[0, 2], novel=[1])
    # 4 videos, the first process has 3 of them and later none
    reports = [
        evaluate(metric, GT['videos'][1:] if rank == 0 else GT['videos'][:1]),
        evaluate(metric, [] if rank == 0 else GT['videos']),
    ]
    (folder / f'{rank}.json').write_text(json.dumps(reports))


@pytest.mark.slow
def test_two_processes_give_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # mmdet gathers through a folder in here
    run_ranks(evaluate_on_rank, tmp_path)
    reports = [
        report
        for rank in range(2)
        for report in json.loads((tmp_path / f'{rank}.json').read_text())
    ]
    assert all(report == reports[0] for report in reports)
    assert reports[0]['youtube_vis/segm_mAP'] == pytest.approx(
        EXPECTED['stats']['AP'], abs=1e-12
    )
    assert reports[0]['youtube_vis/segm_mAP_all'] == pytest.approx(
        EXPECTED['subsets']['AP_all'], abs=1e-12
    )
    assert reports[0]['youtube_vis/segm_mAP_novel'] == pytest.approx(
        EXPECTED['ap_per_category']['2'], abs=1e-12
    )


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"videos": [{"name": 3}]}', "item 0 of videos: the field 'id'"),
        ('{"videos": [{"id": 1, "file_names": []}]}', 'has no frames'),
        ('{"videos": 3}', "the field 'videos' is 3, but must be a list"),
        ('{}', "the field 'videos' is missing"),
        ('3', 'neither a list of videos nor an annotation file'),
        ('[[1]]', 'item 0 is neither an id nor a name'),
        ('[1', 'is not a JSON file'),
    ],
)
def test_bad_lists_of_videos(tmp_path, content, message):
    path = tmp_path / 'list.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=f'{path}.*{message}'):
        build(long_videos=str(path))
    with pytest.raises(ValueError, match='long_videos has the item None'):
        build(long_videos=[None])
    with pytest.raises(FileNotFoundError, match='no.json does not exist'):
        build(short_videos='no.json')


def test_a_listed_text_is_a_name_before_it_is_an_id():
    videos = [dict(id=1, name='2'), dict(id=2, name='1'), dict(id=3, name='x')]
    for listed, number in ((['1'], 1), ([1], 0), (['3'], 2), (['x'], 2)):
        found, others = VideoGroup(listed, 'long_videos').split(videos)
        assert found == [videos[number]] and len(others) == 2
