# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
from functools import partial

import projects.maxtron  # noqa: F401
from projects.maxtron.datasets import OVISDataset, YouTubeVISClipDataset

import numpy as np
import pytest
from mmdet.registry import DATA_SAMPLERS
from mmengine.config import Config
from mmengine.runner import Runner

from tests.processes import run_ranks
from tests.test_datasets.tiny_videos import NUM_FRAMES, write_dataset
from tests.test_datasets.youtube_vis import T, build


def test_clips_are_sampled_as_in_the_reference(video_root):
    """Every annotated frame is a key frame; a clip is the T frames from it,
    un-annotated ones included; at the end of the video it is rejected."""
    dataset = build(video_root)
    annotated = [[0, 1, 2, 3, 4, 5, 6], [0, 1, 3, 4]]
    lengths = list(NUM_FRAMES.values())
    for video, keys in enumerate(annotated):
        assert dataset.get_len_per_video(video) == len(keys)
        for i, key in enumerate(keys):
            clip = dataset.prepare_data((video, i))
            if key + T > lengths[video]:
                assert clip is None
                continue
            assert clip['frame_id'] == list(range(key, key + T))
            assert clip['key_frame_flags'] == [True] + [False] * (T - 1)
            assert clip['video_id'] == [video + 1] * T
            assert clip['ori_video_length'] == [lengths[video]] * T
    assert dataset.prepare_data((1, 1))['instances'][1] == []


def test_sampler_enumerates_key_frames_or_videos(video_root):
    sampler = dict(type='TrackImgSampler', seed=0)
    train = build(video_root)
    indices = list(
        DATA_SAMPLERS.build(sampler, default_args=dict(dataset=train))
    )
    assert sorted(indices) == [(0, i) for i in range(7)] + [
        (1, i) for i in range(4)
    ]
    test = build(video_root, pipeline=[], test_mode=True)
    indices = list(
        DATA_SAMPLERS.build(sampler, default_args=dict(dataset=test))
    )
    assert [test[index]['frame_id'] for index in indices] == [
        list(range(length)) for length in NUM_FRAMES.values()
    ]


def list_indices(video_root, rank: int, folder) -> None:
    """Write the samples that one of two processes gets."""
    datasets = (
        build(video_root),
        build(video_root, pipeline=[], test_mode=True),
    )
    samplers = [
        DATA_SAMPLERS.build(
            dict(type='TrackImgSampler'), default_args=dict(dataset=dataset)
        )
        for dataset in datasets
    ]
    indices = [
        [(int(video), frame) for video, frame in sampler]
        for sampler in samplers
    ]
    (folder / f'{rank}.json').write_text(json.dumps(indices))


@pytest.mark.slow
def test_processes_share_the_samples(video_root, tmp_path):
    run_ranks(partial(list_indices, video_root), tmp_path)
    (train_0, test_0), (train_1, test_1) = (
        json.loads((tmp_path / f'{rank}.json').read_text())
        for rank in range(2)
    )
    assert (test_0, test_1) == ([[0, 0]], [[1, 0]])
    assert len(train_0) == len(train_1) == 6
    everything = [[0, i] for i in range(7)] + [[1, i] for i in range(4)]
    both = sorted(train_0 + train_1)  # 11 samples and one twice
    assert [k for i, k in enumerate(both) if k not in both[:i]] == everything


def test_rejected_samples_are_replaced(video_root):
    """By clips of videos of the same orientation, all of them."""
    np.random.seed(0)
    dataset = build(video_root)
    for last, video_id, keys in (
        ((0, 6), 1, {0, 1, 2, 3, 4}),
        ((1, 3), 2, {0, 1, 3}),
    ):
        clips = [dataset[last] for _ in range(60)]
        assert {clip['video_id'][0] for clip in clips} == {video_id}
        assert {clip['frame_id'][0] for clip in clips} == keys


def test_labels_are_positions_in_classes(video_root):
    """The order of the file does not count; other categories are ignored."""
    dataset = build(video_root, metainfo=dict(classes=('owl', 'cat')))
    frame = dataset.get_data_info(0)['images'][2]
    assert [ann['bbox_label'] for ann in frame['instances']] == [1, 0]
    assert [ann['instance_id'] for ann in frame['instances']] == [1, 2]
    assert len(dataset) == 1  # no video with a dog only
    subset = build(video_root).get_subset([1])
    assert len(subset) == 1 and subset.get_len_per_video(0) == 4
    assert subset.prepare_data(subset._rand_another()) is not None


def test_frames_in_any_order_and_unfiltered(video_root, tmp_path):
    content = json.loads((video_root / 'train.json').read_text())
    content['images'].reverse()
    (tmp_path / 'a.json').write_text(json.dumps(content))
    dataset = build(
        video_root,
        ann_file=str(tmp_path / 'a.json'),
        filter_cfg=dict(filter_empty_gt=False, min_size=64),
    )
    frames = dataset.get_data_info(0)['images']
    assert [frame['frame_id'] for frame in frames] == list(range(6))
    assert dataset.get_len_per_video(0) == 6


def test_class_lists():
    YouTubeVISClipDataset.set_dataset_classes('2019')
    classes_2019 = YouTubeVISClipDataset.METAINFO['classes']
    assert len(classes_2019) == 40 and classes_2019[0] == 'person'
    YouTubeVISClipDataset.set_dataset_classes('2021')
    classes_2021 = YouTubeVISClipDataset.METAINFO['classes']
    YouTubeVISClipDataset.set_dataset_classes('2022')
    assert YouTubeVISClipDataset.METAINFO['classes'] == classes_2021
    assert len(classes_2021) == 40 and classes_2021[-1] == 'zebra'
    with pytest.raises(ValueError, match='2020.*2019, 2021, 2022'):
        YouTubeVISClipDataset.set_dataset_classes('2020')
    assert len(OVISDataset.METAINFO['classes']) == 25
    assert OVISDataset.METAINFO['classes'][-1] == 'Vehical'


def test_clip_of_one_frame_is_an_error(video_root):
    with pytest.raises(ValueError, match='clip_len is 1.*at least 2'):
        build(video_root, clip_len=1)


def test_clips_longer_than_all_videos(video_root):
    with pytest.raises(ValueError, match='starts 8 consecutive frames'):
        build(video_root, clip_len=8)


@pytest.mark.parametrize(
    'name, classes',
    [
        ('youtube_vis_2019', '2019'),
        ('youtube_vis_2021', '2021'),
        ('youtube_vis_2022', '2021'),
        ('ovis', None),
    ],
)
def test_configs_build_and_load(name, classes, tmp_path, monkeypatch):
    """The dataloaders of the configs read files at the stated places."""
    cfg = Config.fromfile(f'configs/_base_/datasets/{name}.py')
    if classes is None:
        classes = OVISDataset.METAINFO['classes']
    else:
        YouTubeVISClipDataset.set_dataset_classes(classes)
        classes = YouTubeVISClipDataset.METAINFO['classes']
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        data = loader.dataset
        write_dataset(
            tmp_path / data.data_root,
            data.data_prefix.img_path,
            data.ann_file,
            classes,
            suffix='.jpg',
            with_annotations=not data.get('test_mode', False),
        )
    monkeypatch.chdir(tmp_path)
    cfg.train_dataloader.update(
        num_workers=0, persistent_workers=False, batch_size=2
    )
    clip_len = cfg.train_dataloader.dataset.clip_len
    assert clip_len == (4 if name == 'ovis' else 5)
    train = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batch = next(iter(train))
    sides = set()
    for inputs, sample in zip(batch['inputs'], batch['data_samples']):
        assert inputs.shape[:2] == (clip_len, 3) and inputs.is_floating_point()
        assert len(sample) == clip_len
        assert len(sample[0].gt_instances.bboxes) > 0
        sides.add(inputs.shape[-1] >= inputs.shape[-2])
    if name == 'ovis':
        assert inputs.shape[-2] <= 640 and inputs.shape[-1] <= 640
    else:
        assert len(sides) == 1 and min(inputs.shape[-2:]) in range(
            288, 513, 32
        )
    test = Runner.build_dataloader(cfg.test_dataloader, seed=0)
    videos = list(test)
    assert [len(video['inputs'][0]) for video in videos] == [7, 6]
    assert videos[0]['inputs'][0][0].shape == (3, 360, 540)
    assert cfg.val_dataloader == cfg.test_dataloader
    assert cfg.val_evaluator == cfg.test_evaluator
