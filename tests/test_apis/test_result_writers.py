# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json

from projects.maxtron.apis import (
    IdMapWriter,
    PanopticWriter,
    VideoWriter,
    YouTubeVISWriter,
)
from projects.maxtron.evaluation.functional import count_tubes, summarize_vpq
from projects.maxtron.evaluation.panoptic_folders import (
    count_video,
    list_videos,
)

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image
from pycocotools import mask as mask_utils

from tests.footage import footage, read_frames
from tests.panoptic_results import panoptic_map

SIZE = (24, 32)


def instances(rng, ids):
    """Instances of one frame with random masks, scores and labels."""
    masks = rng.random((len(ids), *SIZE)) > 0.7
    return InstanceData(
        instances_id=torch.tensor(ids),
        labels=torch.from_numpy(rng.integers(0, 3, len(ids))),
        scores=torch.from_numpy(rng.random(len(ids))),
        masks=[
            mask_utils.encode(np.asfortranarray(m, np.uint8)) for m in masks
        ],
    )


@pytest.fixture
def video():
    rng = np.random.default_rng(0)
    return [instances(rng, ids) for ids in ([3, 1], [], [1, 7, 3], [7])]


def test_json_is_what_the_format_says(tmp_path, video):
    path = tmp_path / 'out.json'
    with YouTubeVISWriter(str(path), video_id=5) as writer:
        for frame in video:
            writer.write(frame)
        assert not path.exists()
    tracks = json.loads(path.read_text())
    assert [track['instance_id'] for track in tracks] == [3, 1, 7]
    assert {track['video_id'] for track in tracks} == {5}
    for track in tracks:
        labels, scores = [], []
        for frame, rle in zip(video, track['segmentations'], strict=True):
            at = (frame.instances_id == track['instance_id']).nonzero()
            assert len(at) == (rle is not None)
            for i in at.flatten().tolist():
                labels.append(int(frame.labels[i]))
                scores.append(float(frame.scores[i]))
                assert rle['size'] == list(SIZE)
                np.testing.assert_array_equal(
                    mask_utils.decode(rle), mask_utils.decode(frame.masks[i])
                )
        assert track['score'] == pytest.approx(np.mean(scores))
        assert track['category_id'] == np.bincount(labels).argmax() + 1
    assert [p.name for p in tmp_path.iterdir()] == ['out.json']


def test_video_without_instances(tmp_path):
    with YouTubeVISWriter(str(tmp_path / 'out.json')):
        pass
    assert json.loads((tmp_path / 'out.json').read_text()) == []


def test_png_ids_and_overlaps(tmp_path, video):
    writer = IdMapWriter(str(tmp_path / 'ids'), score_thr=0.2)
    for t, frame in enumerate(video):
        writer.write(frame, SIZE, f'{t:03d}')
    for t, frame in enumerate(video):
        expected = np.zeros(SIZE)
        for i in frame.scores.argsort().tolist():
            if frame.scores[i] >= 0.2:
                mask = mask_utils.decode(frame.masks[i]).astype(bool)
                expected[mask] = frame.instances_id[i]
        image = Image.open(tmp_path / 'ids' / f'{t:03d}.png')
        assert image.mode == 'P'
        np.testing.assert_array_equal(np.array(image), expected)
    with pytest.raises(FileExistsError, match='not empty'):
        IdMapWriter(str(tmp_path / 'ids'))


def test_png_of_large_ids(tmp_path):
    frame = instances(np.random.default_rng(0), [300])
    IdMapWriter(str(tmp_path / 'ids')).write(frame, SIZE, '0')
    ids = np.array(Image.open(tmp_path / 'ids' / '0.png'))
    mask = mask_utils.decode(frame.masks[0])
    np.testing.assert_array_equal(ids, np.where(mask, 300, 0))


def test_video(tmp_path):
    frames = read_frames(footage('carphone_pristine.mp4'), 7)
    frames = [frame[:131, :95] for frame in frames]  # odd sizes
    with VideoWriter(str(tmp_path / 'out.mp4'), 12.5, (131, 95)) as writer:
        for frame in frames:
            writer.write(np.ascontiguousarray(frame))
    written = read_frames(tmp_path / 'out.mp4')
    assert len(written) == 7
    with pytest.raises(ValueError, match='ends in .mp4'):
        VideoWriter(str(tmp_path / 'out.docx'), 25, (64, 64))


@pytest.mark.parametrize(
    'error, kept',
    [(KeyboardInterrupt, 'out.json'), (RuntimeError, 'out.part.json')],
)
def test_end_before_the_end(tmp_path, video, error, kept):
    with pytest.raises(error):
        with YouTubeVISWriter(str(tmp_path / 'out.json')) as writer:
            writer.write(video[0])
            raise error
    assert [p.name for p in tmp_path.iterdir()] == [kept]
    tracks = json.loads((tmp_path / kept).read_text())
    assert [len(track['segmentations']) for track in tracks] == [1, 1]


PANOPTIC_META = dict(
    classes=('cat', 'wall', 'dog', 'grass'),
    thing_classes=('cat', 'dog'),
    palette=[(10, 20, 30), (200, 40, 0), (50, 50, 50), (0, 90, 240)],
)
VOID = 4


@pytest.fixture
def maps():
    """Panoptic maps of random blocks."""
    rng = np.random.default_rng(0)
    ids = rng.choice([1, 3, VOID, 1000, 2000, 1002, 13000], (5, 6, 8))
    return [np.kron(i, np.ones((4, 4), int)) for i in ids]


def write_panoptic(root, maps):
    with PanopticWriter(
        str(root / 'pan_pred/clip'),
        PANOPTIC_META,
        str(root / 'pred.json'),
        'clip',
    ) as writer:
        for t, ids in enumerate(maps):
            writer.write(panoptic_map(ids, VOID), f'{t:03d}')
        assert not list(root.glob('*/*/segments.json'))


def test_panoptic_ids_and_their_table(tmp_path, maps):
    write_panoptic(tmp_path, maps)
    folder = tmp_path / 'pan_pred/clip'
    table = {
        entry['id']: entry
        for entry in json.loads((folder / 'segments.json').read_text())
    }
    for entry in table.values():
        r, g, b = entry['color']
        assert entry['id'] == r + 256 * g + 65536 * b
        assert (
            entry['category'] == PANOPTIC_META['classes'][entry['category_id']]
        )
        assert entry['isthing'] == (entry['category_id'] in (0, 2))
        if not entry['isthing']:
            color = PANOPTIC_META['palette'][entry['category_id']]
            assert entry['color'] == list(color)
    for t, ids in enumerate(maps):
        rgb = np.array(Image.open(folder / f'{t:03d}.png'))
        colors = rgb @ np.array([1, 256, 65536])
        back = np.full(SIZE, VOID)
        for color_id, entry in table.items():
            back[colors == color_id] = entry['category_id'] + 1000 * entry.get(
                'number', 0
            )
        np.testing.assert_array_equal(back, ids)
    with pytest.raises(FileExistsError, match='not empty'):
        PanopticWriter(str(folder), PANOPTIC_META)
    with pytest.raises(ValueError, match='palette'):
        PanopticWriter(
            str(tmp_path / 'new'), dict(PANOPTIC_META, palette=None)
        )
    assert not (tmp_path / 'new').exists()


def test_panoptic_files_are_a_submission(tmp_path, maps):
    """The tools that evaluate submissions read it; against itself: 100."""
    write_panoptic(tmp_path, maps)
    pred = json.loads((tmp_path / 'pred.json').read_text())
    names = [f'{t:03d}.png' for t in range(len(maps))]
    gt = dict(
        pred,
        videos=[
            dict(
                video_id='clip',
                images=[
                    dict(file_name=name, height=SIZE[0], width=SIZE[1])
                    for name in names
                ],
            )
        ],
    )
    (tmp_path / 'gt.json').write_text(json.dumps(gt))
    _, videos = list_videos(
        str(tmp_path),
        str(tmp_path / 'pred.json'),
        str(tmp_path / 'pan_pred'),
        str(tmp_path / 'gt.json'),
    )
    tubes = count_tubes(count_video(videos[0]), window=2, num_classes=4)
    summary = summarize_vpq({2: tubes}, [True, False, True, False])
    assert summary['VPQ']['All'] == pytest.approx(100)


@pytest.mark.parametrize(
    'error, part', [(KeyboardInterrupt, ''), (RuntimeError, '.part')]
)
def test_end_of_panoptic_files_before_the_end(tmp_path, maps, error, part):
    with pytest.raises(error):
        with PanopticWriter(
            str(tmp_path / 'ids'), PANOPTIC_META, str(tmp_path / 'out.json')
        ) as writer:
            writer.write(panoptic_map(maps[0], VOID), '0')
            raise error
    assert {path.name for path in tmp_path.iterdir()} == {
        'ids',
        f'out{part}.json',
    }
    assert {path.name for path in (tmp_path / 'ids').iterdir()} == {
        '0.png',
        f'segments{part}.json',
    }
    pred = json.loads((tmp_path / f'out{part}.json').read_text())
    assert len(pred['annotations'][0]['annotations']) == 1
    json.loads((tmp_path / 'ids' / f'segments{part}.json').read_text())
