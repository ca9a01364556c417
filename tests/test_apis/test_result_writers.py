# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import resource

from projects.maxtron.apis import (
    IdMapWriter,
    PanopticWriter,
    VideoWriter,
    YouTubeVISWriter,
)
from projects.maxtron.evaluation import panoptic_folders as folders
from projects.maxtron.evaluation.functional import count_tubes, summarize_vpq
from projects.maxtron.utils import WriteError, atomic_path

import av
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image
from pycocotools import mask as mask_utils

from tests.footage import footage, read_frames, write_video
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


def probe(path):
    """Codec, size and times (start, duration) of the frames of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [
            (float(f.time), float(f.duration * f.time_base))
            for f in container.decode(stream)
        ]
        codec = stream.codec_context
        return codec.name, (codec.height, codec.width), times


@pytest.mark.parametrize(
    'suffix, size, codec',
    [
        ('.mp4', (144, 176), 'h264'),
        ('.mov', (144, 176), 'h264'),
        ('.mkv', (144, 176), 'h264'),
        ('.webm', (144, 176), 'vp9'),
        ('.mp4', (131, 95), 'vp9'),  # H.264 has even sizes only
        ('.mov', (131, 95), 'mpeg4'),
        ('.MP4', (2, 2), 'h264'),
        ('.mp4', (1, 1), 'vp9'),
    ],
)
def test_video_has_every_frame_and_its_size(tmp_path, suffix, size, codec):
    frames = read_frames(footage('carphone_pristine.mp4'), 7)
    frames = [frame[: size[0], : size[1]] for frame in frames]
    path = write_video(tmp_path / f'out{suffix}', frames, 12.5)
    found, found_size, times = probe(path)
    assert (found, found_size) == (codec, size)
    np.testing.assert_allclose(
        times, [(i / 12.5, 1 / 12.5) for i in range(7)], atol=1e-3
    )
    written = read_frames(path)
    for frame, other in zip(frames, written, strict=True):
        error = np.abs(frame.astype(int) - other).mean()
        assert error < (30 if max(size) < 3 else 6)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize('fps', [0.01, 1, 23.976, 29.97, 60, 1000])
def test_rates_of_a_video(tmp_path, fps):
    frames = [np.zeros((16, 16, 3), np.uint8)] * 5
    _, _, times = probe(write_video(tmp_path / 'out.mp4', frames, fps))
    np.testing.assert_allclose(
        times, [(i / fps, 1 / fps) for i in range(5)], atol=2e-5
    )


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.webm'])
def test_times_of_a_video(tmp_path, suffix):
    # the second frame is at the time of the first, and must not be lost
    starts, ends = [0, 0, 0.4, 0.45, 3], [0.1, 0.4, 0.45, 3, 7.5]
    path = tmp_path / f'out{suffix}'
    with VideoWriter(str(path), 10, (16, 16)) as writer:
        for times in zip(starts, ends):
            writer.write(np.zeros((16, 16, 3), np.uint8), times)
    _, _, times = probe(path)
    np.testing.assert_allclose([t for t, _ in times], starts, atol=2e-3)
    assert times[-1][1] == pytest.approx(4.5, abs=2e-3)
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(7.5, abs=2e-3)


@pytest.mark.parametrize('fps', [0, -1, float('nan'), float('inf'), 90000])
def test_rates_that_no_video_has(tmp_path, fps):
    with pytest.raises(ValueError, match='rate from 0.01 to 1000'):
        VideoWriter(str(tmp_path / 'out.mp4'), fps, (64, 64))
    assert not list(tmp_path.iterdir())


def test_names_that_no_video_has(tmp_path):
    for name in ('out.docx', 'out', 'out.avi'):
        with pytest.raises(ValueError, match='ends in .mp4, .m4v, .mov, .mkv'):
            VideoWriter(str(tmp_path / name), 25, (64, 64))
    with pytest.raises(WriteError, match='new/out.mp4 cannot be written: No'):
        VideoWriter(str(tmp_path / 'new/out.mp4'), 25, (64, 64))


@pytest.fixture
def small_disk():
    """No file can be larger than 9 kB, as if the disk were full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_full_disk(tmp_path, small_disk):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (96, 96, 3), np.uint8)
    masks = rng.random((40, 64, 64)) > 0.5
    frame = InstanceData(
        instances_id=torch.arange(40),
        labels=torch.zeros(40, dtype=torch.int),
        scores=torch.ones(40),
        masks=[
            mask_utils.encode(np.asfortranarray(m, np.uint8)) for m in masks
        ],
    )
    for path, make, content in (
        ('out.mp4', lambda path: VideoWriter(path, 25, (96, 96)), noise),
        ('out.json', YouTubeVISWriter, frame),
    ):
        path = tmp_path / path
        path.write_text('of an earlier run')
        with pytest.raises(WriteError, match=f'{path.name} cannot be written'):
            with make(str(path)) as writer:
                for _ in range(20):
                    writer.write(content)
        assert path.read_text() == 'of an earlier run'
    noise = Image.fromarray(rng.integers(0, 255, (200, 200, 3), np.uint8))
    with pytest.raises(WriteError, match='0.png cannot be written: File too'):
        with atomic_path(tmp_path / '0.png') as part:
            noise.save(part)
    assert {p.name for p in tmp_path.iterdir()} == {'out.mp4', 'out.json'}


def test_full_disk_of_a_panoptic_video(tmp_path, small_disk):
    out = tmp_path / 'out.json'
    out.write_text('of an earlier run')
    ids = panoptic_map(np.zeros(SIZE, int), VOID)
    with pytest.raises(WriteError, match='out.json cannot be written'):
        with PanopticWriter(
            str(tmp_path / 'ids'), PANOPTIC_META, str(out)
        ) as writer:
            for i in range(100):
                writer.write(ids, f'{i}')
    assert out.read_text() == 'of an earlier run'
    noise = np.random.default_rng(0).integers(0, 4, (400, 400))
    with pytest.raises(WriteError, match='0.png cannot be written'):
        with PanopticWriter(str(tmp_path / 'new'), PANOPTIC_META) as writer:
            writer.write(panoptic_map(noise, VOID), '0')
    assert {p.name for p in tmp_path.iterdir()} == {'out.json', 'ids', 'new'}
    assert not list((tmp_path / 'new').iterdir())
    # not even the ends of the files can be written
    with pytest.raises(WriteError, match='0.png cannot be written'):
        with PanopticWriter(
            str(tmp_path / 'new'), PANOPTIC_META, str(tmp_path / 'new.json')
        ) as writer:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
            writer.write(ids, '0')
    assert {p.name for p in tmp_path.iterdir()} == {'out.json', 'ids', 'new'}


def test_ids_and_names_of_the_users_categories(tmp_path, video):
    classes = ('бык', 'cat', 'dog')
    written = []
    for meta in (
        None,
        dict(classes=classes),
        dict(classes=classes, category_ids=(70, 5, 12)),
    ):
        with YouTubeVISWriter(str(tmp_path / 'out.json'), meta) as writer:
            for frame in video:
                writer.write(frame)
        written.append(json.loads((tmp_path / 'out.json').read_text()))
    for plain, named, own in zip(*written, strict=True):
        label = plain['category_id'] - 1
        assert 'category' not in plain
        assert named['category_id'] == label + 1
        assert own['category_id'] == (70, 5, 12)[label]
        assert own['category'] == named['category'] == classes[label]


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
    _, videos = folders.list_videos(
        str(tmp_path),
        str(tmp_path / 'pred.json'),
        str(tmp_path / 'pan_pred'),
        str(tmp_path / 'gt.json'),
    )
    tubes = count_tubes(
        folders.count_video(videos[0]), window=2, num_classes=4
    )
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
