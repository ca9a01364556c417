# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tests on a user's own panoptic data, and the output of the tools."""

import copy
import json

import numpy as np
import pytest
from mmdet.structures import DetDataSample

from tests.test_evaluation.panoptic_samples import build, encode
from tests.test_evaluation.user_panoptic import (
    NAMES,
    load,
    run_test,
    save,
    tool_options,
    write,
)
from tools.analysis_tools import eval_stq, eval_vpq


def make_frames(folder, count=2, **metainfo):
    """A predicted video without ground truth."""
    frames = []
    for t in range(count):
        frame = DetDataSample(
            metainfo=dict(
                img_path=f'{folder}/{t}.jpg',
                frame_id=t,
                video_length=count,
                **metainfo,
            )
        )
        frame.pred_panoptic_map = encode(np.ones((4, 4), int), 3)
        frames.append(frame)
    return dict(video_data_samples=frames)


def each_segment(content):
    for frame in content['annotations'][0]['annotations']:
        yield from frame['segments_info']


def run_tools(root):
    """VPQ and STQ of both tools."""
    values = []
    for tool, key in ((eval_vpq, 'VPQ'), (eval_stq, 'STQ')):
        tool.main([*tool_options(root), f'--out={root}/{key}.json'])
        values.append(json.loads((root / f'{key}.json').read_text())[key])
    return values[0]['All'], values[1]


def check_tools(root, values):
    """Compare the tools with the test."""
    vpq, stq = run_tools(root)
    assert vpq == pytest.approx(values['vps/VPQ'], abs=1e-9)
    assert stq == pytest.approx(values['vps/STQ'], abs=1e-9)
    assert 50 < vpq < 100


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(ids=(0, 1, 2)),
        dict(ids=(1, 2, 3)),
        dict(ids=(1, 2, 3), labels=(1, 1, 2)),  # the first class is absent
        dict(ids=(40, 3, 17)),
        dict(ids=('a', 'b', '7')),
        dict(names=('небо', 'трава', 'квадрат')),
        dict(video=7),
        dict(video='day 1/front, left'),
        dict(video='SEQ', frames=[f'img1/{t:06d}' for t in range(1, 7)]),
        dict(frames=[str(t) for t in range(1, 13)]),
    ],
)
def test_a_submission_has_the_ids_of_the_user(tmp_path, kwargs):
    content = write(tmp_path, **kwargs)
    values = run_test(tmp_path, kwargs.get('names', NAMES))
    check_tools(tmp_path, values)
    pred = json.loads((tmp_path / 'sub/pred.json').read_text())
    assert pred['categories'] == content['categories']
    video, annotation = pred['annotations'][0], content['annotations'][0]
    assert video['video_id'] == annotation['video_id']
    for found, want in zip(
        video['annotations'], annotation['annotations'], strict=True
    ):
        assert found['file_name'] == want['file_name']
        assert found['image_id'] == want['image_id']
        of_user = {s['category_id'] for s in want['segments_info']}
        mistake = content['categories'][0]['id']
        of_test = {s['category_id'] for s in found['segments_info']}
        assert of_test == of_user | {mistake}


def test_ids_of_a_prediction_without_metainfo_are_explained(tmp_path):
    """If pred.json names labels as ids, the tools match the names."""
    write(tmp_path, ids=(3, 1, 2))
    values = run_test(tmp_path)
    path = tmp_path / 'sub/pred.json'
    pred = json.loads(path.read_text())
    labels = {3: 0, 1: 1, 2: 2}
    for entry in [*pred['categories'], *each_segment(pred)]:
        key = 'id' if 'name' in entry else 'category_id'
        entry[key] = labels[entry[key]]
    path.write_text(json.dumps(pred))
    check_tools(tmp_path, values)
    pred['categories'][1]['name'] = 'meadow'
    path.write_text(json.dumps(pred))
    with pytest.raises(SystemExit, match="category 1 is named 'meadow', but"):
        run_tools(tmp_path)


@pytest.mark.parametrize('area', [None, 0, 0.25, 1, 10**6, 'absent'])
def test_areas_are_counted_in_the_masks(tmp_path, area):
    content = write(tmp_path)
    expected = run_test(tmp_path)
    for segment in each_segment(content):
        segment['area'] = area
        if area == 'absent':
            del segment['area']
    save(tmp_path, content)
    assert run_test(tmp_path) == expected
    check_tools(tmp_path, expected)


def test_text_in_place_of_numbers(tmp_path):
    content = write(tmp_path)
    expected = run_test(tmp_path)
    for segment in each_segment(content):
        for key in ('id', 'category_id'):
            segment[key] = str(segment[key])
    save(tmp_path, content)
    assert run_test(tmp_path) == expected
    check_tools(tmp_path, expected)


def test_frames_in_the_order_of_text(tmp_path):
    """The order 1, 10, 11, 2 is read as an error of the writing program."""
    content = write(tmp_path, frames=[str(t) for t in range(1, 13)])
    expected = run_test(tmp_path)
    for video in (content['videos'][0]['images'], *content['annotations']):
        frames = video if isinstance(video, list) else video['annotations']
        frames.sort(key=lambda f: f['file_name'])
    save(tmp_path, content)
    images = load(tmp_path).get_data_info(0)['images']
    assert [i['img_id'] for i in images] == [str(t) for t in range(1, 13)]
    assert run_test(tmp_path) == expected
    check_tools(tmp_path, expected)


def places(tree, path=()):
    """List the paths of all fields, and of the first item of lists."""
    if path and isinstance(path[-1], str):
        yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from places(value, (*path, key))
    elif isinstance(tree, list) and tree:
        yield from places(tree[0], (*path, 0))


@pytest.mark.parametrize('value', ['absent', None, [], {'a': 1}, 2.5])
def test_a_wrong_field_is_one_line(tmp_path, capsys, value):
    """There is no error if the field is not needed."""
    write(tmp_path, frames=2)
    run_test(tmp_path)
    messages = 0
    for name in ('gt.json', 'sub/pred.json'):
        content = json.loads((tmp_path / name).read_text())
        for path in places(content):
            spoilt = copy.deepcopy(content)
            owner = spoilt
            for key in path[:-1]:
                owner = owner[key]
            owner[path[-1]] = value
            if value == 'absent':
                del owner[path[-1]]
            (tmp_path / name).write_text(json.dumps(spoilt))
            for tool in (eval_vpq, eval_stq):
                try:
                    tool.main(tool_options(tmp_path))
                except SystemExit as end:
                    assert name in end.code or 'frame 0' in end.code
                    assert '\n' not in end.code
                    messages += 1
            if name == 'gt.json':
                try:
                    load(tmp_path)
                except ValueError as error:
                    assert name in str(error) and '\n' not in str(error)
        (tmp_path / name).write_text(json.dumps(content))
    assert messages >= 20


def test_two_frames_never_have_one_output(tmp_path):
    metric = build(
        'VPQ', load_meta(), format_only=True, outfile_prefix=str(tmp_path)
    )
    for folder in ('x/a/b', 'x/c/b', 'SEQ1/img1', 'SEQ2/img1'):
        metric.process({}, [make_frames(folder)])
    metric.evaluate(4)
    assert len(list(tmp_path.rglob('*.png'))) == 8
    metric.process({}, [make_frames('x/a/b', video_id='a')])
    metric.process({}, [make_frames('x/a/b', video_id='a/b')])
    with pytest.raises(ValueError, match='Videos a and a/b both have .*b/0'):
        metric.evaluate(2)
    for name in ('../a', '/a', ''):
        with pytest.raises(ValueError, match='is no name of a folder'):
            metric.process({}, [make_frames('x/a', video_id=name)])


def load_meta():
    return dict(
        classes=NAMES,
        thing_classes=NAMES[2:],
        palette=[(1, 2, 3), (4, 5, 6), (7, 8, 9)],
    )


def test_frames_are_ordered_by_their_number(tmp_path):
    """The order in which a model returns frames does not matter."""
    metric = build(
        'VPQ', load_meta(), format_only=True, outfile_prefix=str(tmp_path)
    )
    sample = make_frames('x/a', count=3)
    sample['video_data_samples'].reverse()
    metric.process({}, [sample])
    metric.evaluate(1)
    pred = json.loads((tmp_path / 'pred.json').read_text())
    frames = pred['annotations'][0]['annotations']
    assert [f['file_name'] for f in frames] == ['0.png', '1.png', '2.png']
