# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Samplers draw every clip of wrapped video datasets."""

from collections import Counter

import projects.maxtron  # noqa: F401

import pytest
from mmdet.datasets import CocoDataset, ConcatDataset
from mmdet.registry import DATA_SAMPLERS, DATASETS

from tests.test_datasets import tiny_videos

KEYS = (7, 4)  # annotated frames of the tiny videos
NUM_SAMPLES = 11


def build(dataset_type, *datasets, **kwargs):
    inner = datasets[0] if dataset_type != 'ConcatDataset' else datasets
    key = 'datasets' if dataset_type == 'ConcatDataset' else 'dataset'
    return DATASETS.build({'type': dataset_type, key: inner, **kwargs})


def vis(folder, **kwargs):
    return dict(
        type='YouTubeVISClipDataset',
        dataset_version='2021',
        data_root=str(folder),
        ann_file='train.json',
        data_prefix=dict(img_path='train/JPEGImages'),
        metainfo=dict(classes=tiny_videos.CLASSES),
        clip_len=2,
        pipeline=[],
        **kwargs,
    )


def vps(folder, ann_file='train.json', **kwargs):
    return dict(
        type='VIPSegDataset',
        data_root=str(folder),
        ann_file=ann_file,
        img_suffix='.png',
        pipeline=[],
        **kwargs,
    )


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Two equal datasets for instances at different places."""
    made = [tmp_path_factory.mktemp(name) for name in ('one', 'two')]
    for folder in made:
        tiny_videos.write_dataset(folder)
    return made


def draw(dataset, sampler='TrackImgSampler'):
    """Count the draws of a sampler: folder, video and key frame of clips."""
    seed = dict(type=sampler, dataset=dataset, seed=3)
    samples = Counter()
    for index in DATA_SAMPLERS.build(seed):
        sample = dataset[index]
        path = sample['images'][0]['img_path']
        key = sample.get('key_frame_id')
        samples[path.split('/train/')[0], sample['video_id'], key] += 1
    return samples


def test_every_clip_of_every_dataset_is_drawn_once(folders):
    both = build('ConcatDataset', *map(vis, folders))
    drawn = draw(both)
    assert set(drawn.values()) == {1}
    assert sorted(drawn) == sorted(
        (folder, video, key)
        for folder in map(str, folders)
        for video, keys in ((1, range(7)), (2, (0, 1, 3, 4)))
        for key in keys
    )
    assert len(both) == 4
    assert both.metainfo['classes'] == tiny_videos.CLASSES
    assert [both.get_dataset_source(i) for i in range(4)] == [0, 0, 1, 1]
    assert [len(both.get_cat_ids(i)) for i in range(4)] == [12, 4] * 2


def test_two_processes_share_the_clips(folders, monkeypatch):
    both = build('ConcatDataset', *map(vis, folders))
    module = 'mmdet.datasets.samplers.track_img_sampler.get_dist_info'
    shares = []
    for rank in range(2):
        monkeypatch.setattr(module, lambda rank=rank: (rank, 2))
        shares.append(draw(both))
    assert not shares[0] & shares[1]
    assert len(shares[0]) == len(shares[1]) == NUM_SAMPLES


def test_wrappers_can_be_nested(folders):
    one, two = map(vis, folders)
    repeat = dict(type='RepeatDataset', times=3, dataset=two)
    drawn = draw(build('ConcatDataset', one, repeat))
    assert Counter(folder for folder, *_ in drawn.elements()) == {
        str(folders[0]): NUM_SAMPLES,
        str(folders[1]): 3 * NUM_SAMPLES,
    }
    both = dict(type='ConcatDataset', datasets=[one, two])
    drawn = draw(build('RepeatDataset', both, times=2))
    assert set(drawn.values()) == {2} and len(drawn) == 2 * NUM_SAMPLES


def test_videos_with_rare_classes_are_repeated(folders):
    # a third of the categories is in one of two videos: 1 / 0.5 = 2 -> 1.4
    balanced = build('ClassBalancedDataset', vis(folders[0]), oversample_thr=1)
    assert len(balanced) == 4  # either video twice
    assert set(draw(balanced).values()) == {2}
    same = build('ClassBalancedDataset', vis(folders[0]), oversample_thr=0.1)
    assert set(draw(same).values()) == {1}


def test_panoptic_videos(root):
    """With the sampler of the panoptic configs, and in batches."""
    both = build('ConcatDataset', vps(root), vps(root, 'train.txt'))
    names = [both.get_data_info(i)['video_id'] for i in range(len(both))]
    single = DATASETS.build(vps(root))
    assert len(both) == 2 * len(single)
    assert names[: len(single)] == names[len(single) :]
    drawn = draw(both, 'DefaultSampler')
    assert set(drawn.values()) == {1} and len(drawn) == len(both)
    batches = DATA_SAMPLERS.build(
        dict(
            type='TrackAspectRatioBatchSampler',
            sampler=DATA_SAMPLERS.build(
                dict(type='DefaultSampler', dataset=both, seed=1)
            ),
            batch_size=2,
        )
    )
    for batch in batches:
        images = [both[index]['images'][0] for index in batch]
        assert len({i['height'] > i['width'] for i in images}) == 1


def test_lazy_initialisation(folders):
    both = build('ConcatDataset', *map(vis, folders), lazy_init=True)
    assert len(both) == 4
    assert both[3]['video_id'] == 2


@pytest.mark.parametrize(
    'change, words',
    [
        (
            dict(metainfo=dict(classes=('cat', 'owl', 'dog'))),
            'metainfo.classes of dataset 2 of 2 (YouTubeVISClipDataset, '
            '{}/train.json) differs from that of dataset 1 of 2 (YouTubeVIS'
            "ClipDataset, {}/train.json): entry 1 is 'owl' instead of 'dog'",
        ),
        (
            dict(metainfo=dict(classes=('cat', 'dog'))),
            '2 entries instead of 3',
        ),
        (dict(test_mode=True), 'dataset 2 of 2 (YouTubeVISClipDataset, '),
    ],
)
def test_datasets_that_do_not_fit(folders, change, words):
    other = {**vis(folders[1]), **change}
    with pytest.raises(ValueError) as error:
        build('ConcatDataset', vis(folders[0]), other)
    assert words.format(*reversed(folders)) in str(error.value)


def test_palettes_may_differ(folders):
    classes = tiny_videos.CLASSES
    colors = dict(metainfo=dict(classes=classes, palette=[(1, 2, 3)] * 3))
    one, two = map(vis, folders)
    both = build('ConcatDataset', {**one, **colors}, two)
    assert both.metainfo['palette'] == [(1, 2, 3)] * 3


def test_other_arguments_that_are_wrong(root, folders):
    with pytest.raises(ValueError, match='times is 0, but must be 1 or more'):
        build('RepeatDataset', vis(folders[0]), times=0)
    with pytest.raises(ValueError, match='ClassBalancedDataset: .*train.txt'):
        build('ClassBalancedDataset', vps(root, 'train.txt'), oversample_thr=1)
    both = build('ConcatDataset', *map(vis, folders))
    for subset in (both.get_subset, both.get_subset_):
        with pytest.raises(NotImplementedError, match='set `indices` of'):
            subset(2)


def test_images_are_left_to_mmdetection(tmp_path, folders):
    (tmp_path / 'coco.json').write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg", "height": 64, '
        '"width": 64}], "annotations": [], '
        '"categories": [{"id": 1, "name": "cat"}]}'
    )
    images = dict(
        type='CocoDataset',
        ann_file=str(tmp_path / 'coco.json'),
        data_prefix=dict(img=''),
        filter_cfg=dict(filter_empty_gt=False),
        metainfo=dict(classes=('cat',)),
        pipeline=[],
    )
    assert type(build('ConcatDataset', images, images)) is ConcatDataset
    repeated = build('RepeatDataset', images, times=2)
    assert isinstance(repeated.dataset, CocoDataset) and len(repeated) == 2
    with pytest.raises(ValueError, match='2 .CocoDataset, .* holds images'):
        build('ConcatDataset', vis(folders[0]), images)
