# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import zipfile
from pathlib import Path

import projects.maxtron  # noqa: F401
from projects.maxtron.evaluation import ClipYouTubeVISMetric
from projects.maxtron.evaluation.metrics.video_groups import VideoGroup

import numpy as np
import pytest
import torch
from mmdet.evaluation.functional import YTVIS, YTVISeval
from mmdet.registry import DATASETS, METRICS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.processes import run_ranks
from tests.test_datasets.tiny_videos import CLASSES, write_dataset
from tools.dataset_converters.youtube_vis_to_coco import convert_file

PARITY = Path(__file__).parents[1] / 'data/parity/vis'
GT, RESULTS, EXPECTED = (
    json.loads((PARITY / f'metric_{name}.json').read_text())
    for name in ('gt', 'results', 'expected')
)
NAMES = dict(
    zip(EXPECTED['stats'], ClipYouTubeVISMetric.STATS)
)  # AP -> mAP, ...


def build(**kwargs):
    metric = METRICS.build(dict(type='ClipYouTubeVISMetric', **kwargs))
    metric.dataset_meta = dict(classes=[c['name'] for c in GT['categories']])
    return metric


def ground_truth(video, t):
    """What the dataset says about a frame."""
    for ann in GT['annotations']:
        if ann['video_id'] == video['id'] and ann['bboxes'][t] is not None:
            x, y, w, h = ann['bboxes'][t]
            yield dict(
                bbox=[x, y, x + w, y + h],
                bbox_label=ann['category_id'] - 1,
                ignore_flag=ann['iscrowd'],
                mask=ann['segmentations'][t],
                instance_id=ann['id'],
            )


def prediction(video, t, as_tensor=False):
    """What a model says about a frame: one id per track of the results."""
    tracks = [
        (i, track)
        for i, track in enumerate(RESULTS)
        if track['video_id'] == video['id']
        and track['segmentations'][t] is not None
    ]
    masks = [dict(track['segmentations'][t]) for _, track in tracks]
    if as_tensor:
        masks = torch.zeros(0, video['height'], video['width'])
        if tracks:
            rles = [track['segmentations'][t] for _, track in tracks]
            masks = (
                torch.from_numpy(mask_utils.decode(rles))
                .permute(2, 0, 1)
                .float()
            )
    return InstanceData(
        instances_id=torch.tensor([i + 1 for i, _ in tracks]).long(),
        labels=torch.tensor([k['category_id'] - 1 for _, k in tracks]).long(),
        scores=torch.tensor([k['score'] for _, k in tracks]),
        bboxes=torch.zeros(len(tracks), 4),
        masks=masks,
    )


def make_video(video, with_gt=True, with_pred=True, as_tensor=False):
    """The sample of a video as it comes from the model."""
    frames = []
    for t, file_name in enumerate(video['file_names']):
        frame = DetDataSample(
            metainfo=dict(
                img_id=100 * video['id'] + t,
                img_path=f'data/{file_name}',
                frame_id=t,
                video_id=video['id'],
                ori_shape=(video['height'], video['width']),
                ori_video_length=len(video['file_names']),
                instances=list(ground_truth(video, t)) if with_gt else [],
            )
        )
        pred = prediction(video, t, as_tensor)
        frame.pred_track_instances = pred if with_pred else pred[:0]
        frames.append(frame)
    sample = TrackDataSample()
    sample.video_data_samples = frames
    return sample.to_dict()


def evaluate(metric, videos=GT['videos'], **kwargs):
    for video in videos:
        metric.process({}, [make_video(video, **kwargs)])
    return metric.evaluate(len(videos))


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
    # a mean needs both, and here one lacks objects of some size
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
    """A ground truth track that nothing was predicted for lowers recall."""
    metric = build()
    metric.process({}, [make_video(GT['videos'][0])])
    alone = metric.evaluate(1)
    metric.process({}, [make_video(GT['videos'][0])])
    metric.process({}, [make_video(GT['videos'][3], with_pred=False)])
    both = metric.evaluate(2)
    assert 0 < both['youtube_vis/segm_AR@10'] < alone['youtube_vis/segm_AR@10']


def test_polygons_sizes_and_repeated_videos():
    """Ground truth may be polygons, its size is that of the mask and not of
    the box, and a video that was padded to another process counts once."""
    video = dict(id=5, height=200, width=300, file_names=['v5/0.jpg'] * 2)
    sample = make_video(video)
    triangle = [[10, 10, 190, 10, 10, 190]]  # < 128^2, its box is larger
    rle = mask_utils.merge(mask_utils.frPyObjects(triangle, 200, 300))
    for frame in sample['video_data_samples']:
        frame.set_metainfo(
            dict(
                instances=[
                    dict(
                        bbox=[10, 10, 190, 190],
                        bbox_label=0,
                        mask=triangle,
                        instance_id=1,
                    )
                ]
            )
        )
        frame.pred_track_instances = InstanceData(
            instances_id=np.array([7]),
            labels=np.array([0]),
            scores=np.array([0.5]),
            bboxes=np.zeros((1, 4)),
            masks=mask_utils.decode(rle)[None],
        )
    metric = build(metric_items=['mAP', 'mAP_s', 'mAP_m', 'AR@1'])
    metric.process({}, [sample, sample])
    assert list(metric.evaluate(2).values()) == pytest.approx([1, 1, -1, 1])


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


def test_missing_ground_truth_is_said_and_nothing_is_lost(tmp_path, log):
    prefix = str(tmp_path / 'run/results')
    assert evaluate(build(outfile_prefix=prefix), with_gt=False) == {}
    warnings = [
        r.getMessage() for r in log.records if r.levelname == 'WARNING'
    ]
    assert len(warnings) == 1 and '\n' not in warnings[0]
    assert 'No AP: the annotation file has no annotations' in warnings[0]
    assert 'send the submission to the evaluation server' in warnings[0]
    assert Path(f'{prefix}.submission_file.zip').exists()


def test_submission(tmp_path, log):
    """The zip holds the results of the golden case, and only complete files
    are left behind."""
    metric = build(format_only=True, outfile_prefix=str(tmp_path / 'out/r'))
    assert evaluate(metric) == {}
    with zipfile.ZipFile(tmp_path / 'out/r.submission_file.zip') as archive:
        assert archive.namelist() == ['results.json']
        tracks = json.loads(archive.read('results.json'))
    # ids run in the order of the results, but those of a late start
    want = sorted(RESULTS, key=lambda track: track['video_id'])
    key = ('video_id', 'category_id', 'segmentations')
    assert sorted(([t[k] for k in key] for t in tracks), key=str) == sorted(
        ([t[k] for k in key] for t in want), key=str
    )
    scores = sorted(track['score'] for track in tracks)
    np.testing.assert_allclose(
        scores, sorted(track['score'] for track in want), rtol=1e-6
    )
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {
        'r.json',
        'r.submission_file.zip',
    }
    assert f'Wrote {len(RESULTS)} tracks' in log.text


def test_bad_arguments_and_predictions():
    with pytest.raises(ValueError, match='needs outfile_prefix'):
        build(format_only=True)
    with pytest.raises(KeyError, match='AP_99'):
        build(metric_items=['AP_99'])
    with pytest.raises(ValueError, match='either long_videos or short_videos'):
        build(long_videos=[1], short_videos=[2])
    sample = make_video(GT['videos'][0])
    sample['video_data_samples'][2].pred_track_instances.masks[0]['size'] = [
        60,
        80,
    ]
    with pytest.raises(ValueError, match=r'Frame 2 of video 1: .*\[60, 80\]'):
        build().process({}, [sample])


def evaluate_on_rank(rank: int, folder: Path) -> None:
    """Evaluate the videos of one process."""
    metric = build(long_videos=EXPECTED['subsets']['long_videos'])
    # 4 videos, the first process has 3 of them and later none
    reports = [
        evaluate(metric, GT['videos'][1:] if rank == 0 else GT['videos'][:1]),
        evaluate(metric, [] if rank == 0 else GT['videos']),
    ]
    (folder / f'{rank}.json').write_text(json.dumps(reports))


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


GOOD = [[20, 20, 60, 20, 60, 60, 20, 60]]


def polygon_video(masks, video_id='v'):
    """A video whose frames have one annotation and its prediction."""
    rle = mask_utils.merge(mask_utils.frPyObjects(GOOD, 96, 160))
    frames = []
    for t, mask in enumerate(masks):
        instance = dict(bbox_label=0, instance_id=1, ignore_flag=0)
        if mask is not None:
            instance['mask'] = mask
        frame = DetDataSample(
            metainfo=dict(
                img_id=t,
                frame_id=t,
                video_id=video_id,
                img_path=f'x/v/{t}.jpg',
                ori_shape=(96, 160),
                instances=[instance],
            )
        )
        frame.pred_track_instances = InstanceData(
            bboxes=torch.zeros(1, 4),
            scores=torch.ones(1),
            labels=torch.zeros(1, dtype=int),
            instances_id=torch.ones(1, dtype=int),
            masks=[dict(rle)],
        )
        frames.append(frame)
    return frames


@pytest.mark.parametrize(
    'mask, expected',
    [
        ([], 0.5),
        (None, 0.5),
        ([[]], 0.5),
        ([[30, 30]], 0.5),
        ([[20, 20, 60, 20]], 0.5),
        ([[0] * 6], 0.5),
        ([[200, 20, 260, 20, 260, 60]], 0.5),
        ([[20, 20, 60, 20], *GOOD], 1),
        (GOOD[0], 1),
        (dict(size=[96, 160], counts=[96 * 160]), 0.5),
    ],
)
def test_polygons_without_a_pixel_are_no_ground_truth(mask, expected):
    """The prediction is in both frames, the annotation in one or in both:
    the overlap is a half or one."""
    metric = build(metric_items=['mAP', 'mAP_50', 'mAP_75'])
    metric.process_video(polygon_video([GOOD, mask]))
    report = metric.compute_metrics(metric.results)
    thresholds = np.arange(0.5, 1, 0.05)
    assert report['segm_mAP'] == pytest.approx(
        np.mean(expected >= thresholds), abs=1e-9
    )
    # a track without any mask is none
    metric.results.clear()
    metric.process_video(polygon_video([mask, mask]))
    if expected < 1:
        assert metric.compute_metrics(metric.results) == {}


@pytest.mark.parametrize(
    'mask, message',
    [
        (dict(size=[96, 161], counts=[9]), 'is 96 x 161 .*image is 96 x 160'),
        ([[1, 2, 3, 4, 5, None]], 'polygon that is no list of numbers'),
        (dict(size=[96, 160], counts='12'), 'has runs of'),
    ],
)
def test_broken_ground_truth_names_the_frame(mask, message):
    with pytest.raises(
        ValueError,
        match=r'Frame 1 of video v \(x/v/1.jpg\): the mask of instance 1 of '
        f'the ground truth .*{message}',
    ):
        build().process_video(polygon_video([GOOD, mask]))


def official_report(path, results):
    """AP as the published tools compute it from two files."""
    truth = YTVIS(str(path))
    for ann in truth.dataset['annotations']:
        ann['areas'] = [mask and 1600 for mask in ann['segmentations']]
    evaluator = YTVISeval(truth, truth.loadRes(results), 'segm')
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator.stats[:3].tolist()


@pytest.mark.parametrize(
    'video_ids', [(1, 2), ('b', 'a'), (2**40, 7), ('10', '9')]
)
def test_submission_has_the_ids_of_the_users_file(tmp_path, video_ids):
    """Evaluated against the user's own file it gives the test's numbers."""
    rows = (10, 40)
    annotations = [
        dict(
            id=100 + i,
            video_id=video_ids[v],
            category_id=category_id,
            iscrowd=0,
            bboxes=None,
            areas=[0, 0],
            segmentations=[
                [[x, y, x + 20, y, x + 20, y + 20, x, y + 20]],
                None,
            ],
        )
        for i, (v, category_id, x, y) in enumerate(
            (v, c, x, y)
            for v in range(2)
            for c, x in ((40, 5), (3, 60), (7, 110))
            for y in rows
        )
    ]
    content = dict(
        categories=[
            dict(id=i, name=name)
            for i, name in ((7, 'Bär'), (40, 'a b'), (3, 'c'))
        ],
        videos=[
            dict(
                id=video_id,
                height=96,
                width=160,
                length=2,
                file_names=[f'{v}/img1/0.jpg', f'{v}/img1/1.jpg'],
            )
            for v, video_id in enumerate(video_ids)
        ],
        annotations=annotations,
    )
    (tmp_path / 'valid.json').write_text(json.dumps(content))
    convert_file(
        tmp_path / 'valid.json', tmp_path / 'annotations/valid.json', True
    )
    dataset = DATASETS.build(
        dict(
            type='YouTubeVISClipDataset',
            dataset_version='2019',
            data_root=str(tmp_path),
            ann_file='annotations/valid.json',
            data_prefix=dict(img_path=''),
            metainfo=dict(classes=('c', 'Bär', 'a b')),
            test_mode=True,
            pipeline=[dict(type='PackLazyVideo', transforms=[])],
            _scope_='mmdet',
        )
    )
    metric = build(
        outfile_prefix=str(tmp_path / 'out/results'),
        long_videos=['1/img1'],
        classwise=True,
    )
    metric.dataset_meta = dataset.metainfo
    rng = np.random.default_rng(0)
    for video in dataset:
        for frame in video['data_samples']:
            anns = frame.instances
            labels = [a['bbox_label'] for a in anns]
            if labels:
                labels[-1] = 0  # one wrong class in each video
            frame.pred_track_instances = InstanceData(
                instances_id=torch.tensor([a['instance_id'] for a in anns]),
                labels=torch.tensor(labels, dtype=int),
                scores=torch.from_numpy(rng.random(len(anns))),
                bboxes=torch.zeros(len(anns), 4),
                masks=[a['mask'] for a in anns],
            )
        metric.process({}, [video['data_samples'].to_dict()])
    report = metric.evaluate(2)
    assert 0 < report['youtube_vis/segm_mAP'] < 1
    assert report['youtube_vis/c_precision'] < 1
    assert report['youtube_vis/a b_precision'] == pytest.approx(1)
    assert 'youtube_vis/segm_mAP_long' in report
    with zipfile.ZipFile(tmp_path / 'out/results.submission_file.zip') as zip_:
        tracks = json.loads(zip_.read('results.json'))
    assert tracks == json.loads((tmp_path / 'out/results.json').read_text())
    assert {track['video_id'] for track in tracks} == set(video_ids)
    assert {track['category_id'] for track in tracks} == {3, 7, 40}
    values = [
        report[f'youtube_vis/segm_{item}']
        for item in ('mAP', 'mAP_50', 'mAP_75')
    ]
    assert official_report(tmp_path / 'valid.json', tracks) == pytest.approx(
        values, abs=1e-9
    )


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"videos": [{"name": 3}]}', "item 0 of videos: the field 'id'"),
        ('{"videos": [{"id": 1, "file_names": []}]}', 'has no frames'),
        ('{"videos": 3}', "the field 'videos' is 3, but must be a list"),
        ('{}', "the field 'videos' is missing"),
        ('3', 'neither a list of videos nor an annotation file'),
        ('[[1]]', 'item 0 is no id and no name'),
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
