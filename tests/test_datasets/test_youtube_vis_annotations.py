# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

import projects.maxtron  # noqa: F401

import pytest

from tests.test_datasets.youtube_vis import build


@pytest.mark.parametrize(
    'classes, message',
    [
        ('cat', r"is the text 'cat', .* such as \('cat', \)"),
        (('cat', 'dog', 'cat'), "lists 'cat' twice"),
    ],
)
def test_bad_classes(video_root, classes, message):
    with pytest.raises(ValueError, match=message):
        build(video_root, metainfo=dict(classes=classes))


def test_missing_annotation_file(video_root):
    with pytest.raises(
        FileNotFoundError, match='nowhere.json does not exist.*convert'
    ):
        build(video_root, ann_file='nowhere.json')


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
        (edit('annotations.image_id', 99), 'belongs to image_id 99'),
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
        (edit('images.file_frame_id', 1), 'must all have a file_frame_id'),
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
def test_bad_annotations(video_root, tmp_path, change, message):
    content = json.loads((video_root / 'train.json').read_text())
    change(content)
    (tmp_path / 'bad.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        build(video_root, ann_file=str(tmp_path / 'bad.json'))


def load(video_root, tmp_path, change, **kwargs):
    """Build a dataset of a changed annotation file."""
    content = json.loads((video_root / 'train.json').read_text())
    change(content)
    path = tmp_path / 'mit Leerzeichen, ö.json'
    text = json.dumps(content, ensure_ascii=False)
    path.write_bytes(b'\xef\xbb\xbf' + text.encode())
    return build(video_root, ann_file=str(path), **kwargs)


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
def test_boxes_and_areas_follow_from_masks(video_root, tmp_path, changes):
    def change(content):
        for ann in content['annotations']:
            ann.update(changes)

    def remove(content):
        for ann in content['annotations']:
            del ann['bbox'], ann['area'], ann['iscrowd']

    sound = build(video_root)
    expected = instances_of(sound)
    for spoil in (change, remove):
        dataset = load(video_root, tmp_path, spoil)
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
def test_what_is_left_out_is_counted(video_root, tmp_path, changes, reason):
    dataset = load(
        video_root,
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


def test_other_categories_are_counted(video_root):
    dataset = build(video_root, metainfo=dict(classes=('owl',)))
    assert dataset.left_out == {'of a category that is not in classes': 10 + 1}
    assert dataset.metainfo['category_ids'] == (3,)


def test_ids_may_be_texts_and_large(video_root, tmp_path):
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

    dataset = load(video_root, tmp_path, change)
    assert instances_of(dataset) == instances_of(build(video_root))
    assert dataset.metainfo['category_ids'] == (40, 'x', 3)
    videos = [dataset.get_data_info(i) for i in range(2)]
    assert [video['video_id'] for video in videos] == ['ä b', 2**60]
    names = [video['images'][0]['video_name'] for video in videos]
    assert names == ['landscape', 'portrait']


def test_crowds_are_marked_and_videos_named(video_root, tmp_path):
    """A crowd is kept, but not trained on; the file may name its videos."""

    def change(content):
        content['annotations'][0]['iscrowd'] = 1
        content['videos'][0]['name'] = 'day 1'

    dataset = load(video_root, tmp_path, change)
    flags = [
        a['ignore_flag'] for _, anns in instances_of(dataset) for a in anns
    ]
    assert flags == [1] + [0] * 15
    names = [
        dataset.get_data_info(i)['images'][-1]['video_name'] for i in range(2)
    ]
    assert names == ['day 1', 'portrait']


def test_fields_of_single_frames_do_not_shift_others(video_root, tmp_path):
    """MMDetection makes a list of every field, which must not be shorter."""

    def change(content):
        content['images'][3]['license'] = 7

    dataset = load(video_root, tmp_path, change, pipeline=[], test_mode=True)
    lengths = {len(values) for values in dataset[0].values()}
    assert lengths == {7} and 'license' not in dataset[0]
