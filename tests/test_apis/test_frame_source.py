# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import struct

from projects.maxtron.apis import VideoError, open_frame_source

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.footage import footage, read_frames, write_frames


@pytest.fixture(scope='module')
def frames():
    return read_frames(footage('carphone_pristine.mp4'), 12)


def write_avi(path, frames):
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (176, 144)
    )
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def announce(path, count):
    """Change the number of frames in the headers of an AVI."""
    data = bytearray(path.read_bytes())
    data[48:52] = struct.pack('<I', count)  # dwTotalFrames
    at = data.index(b'strh') + 8 + 32
    data[at : at + 4] = struct.pack('<I', count)  # dwLength
    path.write_bytes(data)


def test_video_file():
    path = footage('bikes.mp4')
    source = open_frame_source(path)
    assert (source.size, source.fps) == ((272, 640), 25)
    assert (source.name, source.num_frames) == ('bikes', 250)
    for _ in range(2):  # a file can be read again
        count = 0
        for frame, expected in zip(source, read_frames(path, 20)):
            np.testing.assert_array_equal(frame, expected)
            count += 1
        assert count == 20
    assert sum(1 for _ in source) == 250


@pytest.mark.parametrize('announced', [5, 100])
def test_container_count_is_only_a_hint(tmp_path, frames, announced):
    path = write_avi(tmp_path / 'video.avi', frames)
    announce(path, announced)
    source = open_frame_source(path)
    assert source.num_frames == announced
    if announced > len(frames):
        with pytest.warns(UserWarning, match='100 frames but only 12 could'):
            assert len(list(source)) == len(frames)
    else:
        assert len(list(source)) == len(frames)


def test_folder_in_natural_order(tmp_path, frames):
    folder = write_frames(tmp_path / 'clip', frames)
    (folder / 'notes.txt').write_text('no frame')
    (folder / '._3.png').write_text('no frame either')
    source = open_frame_source(str(folder))
    assert (source.name, source.size) == ('clip', (144, 176))
    assert (source.num_frames, source.fps) == (12, None)
    assert [source.frame_name(i) for i in (1, 2, 10)] == ['1', '2', '10']
    for frame, expected in zip(source, frames, strict=True):
        np.testing.assert_array_equal(frame, expected)


def test_turned_photo(tmp_path, frames):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(frames[0]).save(tmp_path / '0.jpg', exif=exif)
    source = open_frame_source(tmp_path)
    assert source.size == (176, 144)
    assert next(iter(source)).shape == (176, 144, 3)
    cv2.imwrite(str(tmp_path / '1.jpg'), frames[0])
    with pytest.raises(VideoError, match='1.jpg is 176x144 pixels but the'):
        list(open_frame_source(tmp_path))


def test_frames_in_memory(frames):
    for given, count in (
        (frames, 12),
        (np.stack(frames), 12),
        (iter(frames), None),
    ):
        source = open_frame_source(given)
        assert (source.size, source.num_frames) == ((144, 176), count)
        for frame, expected in zip(source, frames, strict=True):
            np.testing.assert_array_equal(frame, expected)


def _nothing(path, frames):
    return path / 'nowhere.mp4'


def _empty_folder(path, frames):
    (path / 'frames').mkdir()
    (path / 'readme.txt').write_text('no frame')
    return path


def _unreadable(path, frames):
    path = path / 'text.mp4'
    path.write_text('no video ' * 100)
    return path


def _cut(path, frames):
    data = footage('bikes.mp4').read_bytes()
    path = path / 'cut.mp4'
    path.write_bytes(data[: len(data) // 2])  # its index is at the end
    return path


def _no_bytes(path, frames):
    path = path / 'video.mp4'
    path.touch()
    return path


def _no_frame(path, frames):
    return write_avi(path / 'video.avi', [])


def _two_sizes(path, frames):
    write_frames(path / 'clip', [frames[0], frames[1], frames[2][:100]])
    return path / 'clip'


def _no_image(path, frames):
    write_frames(path / 'clip', frames)
    (path / 'clip' / '7.png').write_text('no image')
    return path / 'clip'


def _no_camera(path, frames):
    return '97'


@pytest.mark.parametrize(
    'make, error, message',
    [
        (_nothing, FileNotFoundError, 'no file or folder .*nowhere.mp4'),
        (_empty_folder, VideoError, 'has no image file'),
        (_unreadable, VideoError, 'text.mp4 cannot be read as a video'),
        (_cut, VideoError, 'cut.mp4 cannot be read as a video'),
        (_no_bytes, VideoError, 'video.mp4 is an empty file'),
        (_no_frame, VideoError, 'video.avi has no frame that can be decoded'),
        (_two_sizes, VideoError, '0.png is 176x144, 2.png is 176x100'),
        (_no_image, VideoError, '7.png cannot be read as an image'),
        (_no_camera, VideoError, 'Camera 97 cannot be opened'),
    ],
)
def test_bad_input(tmp_path, frames, make, error, message):
    with pytest.raises(error, match=message):
        open_frame_source(make(tmp_path, frames))


def test_bad_frames(tmp_path, frames):
    with pytest.raises(VideoError, match='has no frame'):
        open_frame_source([])
    with pytest.raises(VideoError, match='Frame 1 is 176x100 pixels but'):
        list(open_frame_source([frames[0], frames[1][:100]]))
    with pytest.raises(TypeError, match='float64'):
        open_frame_source([frames[0] / 255])
    with pytest.raises(TypeError, match='got float'):
        open_frame_source(0.5)
    folder = write_frames(tmp_path / 'clip', frames[:3])
    data = (folder / '2.png').read_bytes()
    (folder / '2.png').write_bytes(data[:60])  # the header is whole
    with pytest.raises(VideoError, match='2.png cannot be read as an image'):
        list(open_frame_source(folder))
