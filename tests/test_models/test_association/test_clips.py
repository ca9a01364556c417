# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.models.association import iter_clips, split_video

import pytest

from tests.parity import load_case


def test_split_video_equals_reference():
    rows = load_case('f_video_split').info['rows']
    assert len(rows) == 155
    for row in rows:
        ends = split_video(row['total'], row['tube_size'], row['overlap'])
        assert ends == row['ends'], row


@pytest.mark.parametrize(
    'args, message',
    [((0, 4), 'at least one frame'), ((9, 2, 2), 'must exceed overlap=2')],
)
def test_split_video_rejects(args, message):
    with pytest.raises(ValueError, match=message):
        split_video(*args)


@pytest.mark.parametrize('overlap', [0, 1])
def test_iter_clips_covers_the_stream(overlap):
    for actual in (1, 3, 11):
        for expected in (None, 11):  # the container may be wrong
            seen, last = [], []
            for clip, new in iter_clips(
                iter(range(actual)), 4, expected, overlap
            ):
                shared = clip[: len(clip) - new]
                assert shared == (last[-overlap:] if overlap else [])
                assert new > 0 and len(clip) <= 4
                seen, last = seen + clip[-new:], clip
            assert seen == list(range(actual))
    lengths = [len(clip) for clip, _ in iter_clips(range(11), 4, 11)]
    assert lengths == [4, 4, 3]
    # Without a known length the last clip has the remaining frames.
    lengths = [len(clip) for clip, _ in iter_clips(range(9), 4)]
    assert lengths == [4, 4, 1]


def test_clips_of_one_length():
    for num_frames in (1, 4, 11):
        clips = list(iter_clips(range(num_frames), 4, pad_last_clip=True))
        frames = [frame for clip, new in clips for frame in clip[:new]]
        assert frames == list(range(num_frames))
        assert all(len(clip) == 4 for clip, _ in clips)
        clip, new = clips[-1]
        assert clip[new:] == [num_frames - 1] * (-num_frames % 4)


def test_overlapping_clips_of_one_length():
    clips = list(iter_clips(range(9), 4, overlap=2, pad_last_clip=True))
    starts = [clip[0] for clip, _ in clips]
    assert starts == [0, 2, 4, 5]  # the last one begins earlier
    assert all(clip == [*range(clip[0], clip[0] + 4)] for clip, _ in clips)
    assert [new for _, new in clips] == [4, 2, 2, 1]
    # New frames are always the last ones.
    short = list(iter_clips(range(3), 4, overlap=2, pad_last_clip=True))
    assert short == [([0, 0, 1, 2], 3)]


def test_video_without_frames():
    with pytest.raises(ValueError, match='no frames'):
        list(iter_clips(iter([]), 4))
