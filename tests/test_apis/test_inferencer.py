# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.apis import MaXTronInferencer
from projects.maxtron.errors import InputError

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config

from tests.footage import (
    PANOPTIC_CONFIG,
    footage,
    read_frames,
    write_checkpoint,
    write_config,
    write_frames,
)
from tests.models import ROOT, model_cfg

CLASSES = tuple(f'thing{i}' for i in range(40))
NUM_FRAMES = 11  # with clips of 4: 4, 4, 3


@pytest.fixture(scope='module')
def frames():
    return read_frames(footage('carphone_pristine.mp4'), NUM_FRAMES)


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Config and checkpoint of the small model."""
    folder = tmp_path_factory.mktemp('small')
    config = write_config(folder)
    checkpoint = write_checkpoint(
        folder / 'small.pth',
        Config.fromfile(config).model,
        dataset_meta=dict(classes=CLASSES),
    )
    return str(config), str(checkpoint)


@pytest.fixture(scope='module')
def inferencer(small):
    return MaXTronInferencer(*small, device='cpu')


@pytest.fixture(scope='module')
def panoptic(tmp_path_factory):
    """The inferencer of a small panoptic model."""
    folder = tmp_path_factory.mktemp('panoptic')
    config = write_config(folder, PANOPTIC_CONFIG)
    checkpoint = write_checkpoint(
        folder / 'small.pth', Config.fromfile(config).model
    )
    return MaXTronInferencer(str(config), str(checkpoint), device='cpu')


def assert_same(samples, expected):
    for sample, other in zip(samples, expected, strict=True):
        got, want = sample.pred_track_instances, other.pred_track_instances
        assert got.masks == want.masks
        for key in ('instances_id', 'labels', 'scores', 'bboxes'):
            torch.testing.assert_close(got[key], want[key], rtol=0, atol=0)


def test_same_as_testing_on_the_dataset(inferencer, frames, tmp_path):
    folder = write_frames(tmp_path / 'clip', frames)
    pipeline = Compose(inferencer.cfg.test_dataloader.dataset.pipeline)
    video = pipeline(
        dict(
            img_path=[str(folder / f'{i}.png') for i in range(NUM_FRAMES)],
            height=[144] * NUM_FRAMES,
            width=[176] * NUM_FRAMES,
        )
    )['inputs']
    assert video[0].shape[1:] == (64, 78)  # does resize
    clips = list(
        inferencer.model.predict_stream(
            (video[i] for i in range(NUM_FRAMES)), (144, 176), NUM_FRAMES
        )
    )
    assert [len(clip) for clip in clips] == [4, 4, 3]
    expected = [sample for clip in clips for sample in clip]

    samples = list(inferencer(folder))
    assert [sample.frame_id for sample in samples] == list(range(NUM_FRAMES))
    for sample in samples:
        assert sample.ori_shape == (144, 176)
        assert len(sample.pred_track_instances) == 4
        assert sample.pred_track_instances.masks[0]['size'] == [144, 176]
    assert_same(samples, expected)
    assert_same(inferencer(frames), expected)


def test_stream_of_unknown_length(inferencer, frames):
    pairs = list(inferencer.stream(iter(frames)))
    for (frame, sample), expected in zip(pairs, frames, strict=True):
        assert frame is expected
        drawn = inferencer.draw(frame, sample, score_thr=0)
        assert drawn.shape == frame.shape and (drawn != frame).any()
        np.testing.assert_array_equal(
            inferencer.draw(frame, sample, score_thr=1), frame
        )


def assert_same_maps(samples, expected):
    for sample, other in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(
            sample.pred_panoptic_map.decode(), other.pred_panoptic_map.decode()
        )


@pytest.mark.slow
def test_panoptic_same_as_testing_on_the_dataset(panoptic, frames, tmp_path):
    assert panoptic.is_panoptic
    folder = write_frames(tmp_path / 'clip', frames)
    pipeline = Compose(panoptic.cfg.test_dataloader.dataset.pipeline)
    video = pipeline(
        dict(
            img_path=[str(folder / f'{i}.png') for i in range(NUM_FRAMES)],
            height=[144] * NUM_FRAMES,
            width=[176] * NUM_FRAMES,
        )
    )['inputs']
    clips = list(
        panoptic.model.predict_stream(
            (video[i] for i in range(NUM_FRAMES)), (144, 176)
        )
    )
    assert [len(clip) for clip in clips] == [2] * 5 + [1]
    expected = [sample for clip in clips for sample in clip]

    samples = list(panoptic(folder))
    assert [sample.frame_id for sample in samples] == list(range(NUM_FRAMES))
    assert_same_maps(samples, expected)
    # of no known length, and cut short in a clip
    assert_same_maps(panoptic(iter(frames)), expected)
    assert_same_maps(list(panoptic(frames, max_frames=9))[:8], expected[:8])


def test_panoptic_drawing(panoptic, frames):
    things = set()
    for frame, sample in panoptic.stream(frames, max_frames=4):
        ids = sample.pred_panoptic_map.decode()
        assert ids.shape == frame.shape[:2] == sample.ori_shape
        things.update(ids[ids >= 1000].tolist())
        drawn = panoptic.draw(frame, sample)
        void = ids == sample.pred_panoptic_map.void
        assert (drawn[~void] != frame[~void]).any(-1).mean() > 0.9
    assert things


def test_max_frames(inferencer, frames):
    assert len(list(inferencer(footage('bikes.mp4'), max_frames=5))) == 5
    assert len(list(inferencer(frames, max_frames=99))) == NUM_FRAMES


@pytest.mark.parametrize(
    'kind, clip_len', [('inferencer', 4), ('panoptic', 2)]
)
def test_reads_one_clip_ahead_a_stage_and_no_more(
    kind, clip_len, frames, request
):
    inferencer = request.getfixturevalue(kind)
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield frames[read % NUM_FRAMES]

    results = inferencer(endless())
    for count in range(1, 14):
        next(results)
        # the clip at hand, one in each of post-processing, network and
        # reading, and the frame that was peeked at
        assert read <= -(-count // clip_len) * clip_len + 3 * clip_len + 1
    results.close()


def test_class_names(small, inferencer):
    with pytest.warns(UserWarning, match='weights are random'):
        untrained = MaXTronInferencer(small[0], device='cpu')
    # from the dataset of the config, whose files are not there
    assert 'giant_panda' in untrained.visualizer.dataset_meta['classes']
    assert inferencer.visualizer.dataset_meta['classes'] == CLASSES


def test_checkpoint_that_does_not_fit(small, tmp_path):
    config, _ = small
    for name, cfg, words in (
        (
            'classes',
            model_cfg(num_classes=5, num_queries=4),
            'of another shape, first: size mismatch for head.segmenter',
        ),
        (
            'baseline',
            model_cfg('tube-link_r50', 40),
            'another architecture, with the parts backbone, head',
        ),
    ):
        checkpoint = write_checkpoint(tmp_path / f'{name}.pth', cfg)
        with pytest.raises(ValueError) as error:
            MaXTronInferencer(config, str(checkpoint), device='cpu')
        assert f'{checkpoint} does not fit MaXTron' in str(error.value)
        assert words in str(error.value)
    checkpoint = write_checkpoint(
        tmp_path / 'names.pth',
        Config.fromfile(config).model,
        dataset_meta=dict(classes=CLASSES[:7]),
    )
    with pytest.raises(ValueError, match='has 40 classes, but the checkpoint'):
        MaXTronInferencer(config, str(checkpoint), device='cpu')
    with pytest.raises(FileNotFoundError):
        MaXTronInferencer(config, str(tmp_path / 'nowhere.pth'), device='cpu')


def test_unknown_key_of_the_config(small):
    with pytest.raises(
        TypeError,
        match='"model.backbone" in the config has '
        'the key "deph", which ResNet .* mean depth',
    ):
        MaXTronInferencer(
            small[0], device='cpu', cfg_options={'+model.backbone.deph': 50}
        )


@pytest.mark.parametrize(
    'key, message',
    [
        ('model', 'small.py has no model: give a whole config'),
        ('model.type', 'small.py: "model" has no "type"'),
        ('test_dataloader', 'small.py has no test_dataloader: give a whole'),
        ('test_dataloader.dataset', '"test_dataloader" has no "dataset"'),
        (
            'test_dataloader.dataset.pipeline',
            'test_dataloader.dataset has no pipeline',
        ),
    ],
)
def test_config_without_a_key(small, key, message):
    config = Config.fromfile(small[0])
    *where, last = key.split('.')
    node = config._cfg_dict
    for part in where:
        node = node[part]
    del node[last]
    with pytest.raises(ValueError, match=message):
        MaXTronInferencer(config, device='cpu')


def test_config_has_the_ids_that_a_checkpoint_lacks(small, inferencer):
    assert 'category_ids' not in inferencer.model.dataset_meta
    config = Config.fromfile(small[0])
    config.test_dataloader.dataset.metainfo = dict(classes=CLASSES[:3])
    with pytest.raises(
        ValueError, match='dataset.metainfo.classes of the config names 3'
    ):
        MaXTronInferencer(config, device='cpu')
    ids = list(range(100, 140))
    config.test_dataloader.dataset.metainfo = dict(category_ids=ids)
    inferencer = MaXTronInferencer(config, small[1], device='cpu')
    assert inferencer.model.dataset_meta['category_ids'] == ids
    dataset = config.test_dataloader.dataset
    config.test_dataloader.dataset = dict(
        type='LVVISDataset', pipeline=dataset.pipeline
    )
    with pytest.raises(ValueError, match='names no classes, since its data'):
        MaXTronInferencer(config, device='cpu')


def test_model_that_is_not_for_videos(small):
    config = Config.fromfile(small[0])
    config.model = dict(type='DetDataPreprocessor')
    with pytest.raises(ValueError, match='of a DetDataPreprocessor, which ca'):
        MaXTronInferencer(config, device='cpu')


def test_released_model_by_name():
    name = 'maxtron-nearonline_tube-link_tiny_synthetic-vis'
    assert name in MaXTronInferencer.list_models('VIS')
    assert name not in MaXTronInferencer.list_models('VPS')
    named = MaXTronInferencer(name, device='cpu')
    config = 'maxtron-nearonline_tube-link_tiny_1xb3-8k_synthetic-association-vis.py'
    given = MaXTronInferencer(
        ROOT / 'configs/maxtron/synthetic' / config,
        ROOT / 'demo/maxtron_tiny.pth',
        device='cpu',
    )
    weights = given.model.state_dict()
    assert weights.keys() == named.model.state_dict().keys()
    for key, value in named.model.state_dict().items():
        assert value.equal(weights[key])
    assert named.model.dataset_meta == given.model.dataset_meta


@pytest.mark.parametrize(
    'name, message',
    [
        ('maxtron-nearonline_video-kmax_r50_vipsig', 'nearest names are max'),
        ('detectron2_r50', 'is the name of a backbone'),
        ('no/config.py', 'Config not found: no/config.py'),
    ],
)
def test_unknown_model(name, message):
    with pytest.raises((InputError, FileNotFoundError), match=message):
        MaXTronInferencer(name)
