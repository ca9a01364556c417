# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
from functools import partial

import projects.maxtron  # noqa: F401
from projects.maxtron.datasets import OVISDataset, YouTubeVISClipDataset

import numpy as np
import pytest
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.config import Config
from mmengine.runner import Runner

from tests.processes import run_ranks
from tests.test_datasets.tiny_videos import CLASSES, NUM_FRAMES, write_dataset

T = 3


def build(root, pipeline=(dict(type='ClipSampler'),), **kwargs):
    """Build a dataset of the tiny videos."""
    cfg = dict(
        type='YouTubeVISClipDataset',
        dataset_version='2021',
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img_path='train/JPEGImages'),
        metainfo=dict(classes=CLASSES),
        clip_len=T,
        serialize_data=False,  # faster for a few frames
        pipeline=list(pipeline),
    )
    cfg.update(kwargs)
    return DATASETS.build(cfg)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_dataset(root)
    return root


def test_clips_are_sampled_as_in_the_reference(root):
    """Every annotated frame is a key frame; a clip is the T frames from it,
    un-annotated ones included; at the end of the video it is rejected."""
    dataset = build(root)
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


def test_sampler_enumerates_key_frames_or_videos(root):
    sampler = dict(type='TrackImgSampler', seed=0)
    train = build(root)
    indices = list(
        DATA_SAMPLERS.build(sampler, default_args=dict(dataset=train))
    )
    assert sorted(indices) == [(0, i) for i in range(7)] + [
        (1, i) for i in range(4)
    ]
    test = build(root, pipeline=[], test_mode=True)
    indices = list(
        DATA_SAMPLERS.build(sampler, default_args=dict(dataset=test))
    )
    assert [test[index]['frame_id'] for index in indices] == [
        list(range(length)) for length in NUM_FRAMES.values()
    ]


def list_indices(root, rank: int, folder) -> None:
    """Write the samples that one of two processes gets."""
    datasets = build(root), build(root, pipeline=[], test_mode=True)
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


def test_processes_share_the_samples(root, tmp_path):
    run_ranks(partial(list_indices, root), tmp_path)
    (train_0, test_0), (train_1, test_1) = (
        json.loads((tmp_path / f'{rank}.json').read_text())
        for rank in range(2)
    )
    assert (test_0, test_1) == ([[0, 0]], [[1, 0]])
    assert len(train_0) == len(train_1) == 6
    everything = [[0, i] for i in range(7)] + [[1, i] for i in range(4)]
    both = sorted(train_0 + train_1)  # 11 samples and one twice
    assert [k for i, k in enumerate(both) if k not in both[:i]] == everything


def test_rejected_samples_are_replaced(root):
    """By clips of videos of the same orientation, all of them."""
    np.random.seed(0)
    dataset = build(root)
    for last, video_id, keys in (
        ((0, 6), 1, {0, 1, 2, 3, 4}),
        ((1, 3), 2, {0, 1, 3}),
    ):
        clips = [dataset[last] for _ in range(60)]
        assert {clip['video_id'][0] for clip in clips} == {video_id}
        assert {clip['frame_id'][0] for clip in clips} == keys


def test_labels_are_positions_in_classes(root):
    """Whatever the order in the file; other categories are left out."""
    dataset = build(root, metainfo=dict(classes=('owl', 'cat')))
    frame = dataset.get_data_info(0)['images'][2]
    assert [ann['bbox_label'] for ann in frame['instances']] == [1, 0]
    assert [ann['instance_id'] for ann in frame['instances']] == [1, 2]
    assert len(dataset) == 1  # no video with a dog only
    subset = build(root).get_subset([1])
    assert len(subset) == 1 and subset.get_len_per_video(0) == 4
    assert subset.prepare_data(subset._rand_another()) is not None


def test_frames_in_any_order_and_unfiltered(root, tmp_path):
    content = json.loads((root / 'train.json').read_text())
    content['images'].reverse()
    (tmp_path / 'a.json').write_text(json.dumps(content))
    dataset = build(
        root,
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


def test_clip_of_one_frame_is_an_error(root):
    with pytest.raises(ValueError, match='clip_len is 1.*at least 2'):
        build(root, clip_len=1)


@pytest.mark.parametrize(
    'classes, message',
    [
        ('cat', r"is the text 'cat', .* such as \('cat', \)"),
        (('cat', 'dog', 'cat'), "lists 'cat' twice"),
    ],
)
def test_bad_classes(root, classes, message):
    with pytest.raises(ValueError, match=message):
        build(root, metainfo=dict(classes=classes))


def test_missing_annotation_file(root):
    with pytest.raises(
        FileNotFoundError, match='nowhere.json does not exist.*convert'
    ):
        build(root, ann_file='nowhere.json')


def edit(field, value, index=1):
    """Return a function that changes one annotation or image."""

    def change(content):
        table, key = field.split('.')
        content[table][index][key] = value

    return change


@pytest.mark.parametrize(
    'change, message',
    [
        (
            edit('annotations.category_id', 77),
            r'bad\.json: annotation 2 has the unknown category 77.*\[1, 2, 3\]',
        ),
        (
            edit('annotations.segmentation', dict(size=[60, 96], counts='0')),
            r'bad\.json: annotation 2: the mask in image 2 '
            r'\(landscape/00001\.png\) is 60 x 96 .*image is 64 x 96',
        ),
        (
            edit(
                'annotations.segmentation', dict(size=[64, 96], counts=[9, 9])
            ),
            r'bad\.json: annotation 2: the mask in image 2 '
            r'\(landscape/00001\.png\) has runs of 18 pixels .*has 64 x 96',
        ),
        (
            edit('annotations.segmentation', None),
            "annotation 2: the field 'segmentation' is null, but must be a li",
        ),
        (edit('annotations.id', 1), 'annotation 1: another annotation has '),
        (edit('annotations.image_id', 99), 'belongs to image 99'),
        (edit('annotations.instance_id', 0), 'instance_id 0; ids start at 1'),
        (
            edit('images.width', 90, index=12),
            'frames of video 2 differ in size: .*96 x 64 .* 96 x 90',
        ),
        (edit('images.frame_id', 0), 'video 1 has two frames with frame_id 0'),
        (
            lambda content: content['categories'].pop(),
            "bad.json has no category named 'owl'; its categories are cat, dog",
        ),
        (lambda content: content['images'].clear(), 'the dataset is empty'),
        (edit('images.height', 0), "image 2: the field 'height' is 0, but"),
        (edit('images.width', '96'), 'image 2: the field .* "96", but'),
        (edit('images.file_name', None), "image 2: the field 'file_name' is"),
        (edit('images.frame_id', -1), "the field 'frame_id' is -1, but must"),
        (edit('images.id', 1), 'image 1: another image has the same id'),
        (edit('videos.id', 1), 'video 1: another video has the same id'),
        (edit('categories.id', 1), 'category 1: another category has the sam'),
        (edit('categories.name', 'cat'), 'another category has the same nam'),
        (edit('annotations.iscrowd', 'no'), 'the field \'iscrowd\' is "no"'),
        (edit('annotations.instance_id', 'a'), 'instance_id a; ids start at'),
        (edit('annotations.instance_id', 2**31), 'numbers up to 2147483647'),
        (edit('annotations.instance_id', -1), 'instance_id -1; ids start at'),
        (
            lambda content: content['annotations'][3].update(instance_id=1),
            r'in landscape/00002\.png the id 1 is given twice',
        ),
        (
            lambda content: content.update(annotations=None),
            "the field 'annotations' is null, but must be a list",
        ),
        (
            lambda content: content['annotations'].clear(),
            'bad.json has nothing to train on: of 13 frames in 2 videos 0 show',
        ),
        (
            lambda content: content.pop('images'),
            'has no images: it is not a per-image .*youtube_vis_to_coco',
        ),
    ],
)
def test_bad_annotations(root, tmp_path, change, message):
    content = json.loads((root / 'train.json').read_text())
    change(content)
    (tmp_path / 'bad.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        build(root, ann_file=str(tmp_path / 'bad.json'))


def load(root, tmp_path, change, **kwargs):
    """Build a dataset of a changed annotation file."""
    content = json.loads((root / 'train.json').read_text())
    change(content)
    path = tmp_path / 'mit Leerzeichen, ö.json'
    text = json.dumps(content, ensure_ascii=False)
    path.write_bytes(b'\xef\xbb\xbf' + text.encode())
    return build(root, ann_file=str(path), **kwargs)


def instances_of(dataset):
    return [
        (frame['img_path'], frame['instances'])
        for video in map(dataset.get_data_info, range(len(dataset)))
        for frame in video['images']
    ]


@pytest.mark.parametrize(
    'changes',
    [
        dict(bbox=None, area=None),
        dict(bbox=[], area=0),
        dict(bbox=[0, 0, 0, 0]),
        dict(bbox=[0.1, 0.2, 0.1, 0.1]),
        dict(bbox=[500, 500, 5, 5]),
        dict(bbox='x', area='y'),
        dict(bbox=[float('nan')] * 4, area=-1),
    ],
)
def test_boxes_and_areas_follow_from_masks(root, tmp_path, changes):
    def change(content):
        for ann in content['annotations']:
            ann.update(changes)

    def remove(content):
        for ann in content['annotations']:
            del ann['bbox'], ann['area'], ann['iscrowd']

    sound = build(root)
    expected = instances_of(sound)
    for spoil in (change, remove):
        dataset = load(root, tmp_path, spoil)
        assert instances_of(dataset) == expected
        assert dataset.num_annotations == 16 and not dataset.left_out
    instance = expected[0][1][0]
    assert instance['bbox'] == [8, 8, 38, 48]  # x1, y1, x2, y2
    assert instance['ignore_flag'] == 0


@pytest.mark.parametrize(
    'changes, reason',
    [
        (dict(segmentation=[]), 'mask without a pixel'),
        (dict(segmentation=[[3, 3, 4, 4]]), 'mask without a pixel'),
        (dict(segmentation=[[-9, -9, -9, -5, -5, -5]]), 'mask without a pixe'),
        (dict(ignore=1), "marked by 'ignore'"),
    ],
)
def test_what_is_left_out_is_counted(root, tmp_path, changes, reason):
    dataset = load(
        root,
        tmp_path,
        lambda content: content['annotations'][0].update(changes),
    )
    assert dataset.num_annotations == 16
    assert [
        (key[: len(reason)], n) for key, n in dataset.left_out.items()
    ] == [(reason, 1)]
    frames = instances_of(dataset)
    assert sum(len(instances) for _, instances in frames) == 15
    assert frames[0][1] == []


def test_other_categories_are_counted(root):
    dataset = build(root, metainfo=dict(classes=('owl',)))
    assert dataset.left_out == {'of a category that is not in classes': 10 + 1}
    assert dataset.metainfo['category_ids'] == (3,)


def test_ids_may_be_texts_and_large(root, tmp_path):
    """They are kept for results; texts and numbers may be mixed."""

    def change(content):
        for category in content['categories']:
            category['id'] = {1: 40, 2: 'x', 3: 3}[category['id']]
        for video in content['videos']:
            video['id'] = {1: 'ä b', 2: 2**60}[video['id']]
        for image in content['images']:
            image['video_id'] = {1: 'ä b', 2: str(2**60)}[image['video_id']]
            image['id'] = f'image {image["id"]}'
        for ann in content['annotations']:
            ann['image_id'] = f'image {ann["image_id"]}'
            ann['category_id'] = {1: '40', 2: 'x', 3: 3.0}[ann['category_id']]
            ann['instance_id'] = str(ann['instance_id'])

    dataset = load(root, tmp_path, change)
    assert instances_of(dataset) == instances_of(build(root))
    assert dataset.metainfo['category_ids'] == (40, 'x', 3)
    videos = [dataset.get_data_info(i) for i in range(2)]
    assert [video['video_id'] for video in videos] == ['ä b', 2**60]
    names = [video['images'][0]['video_name'] for video in videos]
    assert names == ['landscape', 'portrait']


def test_crowds_are_marked_and_videos_named(root, tmp_path):
    """A crowd is kept, but not trained on; the file may name its videos."""

    def change(content):
        content['annotations'][0]['iscrowd'] = 1
        content['videos'][0]['name'] = 'day 1'

    dataset = load(root, tmp_path, change)
    flags = [
        a['ignore_flag'] for _, anns in instances_of(dataset) for a in anns
    ]
    assert flags == [1] + [0] * 15
    names = [
        dataset.get_data_info(i)['images'][-1]['video_name'] for i in range(2)
    ]
    assert names == ['day 1', 'portrait']


def test_fields_of_single_frames_do_not_shift_others(root, tmp_path):
    """MMDetection makes a list of every field, which must not be shorter."""

    def change(content):
        content['images'][3]['license'] = 7

    dataset = load(root, tmp_path, change, pipeline=[], test_mode=True)
    lengths = {len(values) for values in dataset[0].values()}
    assert lengths == {7} and 'license' not in dataset[0]


def test_clips_longer_than_all_videos(root):
    with pytest.raises(ValueError, match='starts 8 consecutive frames'):
        build(root, clip_len=8)


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
