# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import shutil

from projects.maxtron.datasets.vipseg_categories import VIPSEG_CATEGORIES
from projects.maxtron.structures import read_id_map

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from PIL import Image

from tests.test_tools.raw_vipseg import OPTIONS, contents, draw, load
from tools.dataset_converters.make_synthetic import main as make_synthetic
from tools.dataset_converters.vipseg_to_720p import main as convert

# frames of these sizes; the columns of each mask have these values
VIDEOS = dict(
    wide=((30, 50), [[0, 1, 125, 201, 4900, 4901], [0, 1, 125, 49, 4901]]),
    tall=((30, 24), [[7, 4900, 705]]),
    void=((30, 24), [[0], [1]]),
)
COLORS = [tuple(c['color']) for c in VIPSEG_CATEGORIES]
IDS = [r + 256 * g + 65536 * b for r, g, b in COLORS]


@pytest.fixture
def raw(tmp_path):
    """A tiny VIPSeg as it is released."""
    root = tmp_path / 'VIPSeg'
    for name, (size, frames) in VIDEOS.items():
        for folder in ('imgs', 'panomasks'):
            (root / folder / name).mkdir(parents=True)
        for t in range(len(frames) + 1):  # the last one has no mask
            img = np.zeros((*size, 3), np.uint8)
            img[..., 0] = 5 * np.arange(size[1])
            img[..., 1] = 8 * np.arange(size[0])[:, None]
            cv2.imwrite(
                str(root / f'imgs/{name}/{t:05d}.jpg'),
                img,
                [cv2.IMWRITE_JPEG_QUALITY, 100],
            )
        for t, values in enumerate(frames):
            cv2.imwrite(
                str(root / f'panomasks/{name}/{t:05d}.png'), draw(size, values)
            )
    shutil.copytree(root / 'imgs/tall', root / 'imgs/secret')
    (root / 'train.txt').write_text('wide\ntall\n')
    (root / 'val.txt').write_text('void\n')
    (root / 'test.txt').write_text('secret\n')
    return root


def test_frames_and_segments(raw, capsys):
    convert([str(raw), *OPTIONS])
    out = raw / 'VIPSeg_720P'
    printed = capsys.readouterr().out
    assert 'train: 2 video(s)' in printed
    assert (
        json.loads((out / 'panoVIPSeg_categories.json').read_text())
        == VIPSEG_CATEGORIES
    )
    content = load(out)
    assert content['categories'] == VIPSEG_CATEGORIES
    assert [v['video_id'] for v in content['videos']] == ['wide', 'tall']
    widths = dict(wide=33, tall=16)  # rounded down
    for video, anns in zip(content['videos'], content['annotations']):
        name = video['video_id']
        size, frames = VIDEOS[name]
        assert anns['video_id'] == name
        assert video['images'] == [
            dict(
                id=f'{t:05d}',
                width=widths[name],
                height=20,
                file_name=f'{t:05d}.png',
            )
            for t in range(len(frames))
        ]
        for t, frame in enumerate(anns['annotations']):
            check_frame(raw, out, name, t, size, frames[t], frame)

    check_segments(*content['annotations'])
    void = load(out, 'val')['annotations'][0]['annotations']
    assert [f['segments_info'] for f in void] == [
        [],
        [dict(id=IDS[0], category_id=0, iscrowd=0, area=320)],
    ]
    for split in ('train', 'val'):
        dataset = DATASETS.build(
            dict(
                type='VIPSegDataset',
                data_root=str(out),
                pipeline=[],
                ann_file=f'panoptic_gt_VIPSeg_{split}.json',
                _scope_='mmdet',
            )
        )
        assert len(dataset) == len(load(out, split)['videos'])


def check_segments(wide, tall):
    """Check the ids and the categories of the segments of two videos."""
    # Stuff has the colour of its class, and so has the first thing if the
    # colour is free (that of the car is taken, see Playground_slide).
    ids = [[s['id'] for s in f['segments_info']] for f in wide['annotations']]
    categories = [
        [s['category_id'] for s in f['segments_info']]
        for f in wide['annotations']
    ]
    assert categories == [[0, 1, 48, 48], [0, 48, 48]]
    assert ids[0][:2] == [IDS[0], IDS[1]] and ids[1][0] == IDS[0]
    cars = {*ids[0][2:], *ids[1][1:]}
    assert len(cars) == 3 and IDS[48] not in cars
    assert ids[1][2] == ids[0][3]  # 4901 stays itself
    for car in cars:
        color = np.array([car >> s & 255 for s in (0, 8, 16)])
        assert np.abs(color - COLORS[48]).max() <= 30
    # 7 and 705 are one: stuff has no instances
    assert [
        s['category_id'] for s in tall['annotations'][0]['segments_info']
    ] == [6, 48]


def test_images_on_their_side(raw):
    """They become upright, as their masks are."""
    exif = Image.Exif()
    exif[0x112] = 6
    for path in (raw / 'imgs/wide').glob('*.jpg'):
        image = Image.open(path).transpose(Image.ROTATE_90)
        image.save(path, quality=100, exif=exif)
    convert([str(raw), *OPTIONS])
    image = cv2.imread(str(raw / 'VIPSeg_720P/images/wide/00000.jpg'))
    assert image.shape == (20, 33, 3)
    columns = 5 * ((np.arange(33) + 0.5) * 50 / 33 - 0.5)
    rows = 8 * ((np.arange(20) + 0.5) * 30 / 20 - 0.5)
    assert np.abs(image[1:-1, 1:-1, 0] - columns[1:-1]).mean() < 6
    assert np.abs(image[1:-1, 1:-1, 1] - rows[1:-1, None]).mean() < 6


def check_frame(raw, out, name, t, size, values, frame):
    """Compare a frame with what PIL makes of it."""
    image, mask, rgb = (
        out / folder / name / f'{t:05d}{suffix}'
        for folder, suffix in (
            ('images', '.jpg'),
            ('panomasks', '.png'),
            ('panomasksRGB', '.png'),
        )
    )
    width = int(20 * size[1] / size[0])
    source = Image.open(raw / f'imgs/{name}/{t:05d}.jpg')
    want = np.array(source.resize((width, 20), Image.BILINEAR), np.int32)
    assert np.abs(np.array(Image.open(image)) - want).max() <= 8
    resized = np.array(
        Image.fromarray(draw(size, values).astype(np.int32)).resize(
            (width, 20), Image.NEAREST
        )
    )
    found = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, resized)
    ids = read_id_map(str(rgb), '')
    assert set(np.unique(ids[found == 0])) <= {0}
    assert frame['image_id'] == f'{t:05d}'
    assert frame['file_name'] == f'{t:05d}.png'
    segments = frame['segments_info']
    assert {s['id'] for s in segments} == set(np.unique(ids)) - {0}
    for s in segments:
        assert s['area'] == (ids == s['id']).sum() and s['iscrowd'] == 0
        raw_ids = found[ids == s['id']]
        labels = np.where(raw_ids < 125, raw_ids, raw_ids // 100) - 1
        assert set(labels) == {s['category_id']}


def test_agrees_with_the_synthetic_writer(tmp_path):
    """Which writes the same form itself: ids, categories, areas, masks."""
    make_synthetic(
        [
            str(tmp_path),
            '--formats=vipseg',
            '--splits=val',
            '--nproc=1',
            '--num-val=3',
        ]
    )
    root = tmp_path / 'vipseg'
    want = root / 'VIPSeg_720P'
    out = tmp_path / 'converted'
    convert(
        [
            str(root),
            f'--out={out}',
            '--splits=val',
            '--nproc=2',
            '--height=96',
            f'--categories={want}/panoVIPSeg_categories.json',
        ]
    )
    found, expected = load(out, 'val'), load(want, 'val')
    for video in expected['videos']:
        video.pop('scenario')
    assert found == expected
    masks = [p.relative_to(want) for p in want.glob('panomasks*/*/*.png')]
    assert len(masks) > 40
    for path in masks:
        np.testing.assert_array_equal(
            *(
                cv2.imread(str(folder / path), cv2.IMREAD_UNCHANGED)
                for folder in (out, want)
            )
        )


def test_continues_after_an_interruption(raw, tmp_path, capsys):
    whole = tmp_path / 'whole'
    convert([str(raw), f'--out={whole}', *OPTIONS])
    out = tmp_path / 'out'
    mask = raw / 'panomasks/tall/00000.png'
    content = mask.read_bytes()
    mask.write_bytes(content[:30])
    argv = [str(raw), f'--out={out}', *OPTIONS]
    with pytest.raises(SystemExit, match='video tall, frame 00000: .*cannot'):
        convert(argv)
    assert not list(out.glob('panoptic_gt*'))
    mask.write_bytes(content)
    done = out / 'panomasksRGB/wide/00001.png'
    stamp = done.stat().st_mtime_ns
    half = out / 'panomasks/tall/00000.part.png'  # the power failed
    half.parent.mkdir()
    half.write_bytes(content[:30])
    convert(argv)
    assert done.stat().st_mtime_ns == stamp
    assert contents(out) == contents(whole)

    capsys.readouterr()
    convert(argv)
    assert capsys.readouterr().out.count('complete, left alone') == 2
    other = [*argv, '--height=10']
    with pytest.raises(SystemExit, match='begun with another height.*overwr'):
        convert(other)
    assert contents(out) == contents(whole)
    convert([*other, '--splits', 'val', '--overwrite'])
    assert load(out, 'val')['videos'][0]['images'][0]['height'] == 10
    assert not (out / 'panoptic_gt_VIPSeg_train.json').exists()
    convert([*argv, '--overwrite'])
    assert contents(out) == contents(whole)


def test_videos_without_masks_are_left_out(raw, capsys):
    convert([str(raw), *OPTIONS, '--splits', 'test'])
    assert '1 video(s) without masks were left out' in capsys.readouterr().out
    assert not list(raw.glob('VIPSeg_720P/panoptic_gt*'))
    (raw / 'val.txt').write_text('secret\nvoid\n')
    convert([str(raw), *OPTIONS, '--splits', 'val'])
    videos = load(raw / 'VIPSeg_720P', 'val')['videos']
    assert [v['video_id'] for v in videos] == ['void']


def write_mask(array):
    return lambda root: cv2.imwrite(
        str(root / 'panomasks/tall/00000.png'), array
    )


def shrink_frame(root):
    """Give the second frame of a video half the size of the first."""
    for path in ('imgs/wide/00001.jpg', 'panomasks/wide/00001.png'):
        image = cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(root / path), np.ascontiguousarray(image[::2, ::2]))


def unlink(path):
    return lambda root: (root / path).unlink()


def cut(path):
    return lambda root: (root / path).write_bytes(
        (root / path).read_bytes()[:300]
    )


def write_text(path, text):
    return lambda root: (root / path).write_text(text)


def drop_folder(path):
    return lambda root: shutil.rmtree(root / path)


@pytest.mark.parametrize(
    'spoil, message',
    [
        (
            write_mask(np.full((30, 24), 20000, np.uint16)),
            'tall, frame 00000: .*value 20000, which means class number 200',
        ),
        (
            write_mask(np.ones((30, 24, 3), np.uint8)),
            r'tall, frame 00000: .*3 channel\(s\).*panomasks',
        ),
        (
            write_mask(np.ones((15, 12), np.uint16)),
            'tall, frame 00000: the mask is 15 x 12 .*but the image 30 x 24',
        ),
        (
            shrink_frame,
            'video wide: .*00000 is 30 x 50 .*, 00001 is 15 x 25. Resize',
        ),
        (
            unlink('imgs/tall/00000.jpg'),
            'tall: frame 00000 has a mask in .*, but no image',
        ),
        (cut('imgs/tall/00000.jpg'), 'tall, frame 00000: .*cannot be read'),
        (
            drop_folder('imgs/tall'),
            'video tall is listed, but there is no folder',
        ),
        (drop_folder('panomasks'), 'has no folder panomasks'),
        (write_text('train.txt', ' \n'), 'train.txt lists no videos'),
        (
            write_text('train.txt', 'tall\ntall\n'),
            'train.txt, line 2: video tall is listed before',
        ),
    ],
)
def test_bad_data(raw, spoil, message):
    spoil(raw)
    with pytest.raises(SystemExit, match=f'vipseg_to_720p: .*{message}'):
        convert([str(raw), *OPTIONS])
    assert not list(raw.glob('VIPSeg_720P/panoptic_gt_*train*'))
    assert not list(raw.rglob('*.part.*'))


def test_bad_usage(raw, capsys):
    for bad, message in (
        (['--nproc=0'], '--nproc must be 1 to 512, got 0'),
        (['--quality=99'], 'must be 1 to 95'),
        (['--splits', 'all'], 'invalid choice'),
    ):
        with pytest.raises(SystemExit):
            convert([str(raw), *bad])
        assert message in capsys.readouterr().err
    for split in ('train', 'val'):
        (raw / f'{split}.txt').unlink()
    with pytest.raises(SystemExit):
        convert([str(raw)])
    assert 'No such file' in capsys.readouterr().err
    path = raw / 'categories.json'
    path.write_text('[{"id": 0, "name": "wall"}]')
    (raw / 'train.txt').write_text('tall\n')
    with pytest.raises(
        SystemExit, match="category 0: the field 'isthing' is missing"
    ):
        convert([str(raw), f'--categories={path}'])
