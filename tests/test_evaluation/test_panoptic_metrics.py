# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VPQMetric and STQMetric in MMDetection's runner."""
import json
import logging
import math
from pathlib import Path

import projects.maxtron  # noqa: F401
from projects.maxtron.datasets.panoptic_maps import (
    raw_labels,
    read_id_map,
)
from projects.maxtron.evaluation.functional import (
    WINDOWS,
    count_tubes,
    summarize_vpq,
)
from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
)
from projects.maxtron.models.postprocess import PanopticMap
from projects.maxtron.models.postprocess.panoptic_map import IndexMap

import cv2
import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmdet.registry import DATASETS, METRICS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger

from tests.test_datasets.tiny_panoptic import write_dataset
from tests.test_evaluation.panoptic_cases import DATA, GOLDEN, golden_args

CATEGORIES, VIDEOS = list_videos(**golden_args())
META = dict(
    classes=tuple(c['name'] for c in CATEGORIES),
    thing_classes=tuple(c['name'] for c in CATEGORIES if c['isthing']),
    palette=[tuple(c['color']) for c in CATEGORIES])
VOID = len(CATEGORIES)
EXPECTED = dict(
    {f'vps/{key}': GOLDEN['stq'][key] for key in ('STQ', 'AQ', 'IoU')}, **{
        f'vps/VPQ{suffix}': GOLDEN['final_vpq'][group]
        for group, suffix in (('All', ''), ('Things', '_Th'), ('Stuff',
                                                               '_St'))
    }, **{
        f'vps/VPQ_{k}{suffix}': GOLDEN['per_k'][str(k)][group]['pq']
        for k in WINDOWS for group, suffix in (('All', ''), ('Things', '_Th'),
                                               ('Stuff', '_St'))
    })


def build(name, meta=META, **kwargs):
    metric = METRICS.build(dict(type=f'{name}Metric', **kwargs))
    metric.dataset_meta = meta
    return metric


class CountedMap(PanopticMap):
    """A panoptic map that knows how often it was decoded."""
    decoded = 0

    def decode(self):
        CountedMap.decoded += 1
        return super().decode()


def encode(ids, void):
    table, index = np.unique(ids, return_inverse=True)
    return CountedMap(
        IndexMap.encode(index.reshape(ids.shape)), table.astype(np.int32),
        void)


def make_sample(video, with_gt=True):
    """Ground truth and golden prediction of a video."""
    numbers, frames = {}, []
    for t, frame in enumerate(video.frames):
        id_map = read_id_map(frame.pred_path, '')
        ids = np.full(id_map.shape, VOID, np.int32)
        for s in frame.pred_segments:
            label = s['category_id']
            of_class = numbers.setdefault(label, {})
            number = of_class.setdefault(s['id'], len(of_class) + 1)
            ids[id_map == s['id']] = (
                label + 1000 * number * CATEGORIES[label]['isthing'])
        frames.append(
            DetDataSample(
                metainfo=dict(
                    img_path=f'images/{video.video_id}/{frame.name}.jpg',
                    frame_id=t,
                    video_id=video.video_id,
                    video_length=len(video.frames),
                    ori_shape=ids.shape)))
        frames[-1].pred_panoptic_map = encode(ids, VOID)
        if with_gt:
            frames[-1].set_metainfo(
                dict(
                    seg_map_path=frame.gt_path,
                    segments_info=[
                        dict(
                            id=s['id'],
                            category=s['category_id'],
                            iscrowd=s['iscrowd'],
                            area=s['area']) for s in frame.gt_segments
                    ]))
    sample = TrackDataSample()
    sample.video_data_samples = frames
    return sample


def evaluate(metrics, samples):
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = META
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def test_golden_and_read_only_once():
    """Both metrics, each time they are used, decode every frame once."""
    metrics = [build('VPQ', classwise=True), build('STQ', classwise=True)]
    for _ in range(2):
        CountedMap.decoded = 0
        report = evaluate(metrics, [make_sample(v) for v in VIDEOS])
        assert report == pytest.approx(EXPECTED, abs=1e-9)
        assert list(report)[:4] == [
            'vps/VPQ', 'vps/VPQ_Th', 'vps/VPQ_St', 'vps/VPQ_1'
        ]
        assert CountedMap.decoded == sum(len(v.frames) for v in VIDEOS)


def test_videos_that_a_sampler_repeats_count_once():
    samples = [make_sample(v) for v in (*VIDEOS, VIDEOS[0], VIDEOS[2])]
    report = evaluate([build('STQ'), build('VPQ')], samples)
    assert report == pytest.approx(EXPECTED, abs=1e-9)


def predict_ground_truth(dataset):
    """Samples of a dataset whose predictions are its ground truth."""
    classes = dataset.metainfo['classes']
    isthing = np.array(dataset.metainfo['isthing'])
    for data in dataset:
        for frame in data['data_samples']:
            raw = cv2.imread(
                frame.seg_map_path.replace('panomasksRGB', 'panomasks'),
                cv2.IMREAD_UNCHANGED).astype(np.int32)
            labels = raw_labels(raw)
            ids = labels + np.where(isthing[labels], raw % 100 + 1, 0) * 1000
            frame.pred_panoptic_map = encode(
                np.where(labels < 0, len(classes), ids), len(classes))
        yield data['data_samples']


@pytest.mark.parametrize('ann_file', ['train.json', 'train.txt'])
def test_datasets_of_both_layouts(tmp_path, ann_file):
    """From files through the dataset to the metrics; then a worse one."""
    write_dataset(tmp_path)
    keys = ('img_id', 'img_path', 'frame_id', 'video_id', 'video_length',
            'seg_map_path', 'segments_info')
    dataset = DATASETS.build(
        dict(
            type='VIPSegDataset',
            data_root=str(tmp_path),
            ann_file=ann_file,
            img_suffix='.png',
            test_mode=True,
            pipeline=[
                dict(type='PackLazyVideo', transforms=[], meta_keys=keys)
            ],
            _scope_='mmdet'))
    metrics = [build('VPQ', dataset.metainfo), build('STQ', dataset.metainfo)]
    for samples, best in ((predict_ground_truth(dataset), True),
                          (predict_ground_truth(dataset), False)):
        evaluator = Evaluator(metrics)
        evaluator.dataset_meta = dataset.metainfo
        for sample in samples:
            if not best:  # doors of the last frame are void
                last = sample[-1].pred_panoptic_map
                sample[-1].pred_panoptic_map = last.relabel(
                    {i: last.void for i in last.segment_ids if i % 1000 == 2})
            evaluator.process([sample])
        report = evaluator.evaluate(2)
        for key, value in report.items():
            full = 1 if key.split('/')[1] in ('STQ', 'AQ', 'IoU') else 100
            if best or key.endswith('_St'):
                assert value == pytest.approx(full)
            else:
                assert .5 * full < value < full


def test_submission(tmp_path, log):
    """What is written is in VIPSeg's format, and measures the same."""
    folder = tmp_path / 'new/results'
    metrics = [
        build('VPQ', outfile_prefix=str(folder)),
        build('STQ', outfile_prefix=str(folder))
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
        pred_json=str(folder / 'pred.json'))
    counts = [count_video(video) for video in list_videos(**args)[1]]
    for k in WINDOWS:
        stats = [count_tubes(video, k, VOID) for video in counts]
        summary = summarize_vpq({k: stats[0] + stats[1] + stats[2]},
                                [c['isthing'] for c in CATEGORIES])
        assert summary['VPQ']['All'] == pytest.approx(
            GOLDEN['per_k'][str(k)]['All']['pq'], abs=1e-9)

    # all but the colours of further things is that of the golden files
    written = json.loads((folder / 'pred.json').read_text())['annotations']
    golden = json.loads((DATA / 'pred/pred.json').read_text())['annotations']
    for video, want_video in zip(written, golden, strict=True):
        assert video['video_id'] == want_video['video_id']
        ids = {}
        for frame, want in zip(
                video['annotations'], want_video['annotations'], strict=True):
            stem = want['file_name'][:-len('.png')]
            assert frame['file_name'] == (
                f'images/{video["video_id"]}/{stem}.jpg')
            check_segments(frame['segments_info'], want['segments_info'], ids)


def check_segments(segments, expected, ids):
    """Compare a frame; ids (expected -> found) stay over the video."""
    key = ('category_id', 'iscrowd', 'area', 'bbox')

    def by_place(values):
        return sorted(values, key=lambda s: [s[k] for k in key])

    for segment, want in zip(
            by_place(segments), by_place(expected), strict=True):
        assert [segment[k] for k in key] == [want[k] for k in key]
        found = ids.setdefault(want['id'], segment['id'])
        assert found == segment['id']
        color = CATEGORIES[want['category_id']]['color']
        distance = [found >> 8 * i & 255 for i in range(3)] - np.array(color)
        of_class = {i for i, other in ids.items() if other == found}
        assert of_class == {want['id']}
        limit = 30 if CATEGORIES[want['category_id']]['isthing'] else 0
        assert np.abs(distance).max() <= limit


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
    with pytest.raises(ValueError, match='colour for every class'):
        metric.process({}, [make_sample(VIDEOS[0]).to_dict()])
    metric.dataset_meta = dict(META, palette=[(1, 2, 3)] * 6)
    with pytest.raises(ValueError, match='colour .* of "sky" is that of "flo'):
        metric.process({}, [make_sample(VIDEOS[0]).to_dict()])


@pytest.fixture
def log(caplog):
    """Messages of MMEngine's logger, which does not propagate."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger=logger.name):
        yield caplog
    logger.removeHandler(caplog.handler)


def test_tables(log):
    evaluate([build('VPQ', classwise=True), build('STQ', classwise=True)],
             [make_sample(v) for v in VIDEOS])
    cells = [[cell.strip() for cell in line.split('|')[1:-1]]
             for line in log.text.splitlines()]
    assert ['All', '69.579', '76.238', '72.055', '66.969', '63.053',
            '6'] in cells
    assert ['person', '70.945', '66.365', '70.676', '72.787',
            '73.951'] in cells
    assert ['All', '0.62321', '0.61246', '0.63415'] in cells
    assert ['sky', '0.93419'] in cells


def test_nothing_to_measure_is_said(log):
    report = evaluate([build('VPQ', windows=[1, 60])],
                      [make_sample(VIDEOS[0])])
    assert math.isnan(report['vps/VPQ_60'])
    assert report['vps/VPQ'] == report['vps/VPQ_1'] > 0
    assert 'No video has 60 frames or more: VPQ is the mean' in log.text
    samples = [make_sample(v, with_gt=False) for v in VIDEOS]
    assert evaluate([build('VPQ'), build('STQ')], samples) == {}
    assert 'STQMetric: 3 of 3 videos have no ground truth' in log.text
    for windows in ([], [0, 1]):
        with pytest.raises(ValueError, match='1 or more'):
            build('VPQ', windows=windows)


def drop_frame(frames):
    del frames[3]


def repeat_frame(frames):
    frames[3].set_metainfo(dict(frame_id=2))


def drop_prediction(frames):
    del frames[3].pred_panoptic_map


def drop_mask(frames):
    frames[3].set_metainfo(dict(seg_map_path=None))


def move_mask(frames):
    frames[3].set_metainfo(dict(seg_map_path='absent.png'))


def shrink(frames):
    ids = frames[3].pred_panoptic_map.decode()[::2]
    frames[3].pred_panoptic_map = encode(ids, VOID)


def other_model(frames):
    ids = frames[3].pred_panoptic_map.decode()
    frames[3].pred_panoptic_map = encode(np.where(ids == VOID, 124, ids), 124)


def drop_segment(frames):
    del frames[3].segments_info[0]


def drop_segments(frames):
    frames[3].set_metainfo(dict(segments_info=None))


@pytest.mark.parametrize('spoil, message', [
    (drop_frame, r'video_0 has 7 frames, but 6 are predicted; .* \[3\]'),
    (repeat_frame, 'video_0.*00000003.jpg: number 2 was there before, as'),
    (drop_prediction, '00000003.jpg has no pred_panoptic_map'),
    (drop_mask, 'video_0: 1 of 7 frames have no seg_map_path.*00000003'),
    (move_mask, '00000003: .*absent.png does not exist'),
    (shrink, 'video_0, frame 00000003: the prediction is 16 x 48'),
    (other_model, '00000003: .*prediction has the unknown category 124'),
    (drop_segment, '00000003: the mask of the ground truth has ids'),
    (drop_segments, r'00000003: .*3 channel\(s\)'),
])
def test_bad_input(spoil, message):
    sample = make_sample(VIDEOS[0])
    spoil(sample.video_data_samples)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        build('VPQ').process({}, [sample.to_dict()])


def run_rank(rank, world_size, folder):
    """Evaluate the videos of one process."""
    dist.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=world_size)
    torch.set_num_threads(1)
    metrics = [build('VPQ', outfile_prefix=f'{folder}/out'), build('STQ')]
    # padded to two each, then all in one process
    videos = [VIDEOS[0], VIDEOS[2]] if rank == 0 else [VIDEOS[1], VIDEOS[0]]
    reports = [
        evaluate(metrics, [make_sample(v) for v in part])
        for part in (videos, [] if rank == 0 else VIDEOS)
    ]
    Path(folder, f'{rank}.json').write_text(json.dumps(reports))
    dist.destroy_process_group()


def test_two_processes_give_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # mmdet gathers through a folder in here
    mp.start_processes(
        run_rank, args=(2, str(tmp_path)), nprocs=2, start_method='fork')
    alone = evaluate([build('VPQ'), build('STQ')],
                     [make_sample(v) for v in VIDEOS])
    for rank in range(2):
        reports = json.loads((tmp_path / f'{rank}.json').read_text())
        assert reports == [alone, alone]
    written = json.loads((tmp_path / 'out/pred.json').read_text())
    assert [v['video_id'] for v in written['annotations']
            ] == [v.video_id for v in VIDEOS]
    assert len(list(tmp_path.glob('out/pan_pred/*/*.png'))) == 16
