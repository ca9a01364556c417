# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.clip_reader import ClipReader

import pytest
import torch

from tests.offline import CLIP_LEN, KINDS, ORI_SHAPE, make_video, offline_model


@pytest.fixture(scope='module', params=KINDS)
def model(request):
    model = offline_model(request.param)
    model.kind = request.param
    return model


class Frames:
    """A video whose frames are read one at a time."""

    def __init__(self, video, broken=None):
        self.video = video
        self.broken = broken
        self.read = []

    def __len__(self):
        return len(self.video)

    def __getitem__(self, t):
        self.read.append(t)
        if t == self.broken:
            raise OSError(f'frame {t} is broken')
        return self.video[t]


@torch.no_grad()
def test_pixel_embeddings_are_those_of_the_clips(model):
    """A second time, from the frames on and without the decoder."""
    clip_len = CLIP_LEN[model.kind]
    frames = Frames(make_video(model.kind, 2 * clip_len + 1))
    clips = ClipReader(model, frames, ORI_SHAPE)
    assert clips.rereadable
    first = [(pred.mask_feats, shapes) for pred, shapes in clips]
    second = list(clips.mask_feats())
    assert frames.read == 2 * [*range(len(frames))]
    assert [shapes.num_new for _, shapes in first] == [clip_len, clip_len, 1]
    for (feats, shapes), (again, shapes_again) in zip(
        first, second, strict=True
    ):
        assert feats.shape[2] == clip_len
        assert again.equal(feats) and shapes_again == shapes


@torch.no_grad()
def test_one_clip_is_read_ahead(model):
    clip_len = CLIP_LEN[model.kind]
    frames = Frames(make_video(model.kind, 9 * clip_len))
    clips = iter(ClipReader(model, frames, ORI_SHAPE))
    for k in range(2):
        next(clips)
        assert len(frames.read) <= (k + 2) * clip_len
    clips.close()  # waits for the thread that reads


@torch.no_grad()
def test_error_of_a_frame_arrives(model):
    clip_len = CLIP_LEN[model.kind]
    frames = Frames(make_video(model.kind, 3 * clip_len), clip_len + 1)
    clips = iter(ClipReader(model, frames, ORI_SHAPE))
    next(clips)
    with pytest.raises(OSError, match=f'frame {clip_len + 1} is broken'):
        list(clips)


def test_what_can_be_read_again(model):
    video = make_video(model.kind, 1)
    for frames in (video, list(video), Frames(video)):
        assert ClipReader(model, frames, ORI_SHAPE).rereadable
    for frames in (iter(video), (frame for frame in video)):
        assert not ClipReader(model, frames, ORI_SHAPE).rereadable
