# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import zipfile
from pathlib import Path

import projects.maxtron  # noqa: F401
from projects.maxtron.evaluation import ClipYouTubeVISMetric

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmdet.registry import DATASETS, METRICS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils

from tests.test_datasets.tiny_videos import CLASSES, write_dataset

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


def run_rank(rank: int, world_size: int, folder: str) -> None:
    """Evaluate the videos of one process."""
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=world_size,
    )
    torch.set_num_threads(1)
    metric = build(long_videos=EXPECTED['subsets']['long_videos'])
    # 4 videos, the first process has 3 of them and later none
    reports = [
        evaluate(metric, GT['videos'][1:] if rank == 0 else GT['videos'][:1]),
        evaluate(metric, [] if rank == 0 else GT['videos']),
    ]
    Path(folder, f'{rank}.json').write_text(json.dumps(reports))
    dist.destroy_process_group()


def test_two_processes_give_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # mmdet gathers through a folder in here
    mp.start_processes(
        run_rank, args=(2, str(tmp_path)), nprocs=2, start_method='fork'
    )
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
