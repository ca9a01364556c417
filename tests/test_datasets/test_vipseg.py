# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import json
import pickle
import shutil

import projects.maxtron  # noqa: F401
from projects.maxtron.datasets import VIPSegDataset
from projects.maxtron.datasets.synthetic.video import SyntheticSpec
from projects.maxtron.datasets.synthetic.writer import (
    SyntheticWriter,
    write_video,
)

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from tests.test_datasets.tiny_panoptic import (
    DOOR,
    GROUND,
    PLAIN,
    SEGMENTS,
    VIDEOS,
    WALL,
    annotations,
    build,
    color_id,
    draw_frame,
    draw_map,
    write_map,
)

LAZY = [
    dict(
        type='PackLazyVideo',
        transforms=[dict(type='LoadVideoFrame', to_float32=False)],
        meta_keys=(
            'img_id',
            'img_path',
            'frame_id',
            'video_id',
            'video_length',
            'seg_map_path',
            'segments_info',
        ),
    )
]


def load_config(path, root, ann_file='train.json'):
    """The training data of a base config, read from the tiny dataset."""
    config = Config.fromfile(f'configs/_base_/datasets/{path}')
    loader = config.train_dataloader
    loader.dataset.update(
        type='VIPSegDataset',
        data_root=str(root),
        ann_file=ann_file,
        img_suffix='.png',
    )
    loader.update(num_workers=0, persistent_workers=False)
    return loader


def test_category_table():
    info = VIPSegDataset.METAINFO
    assert len(info['classes']) == len(set(info['classes'])) == 124
    assert len(info['thing_classes']) == 58
    assert len(info['stuff_classes']) == 66
    assert info['classes'][2] == info['thing_classes'][0] == 'door'
    assert info['palette'][48] == info['palette'][6] == (140, 140, 140)
    assert len(set(info['palette'])) == 123


def test_own_classes_have_colours_of_their_own():
    own = dict(classes=('a', 'b'), thing_classes=('b',), stuff_classes=('a',))
    palette = VIPSegDataset._load_metainfo(own)['palette']
    assert len(set(palette)) == 2 and json.dumps(palette)
    own['palette'] = [(1, 2, 3), (4, 5, 6)]
    assert VIPSegDataset._load_metainfo(own)['palette'] == own['palette']


@pytest.mark.parametrize('ann_file', ['train.json', 'train.txt'])
def test_training_sample(root, ann_file):
    dataset = build(root, ann_file, clip_len=7)
    assert len(dataset) == 2
    assert dataset.metainfo['isthing'][:5] == (False, False, True, False, True)
    sample = dataset[0]
    assert sample['inputs'].shape == (7, 3, 96, 96)
    assert sample['inputs'].dtype == torch.uint8
    for t, frame in enumerate(sample['data_samples']):
        raw = draw_map('landscape', t)
        img = sample['inputs'][t].permute(1, 2, 0).numpy()
        assert (img[:64] == draw_frame('landscape', t)).all()
        assert not img[64:].any()
        assert frame.frame_id == t and frame.video_id == 'landscape'
        assert frame.ori_shape == (64, 96)
        names = {v: color_id(v) for v in SEGMENTS}
        if ann_file == 'train.txt':
            names = {v: v for v in SEGMENTS}
        ids, semantic = np.zeros((96, 96)), np.full((96, 96), 255)
        for value, name in names.items():
            ids[:64][raw == value] = name
            semantic[:64][raw == value] = SEGMENTS[value][0]
        tubes = frame.gt_panoptic_seg.sem_seg
        assert tubes.dtype == torch.int32 and (tubes[0].numpy() == ids).all()
        assert (frame.gt_sem_seg.sem_seg[0].numpy() == semantic).all()
        valid = frame.valid_pixels.sem_seg
        assert valid.dtype == torch.bool and valid.shape == (1, 96, 96)
        assert valid[0, :64].all() and not valid[0, 64:].any()
        seen = frame.gt_instances
        expected = {
            names[v]: SEGMENTS[v][0] for v in np.unique(raw).tolist() if v
        }
        assert expected == dict(
            zip(seen.instances_ids.tolist(), seen.labels.tolist())
        )


def test_start_rule(root):
    def starts(**kwargs):
        sampler = dict(type='RandomClipSampler', **kwargs)
        dataset = build(root, clip_len=3, pipeline=[sampler])
        return {tuple(dataset[0]['frame_id']) for _ in range(200)}

    np.random.seed(0)
    windows = {(i, i + 1, i + 2) for i in range(5)}
    # as the reference: of 7 frames, the window 4, 5, 6 never
    assert starts() == windows - {(4, 5, 6)}
    assert starts(include_last=True) == windows
    backward = {window[::-1] for window in windows}
    assert starts(include_last=True, reverse_prob=1.0) == backward
    assert starts(include_last=True, reverse_prob=0.5) == windows | backward


def test_short_video_repeats_last_frame(root):
    sample = build(root, clip_len=6)[1]['data_samples']  # of 5 frames
    assert [frame.frame_id for frame in sample] == [0, 1, 2, 3, 4, 4]
    assert build(root, clip_len=5, pipeline=PLAIN[:1])[1]['frame_id'] == [
        0,
        1,
        2,
        3,
        4,
    ]


@pytest.mark.parametrize('ann_file', ['train.json', 'train.txt'])
def test_test_sample_is_lazy(own_root, ann_file):
    dataset = build(own_root, ann_file, test_mode=True, pipeline=LAZY)
    sample = dataset[1]
    frames, metas = sample['inputs'], sample['data_samples']
    assert len(frames) == len(metas) == 5
    assert metas[3].video_id == 'portrait' and metas[3].frame_id == 3
    assert metas[3].ori_shape == (96, 64) and metas[3].video_length == 5
    folder = 'panomasksRGB' if ann_file == 'train.json' else 'panomasks'
    assert metas[3].seg_map_path.endswith(f'{folder}/portrait/00003.png')
    if ann_file == 'train.json':
        assert {(s['id'], s['category']) for s in metas[3].segments_info} == {
            (color_id(v), SEGMENTS[v][0]) for v in (1, 16, 300, 500)
        }
    assert len(pickle.dumps(frames)) < 10000
    image = frames[3].permute(1, 2, 0).numpy()
    assert (image == draw_frame('portrait', 3)).all()
    shutil.rmtree(own_root / 'images')
    shutil.rmtree(own_root / 'imgs')
    with pytest.raises(FileNotFoundError, match='Frame 3 of video portrait'):
        frames[3]


def test_test_set_without_masks(own_root):
    content = dict(annotations())
    del content['annotations']
    (own_root / 'train.json').write_text(json.dumps(content))
    shutil.rmtree(own_root / 'panomasks')
    for ann_file in ('train.json', 'train.txt'):
        dataset = build(own_root, ann_file, test_mode=True, pipeline=LAZY)
        frame = dataset[0]['data_samples'][0]
        assert 'segments_info' not in frame and 'seg_map_path' not in frame
        with pytest.raises(
            (ValueError, FileNotFoundError),
            match='video landscape: the video has no|Video landscape has',
        ):
            build(own_root, ann_file)


def test_raw_values(own_root):
    """Void, class 0, things without a number, stuff with one."""
    ids = np.zeros((64, 96), np.uint16)
    ids[:, 10:20] = 1  # class 0
    ids[:, 20:30] = 3  # a door without a number
    ids[:, 30:40] = 301
    ids[:, 40:50] = 15
    ids[:, 50:60] = 1502  # ground with a number: it is the same ground
    for t in range(7):
        write_map(own_root / f'panomasks/landscape/{t:05d}.png', ids, False)
    frame = build(own_root, 'train.txt')[0]['data_samples'][0]
    semantic = frame.gt_sem_seg.sem_seg[0, 0].tolist()
    assert semantic[:10] == [255] * 10 and semantic[60:] == [255] * 36
    assert semantic[10::10][:5] == [WALL, DOOR, DOOR, GROUND, GROUND]
    tubes = frame.gt_panoptic_seg.sem_seg[0, 0].tolist()
    assert tubes[5::10][:7] == [0, 1, 3, 301, 15, 15, 0]
    assert frame.gt_instances.labels.tolist() == [WALL, DOOR, GROUND, DOOR]
    ids[5, 5] = 12500  # the classes end at 124
    write_map(own_root / 'panomasks/landscape/00000.png', ids, False)
    with pytest.raises(ValueError, match='landscape.*00000.png.*12500.*124'):
        build(own_root, 'train.txt', clip_len=7)[0]


def test_upright_size_of_raw_images(own_root):
    """Of images that are stored on their side, which OpenCV turns."""
    exif = Image.Exif()
    exif[0x112] = 6
    for path in (own_root / 'imgs/landscape').glob('*.png'):
        image = Image.open(path).transpose(Image.ROTATE_90)
        image.save(path.with_suffix('.jpg'), quality=100, exif=exif)
    (own_root / 'train.txt').write_text('landscape')
    sample = build(own_root, 'train.txt', img_suffix='.jpg', clip_len=7)[0]
    for t, frame in enumerate(sample['data_samples']):
        assert frame.ori_shape == (64, 96)
        image = sample['inputs'][t, :, :64].permute(1, 2, 0).numpy()
        error = np.abs(image - draw_frame('landscape', t).astype(int))
        assert error.mean() < 5


def test_frames_without_mask_are_left_out(own_root):
    (own_root / 'panomasks/landscape/00002.png').unlink()
    dataset = build(own_root, 'train.txt', clip_len=7)
    assert dataset[0]['data_samples'][2].img_path.endswith('00003.png')
    (own_root / 'imgs/landscape/00004.png').unlink()
    with pytest.raises(FileNotFoundError, match='landscape.*frame 00004'):
        build(own_root, 'train.txt')


@pytest.mark.parametrize('config', ['vipseg.py', 'synthetic_vps.py'])
def test_base_config(root, config):
    width, height = Config.fromfile(f'configs/_base_/datasets/{config}').canvas
    loader = load_config(config, root)
    loader.update(batch_size=2)
    loader = Runner.build_dataloader(loader, seed=0)
    assert len(loader.dataset[0]['inputs']) == 2
    np.random.seed(0)
    batch = next(iter(loader))
    shape = (-(-height // 4), -(-width // 4))
    if config == 'vipseg.py':
        assert (height, width) == (769, 1345) and shape == (193, 337)
    for inputs, sample in zip(batch['inputs'], batch['data_samples']):
        assert inputs.shape == (2, 3, height, width)
        for frame in sample:
            assert frame.gt_panoptic_seg.sem_seg.shape == (1, *shape)
            assert frame.gt_sem_seg.sem_seg.shape == (1, *shape)
            assert frame.valid_pixels.sem_seg.shape == (1, height, width)
            assert frame.img_shape == (height, width)


def test_batches_are_of_one_orientation(root):
    loader = load_config('synthetic_vps.py', root)
    loader.update(batch_size=4)
    loader = Runner.build_dataloader(loader, seed=0)
    dataset, seen = loader.dataset, []
    batches = iter(loader.batch_sampler)
    for _ in range(50):  # does not end: the sampler is infinite
        batch = next(batches)
        assert len(batch) == 4 and len(set(batch)) == 1
        seen += [dataset.get_data_info(batch[0])['video_id']]
    assert set(seen) == set(VIDEOS)
    assert abs(seen.count('portrait') - 25) < 5


def test_seed_decides(root):
    dataset = DATASETS.build(load_config('synthetic_vps.py', root).dataset)

    def sample(seed):
        np.random.seed(seed)
        return dataset[0]

    one, same, other = (sample(seed) for seed in (1, 1, 2))
    assert torch.equal(one['inputs'], same['inputs'])
    assert not torch.equal(one['inputs'], other['inputs'])
    for a, b in zip(one['data_samples'], same['data_samples']):
        assert torch.equal(
            a.gt_panoptic_seg.sem_seg, b.gt_panoptic_seg.sem_seg
        )
        assert a.gt_instances.labels.tolist() == b.gt_instances.labels.tolist()


def test_synthetic(tmp_path):
    spec = SyntheticSpec(64, 96, dict(val=1), dict(val=(12, 12)))
    writer = SyntheticWriter(str(tmp_path / 'set'), spec, ['vipseg'])
    formats = writer.begin('val')
    writer.finish(
        'val',
        formats,
        [write_video(job) for job in writer.jobs('val', formats)],
    )
    root = tmp_path / 'set/vipseg'

    def make(folder, ann_file):
        return build(
            root / folder,
            ann_file,
            type='SyntheticVPSDataset',
            img_suffix='.jpg',
            clip_len=12,
        )

    clips = [
        make('VIPSeg_720P', 'panoptic_gt_VIPSeg_val.json'),
        make('', 'val.txt'),
    ]
    assert sum(clips[0].metainfo['isthing']) == 6
    for one, two in zip(*(clip[0]['data_samples'] for clip in clips)):
        assert torch.equal(one.gt_sem_seg.sem_seg, two.gt_sem_seg.sem_seg)
        pairs = torch.stack(
            [one.gt_panoptic_seg.sem_seg, two.gt_panoptic_seg.sem_seg]
        )
        pairs = pairs.flatten(1).unique(dim=1)  # ids differ, tubes do not
        assert len(pairs[0].unique()) == len(pairs[0])
        assert len(pairs[1].unique()) == len(pairs[1])
    with pytest.raises(FileNotFoundError, match='make_synthetic.py'):
        make('VIPSeg_720P', 'panoptic_gt_VIPSeg_train.json')
