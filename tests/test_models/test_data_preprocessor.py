# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models import PanopticClipPreprocessor

import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.structures import BaseDataElement, PixelData


def build(input_size):
    return PanopticClipPreprocessor(
        input_size, mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True
    )


@pytest.mark.parametrize(
    'shape, expected',
    [
        ((720, 1280), (720, 1280)),
        ((769, 1345), (769, 1345)),
        ((1080, 1920), (757, 1345)),  # 756.56
        ((1920, 1080), (769, 433)),  # 432.56
        ((1538, 2690), (769, 1345)),  # both sides at once
        ((1539, 2000), (769, 999)),  # 999.35
        ((400, 5000), (108, 1345)),  # 107.6
        ((300, 300), (300, 300)),
    ],
)
def test_frames_are_made_smaller_never_larger(shape, expected):
    assert build((769, 1345)).img_shape(shape) == expected


@pytest.mark.parametrize('canvas', [(17, 33), (16, 32)])
def test_clip_is_normalised_resized_and_padded(canvas):
    generator = torch.Generator().manual_seed(0)
    frames = [
        torch.randint(
            0, 256, (3, 30, 40), dtype=torch.uint8, generator=generator
        )
        for _ in range(2)
    ]
    preprocessor = build(canvas)
    clip = preprocessor.preprocess_clip(frames)
    assert clip.shape == (1, 2, 3, *canvas)
    height, width = preprocessor.img_shape((30, 40))
    rgb = torch.stack(frames).float()[:, [2, 1, 0]]
    expected = F.interpolate(
        (rgb - 127.5) / 127.5,
        (height, width),
        mode='bilinear',
        align_corners=canvas[1] % 2 == 1,
    )
    torch.testing.assert_close(
        clip[0, ..., :height, :width], expected, rtol=0, atol=1e-6
    )
    assert not clip[..., height:, :].any()
    assert not clip[..., width:].any()


def sample(valid):
    frames = [DetDataSample() for _ in valid]
    for frame, mask in zip(frames, valid):
        frame.valid_pixels = PixelData(sem_seg=mask[None])
    track = TrackDataSample()
    track.video_data_samples = frames
    return track


def test_padding_of_training_clips_is_zero_after_normalisation(monkeypatch):
    clip = torch.full((2, 3, 4, 6), 200, dtype=torch.uint8)
    valid = torch.ones(2, 4, 6, dtype=torch.bool)
    valid[0, :, 5] = False
    valid[1, 3:] = False
    samples = [sample(valid)]
    samples[0].set_metainfo(dict(video=1))

    def print_nothing(element):
        assert not element.keys()  # Printing tensors takes longest.
        return ''

    monkeypatch.setattr(BaseDataElement, '__repr__', print_nothing)
    data = build((4, 6))(dict(inputs=[clip], data_samples=samples), True)
    (moved,) = data['data_samples']
    assert len(moved) == 2 and moved.video == 1
    assert moved[1].valid_pixels.sem_seg.equal(valid[1:])
    expected = (200 - 127.5) / 127.5 * valid[None, :, None].float()
    torch.testing.assert_close(data['inputs'], expected.expand(1, 2, 3, 4, 6))


def test_valid_pixels_of_another_size_are_an_error():
    clip = torch.zeros(1, 3, 4, 6, dtype=torch.uint8)
    data = dict(
        inputs=[clip],
        data_samples=[sample(torch.ones(1, 2, 3, dtype=torch.bool))],
    )
    with pytest.raises(ValueError, match='valid_pixels'):
        build((4, 6))(data, training=True)


def test_training_clips_of_another_canvas_are_an_error():
    clip = torch.zeros(1, 3, 4, 6, dtype=torch.uint8)
    data = dict(
        inputs=[clip],
        data_samples=[sample(torch.ones(1, 4, 6, dtype=torch.bool))],
    )
    with pytest.raises(ValueError, match='input_size is'):
        build((5, 6))(data, training=True)


def test_videos_and_images_wait_for_the_model_at_test_time():
    video, image = torch.zeros(3, 3, 4, 6), torch.zeros(3, 4, 6)
    data = build((4, 6))(dict(inputs=[video, image], data_samples=[]))
    assert [len(frames) for frames in data['inputs']] == [3, 3]
    assert data['inputs'][0][0].shape == (3, 4, 6)
    assert data['inputs'][1] is image
