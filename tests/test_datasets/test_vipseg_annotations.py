# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Valid and invalid annotations of VIPSeg."""

import json

from projects.maxtron.datasets import VIPSegDataset

import cv2
import pytest

from tests.test_datasets.tiny_panoptic import (
    DOOR,
    GRASS,
    WALL,
    annotations,
    build,
    color_id,
    draw_frame,
    draw_map,
    write_map,
)


def spoil_size(root):
    write_map(
        root / 'panomasksRGB/landscape/00000.png',
        draw_map('landscape', 0)[:-1],
        True,
    )


def spoil_id(root):
    ids = draw_map('landscape', 0)
    ids[0, 0] = 500
    write_map(root / 'panomasksRGB/landscape/00000.png', ids, True)


def spoil_missing_id(root):
    ids = draw_map('landscape', 0)
    ids[ids == 301] = 0
    write_map(root / 'panomasksRGB/landscape/00000.png', ids, True)


def spoil_layout(root):
    write_map(
        root / 'panomasksRGB/landscape/00000.png',
        draw_map('landscape', 0),
        False,
    )


def spoil_png(root):
    (root / 'panomasksRGB/landscape/00000.png').write_bytes(b'\x89PNG')


def spoil_empty(root):
    (root / 'panomasksRGB/landscape/00000.png').write_bytes(b'')


def spoil_no_map(root):
    (root / 'panomasksRGB/landscape/00000.png').unlink()


def spoil_no_image(root):
    (root / 'images/landscape/00000.png').unlink()


def spoil_image_size(root):
    path = root / 'images/landscape/00000.png'
    cv2.imwrite(str(path), draw_frame('landscape', 0)[:-1])


@pytest.mark.parametrize(
    'spoil, message',
    [
        (spoil_size, 'map is 63 x 96.*image .*00000.png is 64 x 96'),
        (spoil_id, f'has the segment {color_id(500)}.*does not list'),
        (spoil_missing_id, f'lists the segment {color_id(301)}.*no pixel'),
        (spoil_layout, r'has 1 channel\(s\) of uint16, not 8 bit RGB'),
        (spoil_png, 'cannot be read as an image'),
        (spoil_empty, 'cannot be read as an image'),
        (spoil_no_map, 'does not exist'),
        (spoil_no_image, 'does not exist'),
        (spoil_image_size, 'is 63 x 96.*annotation file says 64 x 96'),
    ],
)
def test_map_disagrees(own_root, spoil, message):
    spoil(own_root)
    dataset = build(own_root, clip_len=7)
    match = f'Frame 0 of video landscape.*landscape/00000.png.*{message}'
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        dataset[0]
    dataset[1]  # the other video is as it was


def first_segment(content):
    return content['annotations'][0]['annotations'][0]['segments_info'][0]


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda c: first_segment(c).update(category_id=124),
            'landscape, frame 00000.png, segment .* has the unknown category 124',
        ),
        (
            lambda c: first_segment(c).update(id=0),
            "the field 'id' is 0, which is no id of a segment",
        ),
        (lambda c: first_segment(c).update(id=1 << 24), 'no id of a segment'),
        (
            lambda c: first_segment(c).pop('category_id'),
            "segment 7895160: the field 'category_id' is missing",
        ),
        (
            lambda c: first_segment(c).update(area='12'),
            'the field \'area\' is "12", but must be a number of pixels',
        ),
        (
            lambda c: first_segment(c).update(iscrowd=None),
            "the field 'iscrowd' is null, but must be 0 or 1",
        ),
        (
            lambda c: c['annotations'][0]['annotations'][0][
                'segments_info'
            ].append(dict(first_segment(c), category_id=3)),
            '00000.png, segment .* listed with two categories',
        ),
        (
            lambda c: c['annotations'][0]['annotations'].pop(2),
            'landscape, frame 00002.png: the frame has no annotations',
        ),
        (
            lambda c: c['videos'][0]['images'].pop(2),
            'landscape, frame 00002.png: the frame has annotations, but',
        ),
        (
            lambda c: c['videos'][0]['images'].append(
                c['videos'][0]['images'][1]
            ),
            'landscape, frame 00001.png: another frame of the video has',
        ),
        (
            lambda c: c['annotations'][1]['annotations'].append(
                c['annotations'][1]['annotations'][4]
            ),
            'portrait, frame 00004.png: another frame of the video has',
        ),
        (
            lambda c: c['annotations'].pop(1),
            'video portrait: the video has no annotations',
        ),
        (
            lambda c: c['videos'].pop(1),
            'portrait: the video has annotations, but is not',
        ),
        (
            lambda c: c['videos'].append(c['videos'][0]),
            'landscape: another video has the same video_id',
        ),
        (
            lambda c: c['annotations'].append(c['annotations'][0]),
            'landscape: another annotated video has the same video_id',
        ),
        (
            lambda c: c['videos'][1]['images'][3].update(width=65),
            'portrait: .*00000.png is 96 x 64 .*00003.png is 96 x 65',
        ),
        (
            lambda c: c['videos'][1].update(images=[]),
            'portrait: the video has no frames',
        ),
        (lambda c: c['videos'].clear(), 'lists no videos'),
        (lambda c: c.pop('categories'), "the field 'categories' is missing"),
        (
            lambda c: c['categories'][7].update(name='fence'),
            "a category named 'handrail_or_fence'",
        ),
        (
            lambda c: c['categories'][7].update(isthing=1),
            "'handrail_or_fence' is a thing, but not so",
        ),
    ],
)
def test_inconsistent_json(own_root, change, message):
    content = json.loads(json.dumps(annotations()))
    change(content)
    (own_root / 'train.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        build(own_root)
    assert 'train.json' in str(error.value)


def test_wrong_arguments(root, own_root):
    with pytest.raises(FileNotFoundError, match='nowhere.json'):
        build(root, 'nowhere.json')
    with pytest.raises(FileNotFoundError, match='nowhere.txt'):
        build(root, 'nowhere.txt')
    with pytest.raises(ValueError, match="'train.csv'; it must be a .json"):
        build(root, 'train.csv')
    with pytest.raises(ValueError, match='clip_len is 0'):
        build(root, clip_len=0)
    with pytest.raises(ValueError, match='reverse_prob .* is 2'):
        build(root, pipeline=[dict(type='RandomClipSampler', reverse_prob=2)])
    things = VIPSegDataset.METAINFO['thing_classes']
    with pytest.raises(ValueError, match='wrong for door, x'):
        build(root, metainfo=dict(thing_classes=(*things[1:], 'x')))
    names = tuple(map(str, range(256)))  # 255 stands for no label
    for count, message in (
        (256, 'has 256 classes.* more than 255'),
        (255, "category named '0'"),
    ):
        with pytest.raises(ValueError, match=message):
            build(
                root,
                metainfo=dict(
                    classes=names[:count],
                    thing_classes=(),
                    stuff_classes=names[:count],
                ),
            )
    for text, message in (
        ('', 'lists no videos'),
        (
            'portrait\nportrait\n',
            'line 2: video portrait is listed before, in line 1',
        ),
        ('portrait\nnone\n', 'lists the video none, but'),
    ):
        (own_root / 'train.txt').write_text(text)
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            build(own_root, 'train.txt')


def test_category_order_is_free(own_root):
    """Labels follow the names, whatever the ids of the file."""
    content = json.loads(json.dumps(annotations()))
    for category in content['categories']:
        category['id'] = 1000 - category['id']
    for video in content['annotations']:
        for frame in video['annotations']:
            for seg in frame['segments_info']:
                seg['category_id'] = 1000 - seg['category_id']
    (own_root / 'train.json').write_text(json.dumps(content))
    assert set(build(own_root).get_cat_ids(1)) == {WALL, DOOR, 4, GRASS}


def test_segment_listed_in_parts_is_one(own_root):
    content = json.loads(json.dumps(annotations()))
    segment = first_segment(content)
    whole = segment['area']
    segment['area'] = 1
    content['annotations'][0]['annotations'][0]['segments_info'].append(
        dict(segment, area=whole - 1)
    )
    (own_root / 'train.json').write_text(json.dumps(content))
    infos = build(own_root).get_data_info(0)['images'][0]['segments_info']
    ids = [info['id'] for info in infos]
    assert len(set(ids)) == len(ids)
    assert infos[ids.index(segment['id'])]['area'] == whole
