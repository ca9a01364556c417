# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.scripts import run_fork
from tools.dataset_converters.youtube_vis_to_coco import convert, main

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / 'tests/data/parity/vis/convert.json').read_text())
TRAIN = json.dumps(GOLDEN['input'])
VALID = json.dumps({k: GOLDEN['input'][k] for k in ('videos', 'categories')})


@pytest.fixture
def run(capsys):
    """Run the tool; return its exit status or message, and stderr."""

    def start(*args):
        status = None
        try:
            main([str(arg) for arg in args])
        except SystemExit as end:
            status = end.code
        err = capsys.readouterr().err
        return SimpleNamespace(status=status, stderr=err)

    return start


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_equals_the_reference():
    assert convert(GOLDEN['input'], True) == GOLDEN['train']
    assert convert(GOLDEN['input'], False) == GOLDEN['valid']


@pytest.mark.parametrize(
    'version, train, valid, output',
    [
        ('2019', 'train.json', 'valid.json', 'youtube_vis_2019_{}.json'),
        (
            '2021',
            'train/instances.json',
            'valid/instances.json',
            'youtube_vis_2021_{}.json',
        ),
        (
            '2022',
            'train/instances.json',
            'valid/instances.json',
            'youtube_vis_2022_{}.json',
        ),
        (
            'ovis',
            'annotations_train.json',
            'annotations_valid.json',
            'ovis_{}.json',
        ),
        ('custom', 'train.json', 'valid.json', '{}.json'),
    ],
)
def test_layouts(run, tmp_path, version, train, valid, output):
    """A missing test split is no error; no unfinished file remains."""
    write(tmp_path / train, TRAIN)
    write(tmp_path / valid, VALID)
    assert run(tmp_path, '--version', version).status is None
    out = tmp_path / 'annotations'
    assert {path.name for path in out.iterdir()} == {
        output.format('train'),
        output.format('valid'),
    }
    for split in ('train', 'valid'):
        written = json.loads((out / output.format(split)).read_text())
        assert written == GOLDEN[split]


@pytest.mark.slow
def test_ground_truth_of_valid(run, tmp_path):
    """OVIS publishes the file under another name."""
    write(tmp_path / 'validGT.json', TRAIN)
    source = tmp_path / 'validGT.json'
    args = [tmp_path, '--version=ovis', '--source', source, '--splits=valid']
    target = tmp_path / 'annotations/ovis_valid.json'
    # from the command line
    result = run_fork(
        'tools/dataset_converters/youtube_vis_to_coco.py', tmp_path, *args
    )
    assert result.returncode == 0, result.stderr
    assert '4/4' in result.stdout  # progress
    assert json.loads(target.read_text()) == GOLDEN['valid']
    assert run(*args, '--with-gt').status is None
    assert json.loads(target.read_text()) == GOLDEN['train']
    write(tmp_path / 'validGT.json', VALID)
    result = run(*args, '--with-gt')
    assert 'validGT.json has no annotations' in result.status
    assert json.loads(target.read_text()) == GOLDEN['train']  # as it was


def test_missing_and_converted_files(run, tmp_path):
    result = run(tmp_path, '--version', '2019')
    assert result.status == 2 and 'error: No such file' in result.stderr
    (tmp_path / 'train.json').write_text(TRAIN[:100])
    message = run(tmp_path, '--version', '2019').status
    assert message.startswith(
        f'error: {tmp_path}/train.json is not a JSON file'
    )
    write(tmp_path / 'train.json', json.dumps(GOLDEN['train']))
    message = run(tmp_path, '--version', '2019').status
    assert 'is not an original annotation file' in message
    assert not (tmp_path / 'annotations').exists()


@pytest.mark.parametrize(
    'key, value, message',
    [
        (
            'category_id',
            9,
            r'annotation 4 has the unknown category 9; .*1, 2, 3',
        ),
        ('video_id', 9, 'annotation 4 belongs to video_id 9'),
        ('areas', [1], 'annotation 4 has 1 areas, but video 2 has 8 frames'),
    ],
)
def test_bad_annotations(key, value, message):
    source = json.loads(TRAIN)
    source['annotations'][0][key] = value
    with pytest.raises(ValueError, match=message):
        convert(source, True)


def test_videos_without_frames_and_masks_of_another_size():
    source = json.loads(VALID)
    source['videos'][0]['file_names'] = []
    with pytest.raises(ValueError, match=r'video \d+ has no frames'):
        convert(source, False)
    source = json.loads(TRAIN)
    ann = source['annotations'][0]
    frame, mask = next(
        (frame, mask)
        for frame, mask in enumerate(ann['segmentations'])
        if mask is not None
    )
    mask['size'] = [2, 3]
    message = f'annotation {ann["id"]}: the mask of frame {frame} .* is 2 x 3 '
    with pytest.raises(ValueError, match=message):
        convert(source, True)


def square(x=5):
    return [[x, 20, x + 30, 20, x + 30, 50, x, 50]]


def own_file(**changes):
    """A file of one video of two frames with two tracks."""
    content = dict(
        categories=[dict(id=1, name='square')],
        videos=[
            dict(
                id=1,
                height=96,
                width=160,
                length=2,
                file_names=['v/0.jpg', 'v/1.jpg'],
            )
        ],
        annotations=[
            dict(
                id=i,
                video_id=1,
                category_id=1,
                iscrowd=0,
                areas=[961, 961],
                bboxes=[[x, 20, 31, 31]] * 2,
                segmentations=[square(x)] * 2,
            )
            for i, x in ((7, 5), (8, 90))
        ],
    )
    content['annotations'][1].update(changes)
    return content


@pytest.mark.parametrize(
    'changes, note',
    [
        (dict(bboxes=[None, None]), None),
        (dict(bboxes=[]), None),
        (dict(bboxes=None), None),
        (dict(bboxes=[[0, 0, 0, 0]] * 2), '2 boxes that differ'),
        (dict(bboxes=[[0.5, 0.2, 0.2, 0.3]] * 2), '2 boxes that differ'),
        (dict(bboxes=[[90, 20, 31, 31], [90, 20]]), '1 boxes that differ'),
        (dict(bboxes=[['90', None, 1, 2], 'x']), '2 boxes that differ'),
        (dict(bboxes=[[float('nan')] * 4] * 2), '2 boxes that differ'),
        (dict(bboxes=[[90, 20, 121, 51]] * 2), '2 boxes that differ'),
        (dict(bboxes=[[91, 20, 29, 30], [91.5, 20, 30, 30]]), '1 boxes that'),
        (dict(areas=[0, 0]), None),
        (dict(areas=[None, -1]), None),
        (dict(areas=[]), None),
        (dict(areas=None), None),
    ],
)
def test_boxes_and_areas_follow_from_masks(
    run, tmp_path, capsys, changes, note
):
    """A mask is never lost because of its box or area in the file."""
    source = own_file(**changes)
    (tmp_path / 'train.json').write_text(json.dumps(source))
    main([str(tmp_path), '--version', 'custom'])
    output = capsys.readouterr().out
    converted = json.loads((tmp_path / 'annotations/train.json').read_text())
    assert converted == convert(own_file(), True)
    boxes = [ann['bbox'] for ann in converted['annotations']]
    assert boxes == [[5, 20, 30, 30], [90, 20, 30, 30]] * 2
    assert {ann['area'] for ann in converted['annotations']} == {900}
    notes = [line for line in output.splitlines() if line.startswith('note')]
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


@pytest.mark.parametrize('field', ['bboxes', 'areas', 'iscrowd', 'length'])
def test_redundant_fields_may_be_missing(field):
    source = own_file()
    for entry in (*source['annotations'], *source['videos']):
        entry.pop(field, None)
    assert convert(source, True) == convert(own_file(), True)


@pytest.mark.parametrize(
    'mask', [None, [], [[]], [[30, 30]], [[20, 20, 60, 20]], [[0] * 7]]
)
def test_masks_without_a_pixel_are_left_out_and_counted(
    tmp_path, capsys, mask
):
    source = own_file(segmentations=[square(90), mask])
    (tmp_path / 'train.json').write_text(json.dumps(source))
    main([str(tmp_path), '--version', 'custom'])
    output = capsys.readouterr().out
    converted = json.loads((tmp_path / 'annotations/train.json').read_text())
    tracks = [a['instance_id'] for a in converted['annotations']]
    assert tracks == [1, 2, 1]
    what = 'boxes without a mask' if mask is None else 'masks without a pixel'
    assert f'note: 1 {what} left out\n' in output
    assert 'tracks without a mask' not in output
    source = own_file(segmentations=[mask, mask])
    (tmp_path / 'train.json').write_text(json.dumps(source))
    main([str(tmp_path), '--version', 'custom'])
    output = capsys.readouterr().out
    assert 'note: 1 tracks without a mask in any frame\n' in output


def remove(group, field):
    def change(content):
        (content[group][0] if group else content).pop(field)

    return change


def put(group, field, value, index=-1):
    def change(content):
        content[group][index][field] = value

    return change


def repeat(group, **changes):
    return lambda content: content[group].append(
        dict(content[group][0], **changes)
    )


@pytest.mark.parametrize(
    'change, message',
    [
        *(
            (remove('annotations', f), f": the field '{f}' is missing. The")
            for f in ('id', 'video_id', 'category_id', 'segmentations')
        ),
        *(
            (remove('videos', f), f": the field '{f}' is missing. The")
            for f in ('id', 'height', 'width', 'file_names')
        ),
        *(
            (remove('categories', f), f": the field '{f}' is missing. The")
            for f in ('id', 'name')
        ),
        (remove(None, 'categories'), "json: the field 'categories' is missin"),
        (remove(None, 'annotations'), 'train.json has no annotations'),
        (remove(None, 'videos'), 'is not an original annotation file'),
        (repeat('videos'), 'video 1: another video has the same id'),
        (repeat('videos', id='1'), 'video 1: another video has the same id'),
        (repeat('annotations'), 'annotation 7: another annotation has the sa'),
        (repeat('categories', name='b'), 'category 1: another category has '),
        (repeat('categories', id=2), 'category 2: another category has the '
         'same name'),
        (put('videos', 'height', '96'), "video 1: the field 'height' is \"96\""),
        (put('videos', 'height', 0), "video 1: the field 'height' is 0, but"),
        (put('videos', 'width', None), "the field 'width' is null, but must"),
        (put('videos', 'file_names', 'v'), "the field 'file_names' is \"v\""),
        (put('videos', 'file_names', [1, 2]), 'item 0 of file_names is 1'),
        (put('videos', 'id', [1]), "item 0 of videos: the field 'id' is a li"),
        (put('categories', 'name', 3), "category 1: the field 'name' is 3"),
        (put('annotations', 'iscrowd', 2), "annotation 8: the field 'iscrowd'"
         ' is 2, but must be 0 or 1'),
        (put('annotations', 'bboxes', 3), "annotation 8: the field 'bboxes' "),
        (put('annotations', 'bboxes', [None]), 'annotation 8 has 1 bboxes, '),
        (put('annotations', 'areas', [1] * 3), 'annotation 8 has 3 areas, bu'),
        (put('annotations', 'segmentations', None), "'segmentations' is null"),
        (put('annotations', 'segmentations', []), 'has 0 segmentations, but'),
        (put('annotations', 'video_id', 3), 'annotation 8 belongs to video_id 3'),
        (put('annotations', 'category_id', 0), 'has the unknown category 0'),
        (put('annotations', 'segmentations', [None, 'x']), 'annotation 8: the '
         'mask of frame 1 (v/1.jpg) is of type str, but must be run lengths'),
        (put('annotations', 'segmentations', [None, {}]), 'annotation 8: the '
         "mask of frame 1 (v/1.jpg) has no 'counts' that are a list or a"),
        (lambda content: content.update(annotations=[3]), 'item 0 of annot'),
        (lambda content: content.update(annotations={'1': 2}), "'annotations'"),
        (lambda content: content.update(videos=[]), 'videos is empty'),
    ],
)  # yapf: disable
def test_each_fault_of_a_field_is_one_line(run, tmp_path, change, message):
    content = own_file()
    change(content)
    (tmp_path / 'train.json').write_text(json.dumps(content))
    status = run(tmp_path, '--version', 'custom').status
    assert status.startswith(f'error: {tmp_path}/train.json'), status
    assert message in status and '\n' not in status, status
    assert not (tmp_path / 'annotations').exists()


def test_ids_and_names_of_the_file_are_kept(tmp_path):
    """Also texts, large numbers, non-ASCII names and a byte order mark."""
    content = own_file()
    content['categories'] = [dict(id=40, name='Größe'), dict(id='x', name='b')]
    content['videos'][0]['id'] = 2**60 + 1
    content['annotations'][0].update(video_id=2**60 + 1, category_id=40.0)
    content['annotations'][1].update(video_id=str(2**60 + 1), category_id='x')
    text = json.dumps(content, ensure_ascii=False)
    root = tmp_path / 'mit Leer zeichen, ö'
    root.mkdir()
    (root / 'train.json').write_bytes(b'\xef\xbb\xbf' + text.encode())
    main([str(root), '--version', 'custom'])
    converted = json.loads((root / 'annotations/train.json').read_text())
    assert converted['categories'] == content['categories']
    assert {ann['video_id'] for ann in converted['annotations']} == {2**60 + 1}
    ids = [ann['category_id'] for ann in converted['annotations']]
    assert ids == [40, 'x'] * 2 and isinstance(ids[0], int)


def test_frames_keep_their_order_unless_it_is_that_of_text(tmp_path, capsys):
    """The images are listed as in the file; frame_id is the temporal order."""
    names = ['v/0.jpg', 'v/1.jpg', 'v/10.jpg', 'v/2.jpg']
    for listed, noted in ((names, True), (names[::-1], False)):
        content = own_file()
        content['videos'][0]['file_names'] = listed
        for ann in content['annotations']:
            for field in ('segmentations', 'bboxes', 'areas'):
                ann[field] = ann[field] * 2
        (tmp_path / 'train.json').write_text(json.dumps(content))
        main([str(tmp_path), '--version', 'custom'])
        output = capsys.readouterr().out
        assert ('note: 1 video(s) that list 10 before 2' in output) == noted
        path = tmp_path / 'annotations/train.json'
        images = json.loads(path.read_text())['images']
        assert [image['file_name'] for image in images] == listed
        order = [0, 1, 3, 2] if noted else [0, 1, 2, 3]
        assert [image['frame_id'] for image in images] == order
        positions = [image.get('file_frame_id') for image in images]
        assert positions == ([0, 1, 2, 3] if noted else [None] * 4)


@pytest.mark.parametrize(
    'folders, names',
    [
        (('a', 'b'), ['a', 'b']),
        (('train/a', 'train/b'), ['train/a', 'train/b']),
        (('a/img1', 'b/img1'), ['a/img1', 'b/img1']),
        (('all', 'all'), ['1', '2']),
        (('', 'b'), ['1', 'b']),
    ],
)
def test_names_of_videos_are_unique(folders, names):
    content = own_file()
    content['videos'] = [
        dict(content['videos'][0], id=i + 1, file_names=[f'{folder}/0.jpg'])
        for i, folder in enumerate(folders)
    ]
    videos = convert(content, False)['videos']
    assert [video['name'] for video in videos] == names
