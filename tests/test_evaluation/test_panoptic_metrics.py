# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""VPQMetric and STQMetric in MMDetection's runner."""

import json
import math
import os
import pickle

from projects.maxtron.structures import raw_labels

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.evaluator import DumpResults, Evaluator

from tests.processes import run_ranks
from tests.test_datasets.tiny_panoptic import write_dataset
from tests.test_evaluation.panoptic_samples import (
    EXPECTED,
    META,
    VIDEOS,
    VOID,
    CountedMap,
    build,
    encode,
    evaluate,
    make_sample,
)


def test_golden_and_read_only_once():
    """Both metrics, each time they are used, decode every frame once."""
    metrics = [build('VPQ', classwise=True), build('STQ', classwise=True)]
    for _ in range(2):
        CountedMap.decoded = 0
        report = evaluate(metrics, [make_sample(v) for v in VIDEOS])
        assert report == pytest.approx(EXPECTED, abs=1e-9)
        assert list(report)[:4] == [
            'vps/VPQ',
            'vps/VPQ_Th',
            'vps/VPQ_St',
            'vps/VPQ_1',
        ]
        assert CountedMap.decoded == sum(len(v.frames) for v in VIDEOS)


def test_videos_that_a_sampler_repeats_count_once():
    samples = [make_sample(v) for v in (*VIDEOS, VIDEOS[0], VIDEOS[2])]
    report = evaluate([build('STQ'), build('VPQ')], samples)
    assert report == pytest.approx(EXPECTED, abs=1e-9)


def rename(sample, img_dir, video_id=None):
    """Move the frames of a sample to another folder and name."""
    for frame in sample.video_data_samples:
        name = frame.img_path.rsplit('/')[-1]
        frame.set_metainfo(
            dict(img_path=f'{img_dir}/{name}', video_id=video_id)
        )
    return sample


def test_names_of_videos():
    """They are their ids, or folders, which never collide."""
    samples = [
        rename(make_sample(v), f'{v.video_id}/img1', i)
        for i, v in enumerate(VIDEOS)
    ]
    report = evaluate([build('STQ'), build('VPQ')], samples)
    assert report == pytest.approx(EXPECTED, abs=1e-9)
    samples = [rename(make_sample(v), f'images/{v.video_id}') for v in VIDEOS]
    report = evaluate([build('STQ'), build('VPQ')], samples)
    assert report == pytest.approx(EXPECTED, abs=1e-9)
    samples = [rename(make_sample(v), f'{v.video_id}/img1') for v in VIDEOS]
    report = evaluate([build('STQ'), build('VPQ')], samples)
    assert report == pytest.approx(EXPECTED, abs=1e-9)


def test_predictions_that_are_dumped_are_as_they_were(tmp_path):
    """Metrics share no state, yet each video is read only once."""
    path = tmp_path / 'predictions.pkl'
    CountedMap.decoded = 0
    samples = [make_sample(v) for v in VIDEOS]
    report = evaluate(
        [build('VPQ'), build('STQ'), DumpResults(str(path))], samples
    )
    assert report == pytest.approx(EXPECTED, abs=1e-9)
    assert CountedMap.decoded == sum(len(v.frames) for v in VIDEOS)
    dumped = pickle.loads(path.read_bytes())
    assert [video.keys() for video in dumped] == [
        sample.to_dict().keys() for sample in samples
    ]


def test_results_are_gathered_on_the_cpu():
    for name in ('VPQ', 'STQ'):
        build(name, collect_device='cpu')
        with pytest.raises(
            ValueError,
            match=(
                f"collect_device of {name}Metric is 'gpu'.*set it to 'cpu'"
            ),
        ):
            build(name, collect_device='gpu')


def predict_ground_truth(dataset):
    """Samples of a dataset whose predictions are its ground truth."""
    classes = dataset.metainfo['classes']
    isthing = np.array(dataset.metainfo['isthing'])
    for data in dataset:
        for frame in data['data_samples']:
            raw = cv2.imread(
                frame.seg_map_path.replace('panomasksRGB', 'panomasks'),
                cv2.IMREAD_UNCHANGED,
            ).astype(np.int32)
            labels = raw_labels(raw)
            ids = labels + np.where(isthing[labels], raw % 100 + 1, 0) * 1000
            frame.pred_panoptic_map = encode(
                np.where(labels < 0, len(classes), ids), len(classes)
            )
        yield data['data_samples']


@pytest.mark.parametrize('ann_file', ['train.json', 'train.txt'])
def test_datasets_of_both_layouts(tmp_path, ann_file):
    """From files through the dataset to the metrics; then a worse one."""
    write_dataset(tmp_path)
    keys = (
        'img_id',
        'img_path',
        'frame_id',
        'video_id',
        'video_length',
        'seg_map_path',
        'segments_info',
    )
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
            _scope_='mmdet',
        )
    )
    metrics = [build('VPQ', dataset.metainfo), build('STQ', dataset.metainfo)]
    for samples, best in (
        (predict_ground_truth(dataset), True),
        (predict_ground_truth(dataset), False),
    ):
        evaluator = Evaluator(metrics)
        evaluator.dataset_meta = dataset.metainfo
        for sample in samples:
            if not best:  # doors of the last frame are void
                last = sample[-1].pred_panoptic_map
                sample[-1].pred_panoptic_map = last.relabel(
                    {i: last.void for i in last.segment_ids if i % 1000 == 2}
                )
            evaluator.process([sample])
        report = evaluator.evaluate(2)
        for key, value in report.items():
            full = 1 if key.split('/')[1] in ('STQ', 'AQ', 'IoU') else 100
            if best or key.endswith('_St'):
                assert value == pytest.approx(full)
            else:
                assert 0.5 * full < value < full


def test_tables(log):
    evaluate(
        [build('VPQ', classwise=True), build('STQ', classwise=True)],
        [make_sample(v) for v in VIDEOS],
    )
    cells = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in log.text.splitlines()
    ]
    assert [
        'All',
        '69.579',
        '76.238',
        '72.055',
        '66.969',
        '63.053',
        '6',
    ] in cells
    assert [
        'person',
        '70.945',
        '66.365',
        '70.676',
        '72.787',
        '73.951',
    ] in cells
    assert ['All', '0.62321', '0.61246', '0.63415'] in cells
    assert ['sky', '0.93419'] in cells


def test_no_table_of_classes_and_no_warning_by_default(log):
    evaluate([build('VPQ'), build('STQ')], [make_sample(v) for v in VIDEOS])
    assert '| All ' in log.text
    assert 'person' not in log.text and 'no ground truth' not in log.text


def test_nothing_to_measure_is_said(log):
    report = evaluate(
        [build('VPQ', windows=[1, 60])], [make_sample(VIDEOS[0])]
    )
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


def renumber_frame(frames):
    frames[3].set_metainfo(dict(frame_id=99))


def shorten_video(frames):
    for frame in frames:
        frame.set_metainfo(dict(video_length=6))


def other_video(frames):
    frames[3].set_metainfo(dict(video_id='b'))


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


def drop(key):
    """Remove a field of the metainfo."""
    return lambda frames: frames[3].set_metainfo({key: None})


def change_segment(**changes):
    """Change a segment of the ground truth; None removes the field."""

    def spoil(frames):
        segment = frames[3].segments_info[1]
        segment.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del segment[key]

    return spoil


@pytest.mark.parametrize(
    'spoil, message',
    [
        (drop('img_path'), "frame 3 of a predicted video has no 'img_path'"),
        (drop('frame_id'), "frame 3 of a predicted video has no 'frame_id'"),
        (change_segment(id=None), "3: item 1 of segments_info has no 'id'"),
        (change_segment(category=None), "segments_info has no 'category'"),
        (change_segment(iscrowd=-1), 'iscrowd=-1, but it must be 0 or 1'),
        (change_segment(iscrowd='1'), "iscrowd='1', but it must be 0 or 1"),
        (drop_frame, r'video_0 has 7 frames, but 6 are predicted; .* \[3\]'),
        (
            repeat_frame,
            'video_0.*03.jpg: .*02.jpg has the same frame number 2',
        ),
        (renumber_frame, r'7 frames, but 7 are predicted; missing .* \[3\]'),
        (shorten_video, r'6 frames, but 7 are predicted; missing .* \[\]'),
        (other_video, 'video_0, frame .*00000003.jpg belongs to video b'),
        (drop_prediction, '00000003.jpg has no pred_panoptic_map'),
        (drop_mask, 'video_0: 1 of 7 frames have no seg_map_path.*00000003'),
        (move_mask, '00000003: .*absent.png does not exist'),
        (shrink, 'video_0, frame 00000003: the prediction is 16 x 48'),
        (other_model, '00000003: .*prediction has the unknown category 124'),
        (drop_segment, '00000003: the mask of the ground truth has ids'),
        (drop_segments, r'00000003: .*3 channel\(s\)'),
    ],
)
def test_bad_input(spoil, message):
    sample = make_sample(VIDEOS[0])
    spoil(sample.video_data_samples)
    metric = build('VPQ')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        metric.process({}, [sample.to_dict()])
        metric.evaluate()
    assert metric.results == []


def test_samples_of_another_kind():
    sample = make_sample(VIDEOS[0])
    with pytest.raises(ValueError, match="has no 'video_data_samples'"):
        build('VPQ').process({}, [sample.video_data_samples[0].to_dict()])
    sample_without_frames = dict(video_data_samples=[])
    with pytest.raises(ValueError, match='A video without frames was predic'):
        build('VPQ').process({}, [sample_without_frames])
    meta = dict(META, thing_classes=None)
    metric = build('VPQ', meta)
    metric.process({}, [sample.to_dict()])
    with pytest.raises(ValueError, match='dataset has no thing_classes'):
        metric.process({}, [make_sample(VIDEOS[1]).to_dict()])


def build_all(**kwargs):
    """All metrics; the first writes a submission on request."""
    return [
        build('VPQ', sparse=True, **kwargs),
        build('STQ', sparse=True),
        build('SemanticVideo', sparse=True, windows=(2, 3)),
        build('Tracking', sparse=True),
    ]


def make_sparse(video):
    """A sample; the last video has two frames without annotations."""
    sample = make_sample(video)
    if video is VIDEOS[2]:
        for frame in sample.video_data_samples[1:3]:
            frame.set_metainfo(dict(seg_map_path=None))
    return sample


def evaluate_on_rank(rank, folder):
    """Evaluate the videos of one process."""
    own_folder = folder / f'rank_{rank}'  # machines need not share one
    own_folder.mkdir()
    os.chdir(own_folder)
    metrics = build_all(outfile_prefix=f'{folder}/out')
    # padded to two each, then all in one process
    videos = [VIDEOS[0], VIDEOS[2]] if rank == 0 else [VIDEOS[1], VIDEOS[0]]
    reports = [
        evaluate(metrics, [make_sparse(v) for v in part])
        for part in (videos, [] if rank == 0 else VIDEOS)
    ]
    with pytest.raises(ValueError, match='one starts with 0/.*other with 1/'):
        evaluate([build('STQ')], [rename(make_sample(VIDEOS[0]), rank, 'a')])
    assert not os.listdir('.')
    (folder / f'{rank}.json').write_text(json.dumps(reports))


@pytest.mark.slow
def test_two_processes_give_the_same_numbers(tmp_path):
    run_ranks(evaluate_on_rank, tmp_path)
    alone = evaluate(build_all(), [make_sparse(v) for v in VIDEOS])
    assert alone.keys() > {f'v{x}' for x in ('ps/VPQ', 'ps/HOTA', 'ss/mIoU')}
    for rank in range(2):
        reports = json.loads((tmp_path / f'{rank}.json').read_text())
        assert reports == [alone, alone]
    written = json.loads((tmp_path / 'out/pred.json').read_text())
    assert [v['video_id'] for v in written['annotations']] == [
        v.video_id for v in VIDEOS
    ]
    assert len(list(tmp_path.glob('out/pan_pred/*/*.png'))) == 16
