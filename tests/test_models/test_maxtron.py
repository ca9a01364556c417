# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import gc

from projects.maxtron.models import ClipPrediction

import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from tests.models import build, model_cfg

ORI_SHAPE = (60, 80)


class Frames:
    """A video that exists one frame at a time."""

    def __init__(self, num_frames, size=(45, 60)):
        self.num_frames = num_frames
        self.size = size

    def __len__(self):
        return self.num_frames

    def __getitem__(self, t):
        generator = torch.manual_seed(t)
        return torch.randint(
            0, 256, (3, *self.size), generator=generator, dtype=torch.uint8
        )


def sample(num_frames):
    track = TrackDataSample()
    track.video_data_samples = [
        DetDataSample(
            metainfo=dict(ori_shape=ORI_SHAPE, img_shape=(45, 60), frame_id=t)
        )
        for t in range(num_frames)
    ]
    return track


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = build(model_cfg())
    model.init_weights()
    return model


def equal_instances(a, b):
    assert a.instances_id.equal(b.instances_id)
    assert a.labels.equal(b.labels) and a.scores.equal(b.scores)
    assert a.masks == b.masks and a.bboxes.equal(b.bboxes)


@pytest.mark.parametrize('num_frames', [1, 7])
def test_lazy_video_equals_loaded_tensor(model, num_frames):
    video = Frames(num_frames)
    lazy = model.test_step(
        dict(inputs=[video], data_samples=[sample(num_frames)])
    )
    loaded = torch.stack([video[t] for t in range(num_frames)])
    eager = model.test_step(
        dict(inputs=[loaded], data_samples=[sample(num_frames)])
    )
    assert len(lazy) == len(eager) == 1
    assert len(lazy[0]) == num_frames
    for a, b in zip(lazy[0], eager[0]):
        assert a.frame_id == b.frame_id
        assert 0 < len(a.pred_track_instances) <= model.head.max_per_frame
        assert a.pred_track_instances.masks[0]['size'] == list(ORI_SHAPE)
        equal_instances(a.pred_track_instances, b.pred_track_instances)


def test_two_videos_are_independent(model):
    single = [
        model.test_step(dict(inputs=[Frames(n)], data_samples=[sample(n)]))[0]
        for n in (5, 2)
    ]
    both = model.test_step(
        dict(
            inputs=[Frames(5), Frames(2)], data_samples=[sample(5), sample(2)]
        )
    )
    for a, b in zip(single, both):
        for frame_a, frame_b in zip(a, b):
            equal_instances(
                frame_a.pred_track_instances, frame_b.pred_track_instances
            )


def test_stream_is_lazy_and_causal(model):
    taken = []

    def camera(num_frames):
        video = Frames(num_frames)
        for t in range(num_frames):
            taken.append(t)
            yield video[t]

    stream = model.predict_stream(camera(99), ORI_SHAPE)
    first = next(stream)
    assert [frame.frame_id for frame in first] == [0, 1, 2]
    # the first clip, and one in each of post-processing, network and reading
    assert len(taken) <= 4 * model.head.clip_len
    stream.close()

    short = [
        f for clip in model.predict_stream(camera(6), ORI_SHAPE) for f in clip
    ]
    longer = [
        f for clip in model.predict_stream(camera(9), ORI_SHAPE) for f in clip
    ]
    assert [f.frame_id for f in longer] == list(range(9))
    for a, b in zip(short, longer):
        equal_instances(a.pred_track_instances, b.pred_track_instances)
    for frame in longer:
        ids = frame.pred_track_instances.instances_id.tolist()
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(range(1, 21))


def test_holds_two_clips_at_a_time(model, monkeypatch):
    alive = []

    def forward(*args):
        alive.append(
            sum(isinstance(x, ClipPrediction) for x in gc.get_objects())
        )
        return type(model).forward_clips(model, *args)

    monkeypatch.setattr(model, 'forward_clips', forward)
    video = [Frames(18)[t] for t in range(18)]
    list(model.predict_stream(video, ORI_SHAPE))
    model.test_step(dict(inputs=[Frames(18)], data_samples=[sample(18)]))
    # When a clip enters the network, one is post-processed and one may wait.
    assert len(alive) == 12 and max(alive) <= 2


def test_frames_of_different_sizes(model):
    frames = [torch.zeros(3, 45, 60), torch.zeros(3, 45, 64)]
    with pytest.raises(
        ValueError, match=r'one size.*\(45, 60\) and \(45, 64\)'
    ):
        list(model.predict_stream(frames, ORI_SHAPE))


@pytest.mark.parametrize(
    'neck',
    [
        None,
        dict(
            type='AxialTrajectoryNeck',
            in_channels=[24, 48, 96, 192],
            feat_channels=32,
            norm_cfg=dict(type='GN', num_groups=8),
        ),
    ],
)
def test_training_step_reaches_every_parameter(neck):
    cfg = model_cfg()
    cfg.neck = neck
    model = build(cfg).train()
    for name, weight in model.named_parameters():
        if 'sampling_offsets.weight' in name:  # starts at zero
            torch.nn.init.normal_(weight, std=0.01)
    track = sample(3)
    for frame in track:
        masks = torch.zeros(2, 45, 60, dtype=torch.uint8)
        masks[0, 5:20, 5:20] = masks[1, 20:40, 30:50] = 1
        frame.gt_instances = InstanceData(
            instances_ids=torch.tensor([4, 2]),
            labels=torch.tensor([0, 3]),
            masks=BitmapMasks(masks.numpy(), 45, 60),
        )
    frames = torch.stack([Frames(3)[t] for t in range(3)])
    data = model.data_preprocessor(
        dict(inputs=[frames], data_samples=[track]), training=True
    )
    losses, _ = model.parse_losses(model(**data, mode='loss'))
    losses.backward()
    still = [
        n
        for n, p in model.named_parameters()
        if p.grad is None or not p.grad.any()
    ]
    assert not still, still


def test_loads_checkpoints_of_mmdet(model):
    state = model.state_dict()
    for prefix in ('panoptic_head', 'track_head'):
        foreign = {
            key.replace('head.segmenter', prefix): value
            for key, value in state.items()
        }
        fresh = build(model_cfg())
        fresh.load_state_dict(foreign, strict=True)
        for key, value in fresh.state_dict().items():
            assert value.equal(state[key]), key
