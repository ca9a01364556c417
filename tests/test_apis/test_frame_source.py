# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import struct
import wave
from fractions import Fraction

from projects.maxtron.apis import VideoError, VideoWriter, open_frame_source

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.footage import footage, read_frames, write_frames, write_video


@pytest.fixture(scope='module')
def frames():
    return read_frames(footage('carphone_pristine.mp4'), 12)


def write_avi(path, frames):
    """Motion JPEG, whose frames are independent."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('mjpeg', 25)
        stream.width, stream.height, stream.pix_fmt = 176, 144, 'yuvj420p'
        stream.options = dict(qmin='2', qmax='2')
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format='bgr24')
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def announce(path, count):
    """Change the number of frames in the headers of an AVI."""
    data = bytearray(path.read_bytes())
    data[48:52] = struct.pack('<I', count)  # dwTotalFrames
    at = data.index(b'strh') + 8 + 32
    data[at : at + 4] = struct.pack('<I', count)  # dwLength
    path.write_bytes(data)


@pytest.mark.slow
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
        with pytest.warns(UserWarning, match='100 frames but only 12 fra'):
            assert len(list(source)) == len(frames)
    else:
        assert len(list(source)) == len(frames)


def test_folder_in_natural_order(tmp_path, frames):
    folder = write_frames(tmp_path / 'clip', frames)
    (folder / 'notes.txt').write_text('no frame')
    (folder / '._3.png').write_text('no frame either')
    (folder / 'Thumbs.db').touch()
    with pytest.warns(
        UserWarning,
        match='3 of 15 .* no frames: ._3.png, Thumbs.db, notes.txt',
    ):
        source = open_frame_source(str(folder))
    assert (source.name, source.size) == ('clip', (144, 176))
    assert (source.num_frames, source.fps) == (12, None)
    assert [source.frame_name(i) for i in (1, 2, 10)] == ['1', '2', '10']
    for frame, expected in zip(source, frames, strict=True):
        np.testing.assert_array_equal(frame, expected)


def test_same_stems_have_different_names(tmp_path, frames):
    folder = write_frames(tmp_path / 'clip', frames[:2])
    for i in (0, 1):
        cv2.imwrite(str(folder / f'{i}.jpg'), frames[i])
    source = open_frame_source(folder)
    names = [source.frame_name(i) for i in range(source.num_frames)]
    assert names == ['0.jpg', '0.png', '1.jpg', '1.png']


def test_frames_in_a_sub_folder(tmp_path, frames):
    (tmp_path / 'SEQ' / 'gt').mkdir(parents=True)
    (tmp_path / 'SEQ' / 'gt' / 'gt.txt').touch()
    (tmp_path / 'SEQ' / 'seqinfo.ini').touch()
    write_frames(tmp_path / 'SEQ' / 'img1', frames[:3])
    source = open_frame_source(tmp_path / 'SEQ')
    assert (source.name, source.num_frames) == ('SEQ', 3)
    np.testing.assert_array_equal(next(iter(source)), frames[0])
    write_frames(tmp_path / 'SEQ' / 'img2', frames[:3])
    with pytest.raises(VideoError, match=r'in 2 sub-folders \(img1, img2\)'):
        open_frame_source(tmp_path / 'SEQ')


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.webm'])
def test_times_of_a_variable_rate(tmp_path, frames, suffix):
    times = [0, 0.1, 0.4, 0.45, 3, 3.5]
    path = tmp_path / f'video: 1{suffix}'  # "video:" is no protocol
    with VideoWriter(str(path), 25, (144, 176)) as writer:
        for frame, *span in zip(frames, times, times[1:]):
            writer.write(frame, span)
    source = open_frame_source(path)
    for _ in range(2):
        for i, _ in enumerate(source):  # known as soon as a frame is
            assert source.frame_times(i) == pytest.approx(
                times[i : i + 2], abs=1e-3
            )
        assert i == 4


def test_wrong_default_duration(tmp_path, frames):
    """Matroska states that frames last 4 s, though one comes every 40 ms."""
    path = write_video(tmp_path / 'video.mkv', frames[:5])
    data = path.read_bytes()
    start = data.index(b'\x23\xe3\x83\x84') + 4
    wrong = (4 * 10**9).to_bytes(4, 'big')
    path.write_bytes(data[:start] + wrong + data[start + 4 :])
    source = open_frame_source(path)
    assert len(list(source)) == 5
    assert source.frame_times(4) == pytest.approx((0.16, 0.2), abs=1e-3)


def test_recording_of_a_browser(tmp_path, frames):
    """WebM without durations: FFmpeg states 1000 frames per second."""
    starts = np.cumsum([0, *[0.09, 0.113, 0.1] * 3])
    path = tmp_path / 'recorded.webm'
    with VideoWriter(str(path), 10, (144, 176)) as writer:
        for frame, *times in zip(frames, starts, [*starts[1:], 1.01]):
            writer.write(frame, times)
    data = bytearray(path.read_bytes())
    for element in (b'\x23\xe3\x83', b'\x44\x89'):  # durations, to be void
        if (i := data.find(element)) >= 0:
            size = len(element) + 1 + (data[i + len(element)] & 0x7F)
            void = bytes([0xEC, 0x80 | size - 2]) + bytes(size - 2)
            data[i : i + size] = void
    path.write_bytes(data)
    source = open_frame_source(path)
    assert source.fps is None or source.fps < 50
    assert len(list(source)) == 10
    read = [source.frame_times(i)[0] for i in range(10)]
    np.testing.assert_allclose(read, starts, atol=2e-3)


def test_no_time_stamps(tmp_path, frames):
    path = tmp_path / 'raw.m4v'
    path.write_bytes(raw_stream(frames))
    source = open_frame_source(path)
    assert len(list(source)) == 12
    starts, ends = zip(*map(source.frame_times, range(12)))
    np.testing.assert_allclose(starts[1:], ends[:-1])
    assert (np.diff(starts) > 0).all() and ends[-1] > starts[-1]


def raw_stream(frames) -> bytes:
    """Frames as MPEG-4 without a container."""
    codec = av.CodecContext.create('mpeg4', 'w')
    codec.width, codec.height, codec.pix_fmt = 176, 144, 'yuv420p'
    codec.framerate, codec.time_base = 25, Fraction(1, 25)
    packets = []
    for i, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format='bgr24')
        picture.pts = i
        packets += codec.encode(picture)
    return b''.join(map(bytes, packets + codec.encode()))


@pytest.mark.parametrize('turns', [1, 2, 3])
def test_turned_video(tmp_path, frames, turns):
    plain = write_avi(tmp_path / 'plain.avi', frames)
    path = tmp_path / 'turned.mov'
    with av.open(str(plain)) as given, av.open(str(path), 'w') as turned:
        stream = turned.add_stream_from_template(given.streams.video[0])
        if not hasattr(stream, 'set_display_rotation'):
            pytest.skip('this PyAV reads rotation but cannot write it')
        stream.set_display_rotation(90 * turns)
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                turned.mux(packet)
    source = open_frame_source(path)
    expected = np.rot90(read_frames(plain, 1)[0], turns)
    assert source.size == expected.shape[:2]
    np.testing.assert_array_equal(next(iter(source)), expected)


@pytest.mark.parametrize('suffix', ['.mkv', '.avi', '.webm'])
def test_truncated_file_is_read_as_far_as_possible(tmp_path, frames, suffix):
    write = write_avi if suffix == '.avi' else write_video
    path = write(tmp_path / f'video{suffix}', frames)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    source = open_frame_source(path)
    with pytest.warns(UserWarning, match=f'video{suffix} .* but only'):
        read = list(source)
    assert 4 <= len(read) < 12
    assert source.frame_times(len(read) - 1)


def test_damaged_frames_are_left_out(tmp_path, frames):
    path = write_avi(tmp_path / 'video.avi', frames)
    data = bytearray(path.read_bytes())
    start = data.index(b'00dc', len(data) // 2) + 8
    data[start : start + 600] = bytes(600)  # the head of a frame
    path.write_bytes(data)
    source = open_frame_source(path)
    with pytest.warns(UserWarning, match='12 frames but only 11 fra'):
        assert len(list(source)) == 11


class FakeCapture:
    """A camera that delivers five grey frames."""

    def __init__(self, index):
        self.index = index
        self.grays = iter(range(5))
        self.is_open = True

    def isOpened(self):
        return self.is_open

    def get(self, prop):
        return dict([(cv2.CAP_PROP_FPS, self.index)])[prop]

    def read(self):
        gray = next(self.grays, None)
        if gray is None:
            return False, None
        return True, np.full((48, 64, 3), gray, np.uint8)

    def release(self):
        self.is_open = False


def test_camera_gives_every_frame(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', FakeCapture)
    source = open_frame_source('15')
    assert (source.name, source.size, source.fps) == ('camera15', (48, 64), 15)
    assert source.endless and not source.rereadable
    assert source.frame_times(0) is None
    assert [frame[0, 0, 0] for frame in source] == [0, 1, 2, 3, 4]
    assert not source._capture.is_open
    # rates that cameras state if they do not know theirs
    assert [open_frame_source(i).fps for i in (0, 1000, 90000)] == [None] * 3


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


def _only_sound(path, frames):
    path = path / 'sound.wav'
    with wave.open(str(path), 'wb') as sound:
        sound.setparams((1, 2, 8000, 0, 'NONE', ''))
        sound.writeframes(bytes(16000))
    return path


def _no_frame(path, frames):
    path = write_avi(path / 'video.avi', frames[:1])
    data = bytearray(path.read_bytes())
    start = data.index(b'movi') + 12
    data[start : start + 600] = bytes(600)
    path.write_bytes(data)
    return path


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
        (_only_sound, VideoError, 'sound.wav has no video, only audio'),
        (_two_sizes, VideoError, '2.png is 176x100 pixels but 0.png is 176x'),
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
