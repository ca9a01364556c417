# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from dataclasses import replace

from projects.maxtron.datasets.synthetic.video import (
    MIN_AREA,
    PRESETS,
    SYNTHETIC_THING_CLASSES,
    make_video,
)

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from pycocotools import mask as mask_utils

from tests.test_datasets.synthetic_files import digest, load
from tools.dataset_converters.make_synthetic import main


@pytest.fixture(scope='module')
def tubes(small):
    """Masks of all things: per video a dict raw_id -> (T, H, W) bool."""
    result = {}
    for split in ('train', 'val'):
        source = load(small / 'youtube-vis' / split / 'instances.json')
        table = load(small / f'scenarios_{split}.json')
        for video in table:
            anns = [
                ann
                for ann in source['annotations']
                if ann['video_id'] == video['video_id']
            ]
            shape = [
                source['videos'][video['video_id'] - 1][k]
                for k in ('length', 'height', 'width')
            ]
            masks = {}
            for ann, instance in zip(anns, video['instances'], strict=True):
                assert ann['id'] == instance['instance_id']
                mask = np.zeros(shape, bool)
                for t, rle in enumerate(ann['segmentations']):
                    if rle is not None:
                        mask[t] = mask_utils.decode(rle)
                        assert ann['areas'][t] == mask[t].sum() >= MIN_AREA
                        assert (
                            ann['bboxes'][t] == mask_utils.toBbox(rle).tolist()
                        )
                    else:
                        assert ann['areas'][t] is ann['bboxes'][t] is None
                masks[instance['raw_id']] = mask
            result[video['name']] = (video, masks)
    return result


def read_frames(small, name):
    split = name.split('_')[0]
    folder = small / 'youtube-vis' / split / 'JPEGImages' / name
    return np.stack(
        [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    ).astype(np.float32)


def read_raw_ids(small, name):
    folder = small / 'vipseg' / 'panomasks' / name
    return np.stack(
        [
            cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            for path in sorted(folder.iterdir())
        ]
    )


@pytest.mark.slow
def test_same_bytes_for_any_number_of_processes(small, tmp_path):
    main([str(tmp_path / 'one'), '--nproc', '1'])
    expected = digest(small)
    assert digest(tmp_path / 'one') == expected
    assert len(expected) > 1000
    # a split alone, in one format, is a part of the whole
    main(
        [
            str(tmp_path / 'val'),
            '--splits',
            'val',
            '--formats',
            'youtube-vis',
            '--nproc',
            '1',
        ]
    )
    part = digest(tmp_path / 'val')
    part.pop('synthetic.json')
    assert 'youtube-vis/val/instances.json' in part
    assert part.items() <= expected.items()
    # another seed gives other videos
    spec = replace(PRESETS['small'], seed=1)
    first, other = (
        make_video(PRESETS['small'], 'val', 0),
        make_video(spec, 'val', 0),
    )
    assert (
        first.frames.shape != other.frames.shape
        or (first.frames != other.frames).any()
    )


def test_both_formats_agree_on_every_pixel(small, tubes):
    panoptic = {}
    root = small / 'vipseg' / 'VIPSeg_720P'
    for split in ('train', 'val'):
        content = load(root / f'panoptic_gt_VIPSeg_{split}.json')
        names = (small / 'vipseg' / f'{split}.txt').read_text().split()
        assert [video['video_id'] for video in content['videos']] == names
        panoptic.update({v['video_id']: v for v in content['annotations']})
    categories = load(root / 'panoVIPSeg_categories.json')
    assert [c['isthing'] for c in categories] == [0] * 4 + [1] * 6
    assert panoptic.keys() == tubes.keys() and len(panoptic) == 12
    for name, (_, masks) in tubes.items():
        raw = read_raw_ids(small, name)
        assert raw.dtype == np.uint16 and (raw == 0).mean() < 0.01
        # a pixel that is not stuff or void is exactly one thing
        painted = np.where(raw < 125, raw, 0)
        for raw_id, mask in masks.items():
            assert not (painted[mask] > 0).any()
            painted[mask] = raw_id
        np.testing.assert_array_equal(painted, raw)
        colors = {}  # a tube keeps its colour
        for t, frame in enumerate(panoptic[name]['annotations']):
            path = root / 'panomasksRGB' / name / frame['file_name']
            rgb = cv2.imread(str(path))[..., ::-1].astype(int)
            ids = rgb @ [1, 256, 65536]
            segments = {s['id']: s for s in frame['segments_info']}
            assert set(np.unique(ids)) - {0} == segments.keys()
            np.testing.assert_array_equal(ids == 0, raw[t] == 0)
            for key, segment in segments.items():
                mask = ids == key
                (raw_id,) = np.unique(raw[t][mask])
                assert colors.setdefault(raw_id, key) == key
                category = raw_id - 1 if raw_id < 125 else raw_id // 100 - 1
                assert segment['category_id'] == category
                assert categories[category]['isthing'] == (raw_id >= 125)
                assert segment['area'] == mask.sum() >= MIN_AREA
        assert len(set(colors.values())) == len(colors)


def gaps_of(mask):
    """(first, last + 1) of the absences between two appearances."""
    seen = np.flatnonzero(mask.any(axis=(1, 2)))
    return [(a + 1, b) for a, b in zip(seen, seen[1:]) if b - a > 1]


def test_every_scenario_really_happens(small, tubes):
    counts = dict.fromkeys(
        ('crossing', 'occlusion', 'exit-reenter', 'camera'), 0
    )
    for name, (video, masks) in tubes.items():
        scenario = video['scenario']
        counts[scenario] += 1
        border = np.zeros(next(iter(masks.values())).shape[1:], bool)
        border[:2] = border[-2:] = border[:, :2] = border[:, -2:] = True
        for instance in video['instances']:
            told = [
                (g['start'], g['start'] + g['length'])
                for g in instance['gaps']
            ]
            assert told == gaps_of(masks[instance['raw_id']])
        if scenario == 'occlusion':
            # fully hidden for longer than a clip of 5 frames, and not by
            # the border of the frame: it was not touched on the way
            assert any(
                gap['cause'] == 'occluded'
                and gap['hidden'] >= 6
                and not (mask[gap['start'] - 1] & border).any()
                for instance in video['instances']
                for mask in [masks[instance['raw_id']]]
                for gap in instance['gaps']
            )
        elif scenario == 'exit-reenter':
            # it keeps its id, and class, although it was gone
            assert any(
                gap['cause'] == 'outside' and gap['length'] >= 3
                for instance in video['instances']
                for gap in instance['gaps']
            )
        elif scenario == 'crossing':
            meeting = video['crossings'][0]
            first, second = (masks[i] for i in meeting['instances'])
            both = first.any((1, 2)) & second.any((1, 2))
            here = meeting['frame']
            assert meeting['overlap'] >= 0.5
            assert both[:here].sum() >= 2 and both[here:].sum() >= 2
    assert min(counts.values()) == 3


def test_twins_look_alike_and_things_differ_from_what_is_behind(small, tubes):
    twins, strangers, contrast = [], [], []
    for name, (video, masks) in tubes.items():
        frames = read_frames(small, name)
        looks = []
        for instance in video['instances']:
            mask = masks[instance['raw_id']]
            time = mask.sum((1, 2)).argmax()
            mask, frame = mask[time], frames[time]
            around = cv2.dilate(mask.astype(np.uint8), np.ones((13, 13))) > 0
            around &= read_raw_ids(small, name)[time] < 125
            color = frame[mask].mean(0)
            contrast.append(np.abs(color - frame[around].mean(0)).max())
            looks.append((instance, color))
        for number, (first, color) in enumerate(looks):
            for second, other in looks[:number]:
                alike = first['group'] == second['group']
                distance = np.linalg.norm(color - other)
                (twins if alike else strangers).append(distance)
                if alike:
                    assert first['category'] == second['category']
    assert len(twins) >= 5
    assert np.median(twins) < 0.4 * np.median(strangers)
    assert min(contrast) > 25


def test_dataset_class_reads_it(small):
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    root = small / 'youtube-vis'
    for split, count in (('train', 8), ('val', 4)):
        dataset = DATASETS.build(
            dict(
                type='SyntheticVISDataset',
                clip_len=4,
                data_root=str(root),
                ann_file=f'annotations/synthetic_vis_{split}.json',
                data_prefix=dict(img_path=f'{split}/JPEGImages'),
                test_mode=split == 'val',
                pipeline=[],
            )
        )
        assert len(dataset) == count
        assert dataset.metainfo['classes'] == SYNTHETIC_THING_CLASSES
        source = load(root / split / 'instances.json')
        found = {}
        for index in range(count):
            info = dataset.get_data_info(index)
            assert info['video_length'] == source['videos'][index]['length']
            for image in info['images']:
                assert cv2.imread(image['img_path']).shape == (96, 160, 3)
                for instance in image['instances']:
                    tube = source['annotations'][instance['instance_id'] - 1]
                    assert tube['video_id'] == info['video_id']
                    assert tube['category_id'] == instance['bbox_label'] + 1
                    assert (
                        tube['segmentations'][image['frame_id']]
                        == instance['mask']
                    )
                    key = instance['instance_id'], image['frame_id']
                    found[key] = True
        assert len(found) == sum(
            rle is not None
            for tube in source['annotations']
            for rle in tube['segmentations']
        )


@pytest.mark.slow
def test_association_benchmark(tmp_path):
    """Hues identify classes, most things are twins, videos are repeatable."""
    spec = replace(
        PRESETS['association'],
        num_videos=dict(train=1, val=1),
        num_frames=dict(train=(12, 12), val=(12, 12)),
    )
    twins = hues = 0
    for index in range(6):
        video, plain = (
            make_video(each, 'val', index)
            for each in (spec, replace(spec, association=False))
        )
        again = make_video(spec, 'val', index)
        np.testing.assert_array_equal(video.frames, again.frames)
        np.testing.assert_array_equal(video.ids, again.ids)
        groups = [thing['group'] for thing in video.instances]
        twins += len(groups) - len(set(groups))
        groups = [thing['group'] for thing in plain.instances]
        twins -= len(groups) - len(set(groups))
        for thing in video.instances:
            pixels = video.frames[video.ids == thing['raw_id']]
            hue = cv2.cvtColor(pixels[None], cv2.COLOR_BGR2HSV)[..., 0] * 2
            gap = (np.median(hue) - 60 * thing['label'] + 180) % 360 - 180
            assert abs(gap) < 30  # half of the distance of two classes
            hues += 1
    assert twins > 0 and hues > 12
    dev = make_video(PRESETS['association'], 'dev', 0)
    assert dev.name == 'dev_0000' and len(dev.frames) >= 20
    videos = PRESETS['bench'].num_videos
    assert (
        replace(PRESETS['association'], num_videos=videos)
        == (PRESETS['bench'])
    )
    # a folder holds one kind
    argv = [
        str(tmp_path),
        '--nproc',
        '1',
        '--splits',
        'val',
        '--num-val',
        '1',
        '--frames',
        '12',
        '12',
    ]
    main([*argv, '--size', 'association'])
    with pytest.raises(SystemExit, match='association True instead of False'):
        main(argv)
