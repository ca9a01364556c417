# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from threading import Event

from projects.maxtron.models.association import iter_clips
from projects.maxtron.models.clip_reader import ClipReader
from projects.maxtron.models.data_preprocessor import ClipDataPreprocessor

import pytest
import torch

from tests.offline import CLIP_LEN, KINDS, ORI_SHAPE, make_video, offline_model

LENGTH = 3  # frames of a clip


class Frames:
    """A video whose frames are read one at a time.

    Args:
        num_frames (int): Length of the video.
        broken (int, optional): Frame that cannot be read.
    """

    def __init__(self, num_frames, broken=None):
        self.video = make_video('vis', num_frames)
        self.broken = broken
        self.read = []
        self.events = [Event() for _ in range(num_frames)]

    def __len__(self):
        return len(self.video)

    def __getitem__(self, t):
        self.read.append(t)
        self.events[t].set()
        if t == self.broken:
            raise OSError(f'frame {t} is broken')
        return self.video[t]


def read(frames, **kwargs):
    def split(frames, num_frames):
        return iter_clips(frames, LENGTH, num_frames)

    preprocessor = ClipDataPreprocessor(mean=[1, 2, 3], std=[2, 2, 2])
    return ClipReader(frames, split, preprocessor, ORI_SHAPE, **kwargs)


def test_clips_are_preprocessed_and_know_their_sizes():
    frames = Frames(2 * LENGTH + 1)
    clips = list(read(frames))
    assert [clip.shapes.num_new for clip in clips] == [3, 3, 1]
    video = torch.cat([clip.inputs[0] for clip in clips])
    mean = torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    torch.testing.assert_close(video, (frames.video - mean) / 2)
    for clip in clips:
        assert clip.shapes[:3] == ((45, 60), (45, 60), ORI_SHAPE)
    # with a known length, the last clips are of nearly equal length
    sizes = [len(clip.inputs[0]) for clip in read(frames, num_frames=7)]
    assert sizes == [3, 2, 2]


def test_frames_that_are_preprocessed_already_stay():
    video = torch.rand(4, 3, 64, 96)
    clips = list(read(video, img_shape=(50, 80)))
    assert torch.cat([clip.inputs[0] for clip in clips]).equal(video)
    assert clips[0].shapes[:3] == ((64, 96), (50, 80), ORI_SHAPE)


def test_one_clip_is_read_ahead():
    """While clip k is processed, clip k + 1 is read, but no other frame."""
    frames = Frames(9 * LENGTH)
    clips = iter(read(frames))
    for k in range(2):
        next(clips)
        # ends only if the frame is read without the next clip being asked for
        assert frames.events[(k + 2) * LENGTH - 1].wait(20)
        assert frames.read == [*range((k + 2) * LENGTH)]
    clips.close()  # waits for the thread that reads
    assert frames.read == [*range(3 * LENGTH)]


def test_error_of_a_frame_arrives():
    frames = Frames(3 * LENGTH, broken=LENGTH + 1)
    clips = iter(read(frames))
    next(clips)
    with pytest.raises(OSError, match=f'frame {LENGTH + 1} is broken'):
        list(clips)


def test_what_can_be_read_again():
    video = make_video('vis', 1)
    for frames in (video, list(video), Frames(1)):
        assert read(frames).rereadable
    for frames in (iter(video), (frame for frame in video)):
        assert not read(frames).rereadable


@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_pixel_embeddings_are_those_of_the_clips(kind):
    """The embeddings are computed from the frames, without the decoder."""
    model = offline_model(kind)
    clip_len = CLIP_LEN[kind]
    clips = model.read_clips(list(make_video(kind, 2 * clip_len + 1)), (9, 9))
    num_new = []
    for inputs, shapes in clips:
        expected = model.forward_clips(inputs).mask_feats
        assert expected.shape[2] == clip_len
        assert model.mask_features(inputs).equal(expected)
        num_new.append(shapes.num_new)
    assert num_new == [clip_len, clip_len, 1]
