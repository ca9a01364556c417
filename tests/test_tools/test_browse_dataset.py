# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Clips are drawn as they are trained on; tubes keep id and colour."""

from pathlib import Path
from types import SimpleNamespace

from projects.maxtron.datasets import OVISDataset
from projects.maxtron.visualization import id_colors

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tests.test_datasets import tiny_coco, tiny_panoptic, tiny_videos
from tools.misc.browse_dataset import ClipDrawer, SampleNames, main

CONFIGS = Path(__file__).parents[2] / 'configs'
OVIS = (
    CONFIGS / 'maxtron/ovis/maxtron-nearonline_tube-link_r50_8xb1-15k_ovis.py'
)  # noqa: E501
VIPSEG = (
    CONFIGS
    / 'maxtron/vipseg/maxtron-nearonline_video-kmax_r50_8xb4-40k_vipseg.py'
)  # noqa: E501
VISUALIZER = dict(type='ClipLocalVisualizer', line_width=0, alpha=1.0)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    classes = OVISDataset.METAINFO['classes']
    for split in ('train', 'valid'):
        tiny_videos.write_dataset(
            root, split, f'annotations/ovis_{split}.json', classes
        )
    tiny_panoptic.write_dataset(root)
    return root


def options(root, config, split='train', **kwargs):
    """Command line for a config, with this folder in place of its own."""
    if config == VIPSEG:
        kwargs = dict(kwargs, ann_file='train.json', img_suffix='.png')
    kwargs = dict(kwargs, data_root=f'{root}/')
    return [
        str(config),
        '--split',
        split,
        '--not-show',
        '--cfg-options',
        *(
            f'{split}_dataloader.dataset.{key}={value}'
            for key, value in kwargs.items()
        ),
    ]


def load_clip(root, config, index):
    """A drawer, and a sample of the training of a config."""
    init_default_scope('mmdet')
    cfg = Config.fromfile(config).train_dataloader.dataset
    cfg.data_root = f'{root}/'
    if config == VIPSEG:
        cfg.update(ann_file='train.json', img_suffix='.png')
    np.random.seed(0)
    dataset = DATASETS.build(cfg)
    return ClipDrawer(dataset, dict(VISUALIZER, name='browse')), dataset[index]


def test_instances_have_the_colour_of_their_id(root):
    drawer, sample = load_clip(root, OVIS, 0)
    frames = drawer.draw(sample, max_frames=24)
    assert len(frames) == 4
    for t, (image, frame) in enumerate(zip(frames, sample['data_samples'])):
        assert image.shape == (384, 640, 3) and image.dtype == np.uint8
        instances = frame.gt_instances
        ids = instances.instances_ids.tolist()
        assert ids
        masks = instances.masks.masks.astype(bool)
        for mask, color in zip(masks, id_colors(ids)):
            # except for its label
            same = (image[mask] == color).all(-1)
            assert mask.any() and same.mean() > 0.85
        background = ~masks.any(0)
        rgb = sample['inputs'][t].numpy()[::-1].transpose(1, 2, 0)
        same = (image == rgb.astype(np.uint8)).all(-1)[background]
        assert same.mean() > 0.95


def hide_first_of_a_class(frame):
    """Others of its class have to keep their numbers."""
    targets = frame.gt_instances
    labels = targets.labels.tolist()
    first = next(
        i for i, label in enumerate(labels) if label in labels[i + 1 :]
    )
    tubes = frame.gt_panoptic_seg.sem_seg
    tubes[tubes == targets.instances_ids[first]] = 0
    keep = [i for i in range(len(labels)) if i != first]
    frame.gt_instances = targets[keep]


def test_panoptic_targets_lie_where_the_segments_are(root):
    """Tubes have one colour in all frames, and each its own."""
    drawer, sample = load_clip(root, VIPSEG, 0)
    hide_first_of_a_class(sample['data_samples'][1])
    colors = {}
    for image, frame in zip(drawer.draw(sample, 24), sample['data_samples']):
        assert image.shape == (769, 1345, 3)
        tubes = frame.gt_panoptic_seg.sem_seg[0].numpy()
        # a target is that of the pixel at four times its place
        at_targets = image[::4, ::4]
        assert at_targets.shape[:2] == tubes.shape
        for tube in np.unique(tubes[tubes > 0]):
            values, counts = np.unique(
                at_targets[tubes == tube], axis=0, return_counts=True
            )
            color = tuple(values[counts.argmax()])
            assert counts.max() / counts.sum() > 0.85
            assert colors.setdefault(tube, color) == color
    assert len(colors) >= 4
    assert len(set(colors.values())) == len(colors)


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, size, num_frames',
    [(OVIS, (384, 640), 4), (VIPSEG, (769, 1345), 2)],
)
def test_side_by_side_and_separate(root, tmp_path, config, size, num_frames):
    height, width = size
    common = [f'--output-dir={tmp_path}', '--seed=0', '--num=1']
    main([*common, *options(root, config)])
    (path,) = tmp_path.rglob('*.jpg')
    assert path.parent.name == 'landscape'
    joined = cv2.imread(str(path))
    assert joined.shape == (height, num_frames * width, 3)
    path.unlink()
    main([*common, '--separate', *options(root, config)])
    paths = sorted(tmp_path.rglob('*.jpg'))
    assert len(paths) == num_frames
    for t, path in enumerate(paths):  # the same clip
        assert path.stem.endswith(f'_{t:02d}')
        part = joined[:, t * width : (t + 1) * width].astype(int)
        assert np.abs(part - cv2.imread(str(path))).mean() < 2


@pytest.mark.parametrize('config', [OVIS, VIPSEG])
def test_videos_to_test_on_are_drawn_as_they_are(root, tmp_path, config):
    main(
        [
            f'--output-dir={tmp_path}',
            '--max-frames=7',
            *options(root, config, 'val'),
        ]
    )
    found = {
        p.parent.name: cv2.imread(str(p)) for p in tmp_path.rglob('*.jpg')
    }
    # seven frames make two rows of six, and five places stay empty
    assert found['landscape'].shape == (2 * 64, 6 * 96, 3)
    assert not found['landscape'][70:, 100:].any()
    assert found['landscape'][70:, :96].any()
    source = tiny_videos if config == OVIS else tiny_panoptic
    undrawn = np.abs(
        found['landscape'][:64, :96].astype(int)
        - source.draw_frame('landscape', 0)
    )
    assert undrawn.max() > 100  # the annotations


def test_two_clips_never_have_one_file(tmp_path, capsys):
    classes = OVISDataset.METAINFO['classes']
    ann_file = tmp_path / 'annotations/ovis_valid.json'
    tiny_videos.write_dataset(
        tmp_path, 'valid', 'annotations/ovis_valid.json', classes
    )
    tiny_videos.move_frames_deeper(tmp_path / 'valid', ann_file)
    out = tmp_path / 'out'
    main([f'--output-dir={out}', *options(tmp_path, OVIS, 'val')])
    assert f'Wrote 2 images to {out}' in capsys.readouterr().out
    assert sorted(str(p.relative_to(out)) for p in out.rglob('*.jpg')) == [
        'landscape/img1/00000.jpg',
        'portrait/img1/00000.jpg',
    ]


def test_names_that_are_in_use():
    def data(root):
        return SimpleNamespace(data_prefix=dict(img_path=root))

    def sample(path):
        return dict(data_samples=[SimpleNamespace(img_path=path)])

    names = SampleNames()
    found = [
        names.add(data(root), sample(f'{root}/{path}'), suffix)
        for root, path, suffix in (
            ('x', 'v/0.jpg', ''),
            ('x', 'v/0.png', ''),
            ('y', 'v/0.jpg', ''),
            ('x', 'w/0.jpg', ''),
            ('y', 'w/0.jpg', '_00'),
        )
    ]
    assert found == ['v/0', 'v/0-2', 'v/0-3', 'w/0', 'w/0_00']


def test_what_cannot_be_drawn(root, tmp_path, capsys):
    with pytest.raises(SystemExit, match='browse_dataset: .*missing.json'):
        main(
            [
                f'--output-dir={tmp_path}',
                *options(root, OVIS, ann_file='missing.json'),
            ]
        )
    tiny_coco.write_coco(tmp_path / 'coco')
    coco = CONFIGS / '_base_/datasets/coco_panoptic_kmax.py'
    with pytest.raises(SystemExit, match='is an image, not a clip'):
        main(
            [
                f'--output-dir={tmp_path}',
                *options(tmp_path / 'coco', coco, 'val'),
            ]
        )
    with pytest.raises(SystemExit):
        main(options(root, OVIS))
    assert 'name an --output-dir' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([f'--output-dir={tmp_path}', '--num=0', *options(root, OVIS)])
    assert not list(tmp_path.rglob('landscape'))
