# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Inference that sees all of a video before it gives a result."""

from projects.maxtron.apis import CameraSource, MaXTronInferencer, VideoError

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config

from tests.footage import (
    INSTANCE_CONFIG,
    PANOPTIC_CONFIG,
    footage,
    read_frames,
    write_checkpoint,
    write_config,
    write_frames,
)

NUM_FRAMES = 7  # with clips of 4: the last is filled up by one; of 2: too
SIZE = 72, 88
CONFIGS = dict(instances=INSTANCE_CONFIG, panoptic=PANOPTIC_CONFIG)
KINDS = pytest.mark.parametrize('kind', sorted(CONFIGS))


@pytest.fixture(scope='module')
def frames():
    frames = read_frames(footage('carphone_pristine.mp4'), NUM_FRAMES)
    return [np.ascontiguousarray(frame[::2, ::2]) for frame in frames]


@pytest.fixture(scope='module')
def folder(frames, tmp_path_factory):
    return write_frames(tmp_path_factory.mktemp('frames') / 'clip', frames)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config and checkpoint of an offline model of each kind."""
    paths = {}
    for kind, content in CONFIGS.items():
        folder = tmp_path_factory.mktemp(kind)
        config = write_config(folder, content.replace('nearonline', 'offline'))
        checkpoint = write_checkpoint(
            folder / 'small.pth', Config.fromfile(config).model
        )
        paths[kind] = str(config), str(checkpoint)
    return paths


@pytest.fixture(scope='module')
def make(files):
    """Makes an inferencer of a kind."""

    def build(kind, **kwargs):
        kwargs.setdefault(
            'cfg_options',
            {'model.head.test_cfg.clip_len': 4 if kind == 'instances' else 2},
        )
        return MaXTronInferencer(*files[kind], device='cpu', **kwargs)

    return build


def content(samples):
    """Results in a form that can be compared."""
    found = []
    for sample in samples:
        if 'pred_panoptic_map' in sample:
            found.append(sample.pred_panoptic_map.decode().tolist())
        else:
            instances = sample.pred_track_instances
            found.append(
                [
                    [
                        x.tolist()
                        for x in (
                            instances.instances_id,
                            instances.labels,
                            instances.scores,
                        )
                    ],
                    instances.masks,
                ]
            )
    return found


@pytest.mark.slow
@KINDS
def test_same_as_testing_on_the_dataset(make, kind, frames, folder):
    inferencer = make(kind, feature_cache='none')
    assert inferencer.results_at_end and inferencer.num_passes == 2
    pipeline = Compose(inferencer.cfg.test_dataloader.dataset.pipeline)
    video = pipeline(
        dict(
            img_path=[str(folder / f'{i}.png') for i in range(NUM_FRAMES)],
            height=[SIZE[0]] * NUM_FRAMES,
            width=[SIZE[1]] * NUM_FRAMES,
        )
    )
    (expected,) = inferencer.model.predict(
        [video['inputs']], [video['data_samples']]
    )
    expected = content(expected)
    assert len(expected) == NUM_FRAMES and expected[0] != expected[-1]

    reads = []
    pairs = list(inferencer.stream(folder, on_read=lambda: reads.append(1)))
    assert len(reads) == 2 * NUM_FRAMES
    for (frame, sample), (i, shown) in zip(
        pairs, enumerate(frames), strict=True
    ):
        np.testing.assert_array_equal(frame, shown)
        assert sample.frame_id == i and sample.ori_shape == SIZE
    assert content(sample for _, sample in pairs) == expected
    # embeddings that are kept until the end give the same
    for cache in ('device', 'cpu'):
        inferencer = make(kind, feature_cache=cache)
        assert inferencer.num_passes == 1
        assert content(inferencer(np.stack(frames))) == expected
        # of no known length, read once
        assert content(inferencer(iter(frames))) == expected


@pytest.mark.slow
@KINDS
def test_near_online_modes_of_an_offline_model(make, kind, frames):
    near_online = make(
        kind,
        mode='near_online',
        segment_decision='per_video' if kind == 'panoptic' else None,
    )
    model = near_online.model
    offline = content(make(kind, feature_cache='cpu')(frames))
    found = content(near_online(iter(frames)))
    assert len(found) == NUM_FRAMES and found != offline
    if kind == 'panoptic':  # decided at the end
        assert near_online.results_at_end
        sample = TrackDataSample()
        sample.video_data_samples = [
            DetDataSample(metainfo=dict(ori_shape=SIZE)) for _ in frames
        ]
        tensors = [torch.from_numpy(f).permute(2, 0, 1) for f in frames]
        (expected,) = model.predict([tensors], [sample])
        assert found == content(expected)
        clip = make(kind, mode='near_online')
        assert not clip.results_at_end
        assert content(clip(frames)) != found
    else:
        assert not near_online.results_at_end


@pytest.mark.slow
@KINDS
def test_old_names_of_the_modes(make, kind, frames):
    """Version 0.1 had 'video' and 'clip', both near-online."""
    for old, decision in (('video', 'per_video'), ('clip', 'per_clip')):
        if kind == 'instances':
            decision = None
            if old == 'clip':  # of panoptic models only
                continue
        new = dict(mode='near_online', segment_decision=decision)
        found = [
            content(make(kind, **kwargs)(frames[:5]))
            for kwargs in (dict(mode=old), new)
        ]
        assert found[0] == found[1]


def test_frames_that_cannot_be_read_as_wanted(make, frames):
    twice, once = (make('panoptic', feature_cache=c) for c in ('none', 'cpu'))
    with pytest.raises(VideoError, match='twice, but frames can be read only'):
        twice(iter(frames))
    # a camera that is there, with the class of one
    camera = object.__new__(CameraSource)
    camera.name, camera.size = 'camera0', SIZE
    with pytest.raises(VideoError, match='camera0 has no end'):
        once(camera)
    with pytest.raises(VideoError, match='camera0 can be read only once'):
        twice(camera, max_frames=3)
    once.check_source(camera, max_frames=3)


@pytest.mark.parametrize(
    'kind, kwargs, message',
    [
        (
            'instances',
            dict(mode='clip'),
            "mode is 'clip'; choose 'near_online' or",
        ),
        ('panoptic', dict(feature_cache='tape'), "feature_cache is 'tape'"),
        (
            'panoptic',
            dict(mode='near_online', feature_cache='cpu'),
            "mode is 'near_online': ",
        ),
        (
            'panoptic',
            dict(segment_decision='per_clip'),
            "segment_decision='per_clip' is of mode 'near_online'",
        ),
    ],
)
def test_mode_that_there_is_not(make, kind, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(kind, **kwargs)


def test_offline_without_a_tracker(files, tmp_path):
    config = write_config(tmp_path, PANOPTIC_CONFIG)
    checkpoint = write_checkpoint(
        tmp_path / 'near.pth', Config.fromfile(config).model
    )
    with pytest.raises(ValueError, match='no cross-clip tracker'):
        MaXTronInferencer(
            str(config), str(checkpoint), device='cpu', mode='offline'
        )
    with pytest.raises(ValueError, match='has no cross-clip tracker'):
        MaXTronInferencer(files['panoptic'][0], str(checkpoint), device='cpu')
