# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Frames of network streams."""

import io
import socket
import threading

from projects.maxtron.apis import StreamSource, VideoError, open_frame_source

import av
import numpy as np
import pytest

from tests.processes import free_port
from tests.test_apis import rtsp_server

SIZE = (48, 64)


def encode(num_frames):
    """Encode frames, grey below some noise, as an MPEG transport stream."""
    file, rng = io.BytesIO(), np.random.default_rng(0)
    with av.open(file, 'w', format='mpegts') as container:
        stream = container.add_stream('mpeg2video', 25)
        stream.height, stream.width = SIZE
        stream.pix_fmt = 'yuv420p'
        for i in range(num_frames):
            frame = np.full((*SIZE, 3), 8 * i, np.uint8)
            frame[:8] = rng.integers(0, 255, frame[:8].shape)
            picture = av.VideoFrame.from_ndarray(frame, format='bgr24')
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.fixture
def serve():
    """Serve bytes to one connection; the fixture returns the address."""
    threads = []

    def start(content, send=socket.socket.sendall):
        server = socket.create_server(('127.0.0.1', 0))

        def run():
            with server, server.accept()[0] as connection:
                send(connection, content)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f'127.0.0.1:{server.getsockname()[1]}'

    yield start
    for thread in threads:
        thread.join(10)


def test_rtsp_camera_until_it_stops(serve):
    address = serve(encode(30), rtsp_server.serve)
    source = open_frame_source(f'rtsp://user:secret@{address}/garden')
    assert source.name == '127.0.0.1/garden'
    assert isinstance(source, StreamSource)
    assert source.size == SIZE and source.fps == 25
    assert source.endless and not source.rereadable
    means = [frame[16:].mean() for frame in source]
    np.testing.assert_allclose(means, np.arange(29) * 8, atol=8)


def test_stream_that_is_entered_late(serve):
    source = StreamSource(f'tcp://{serve(encode(30)[188 * 40 :])}')
    means = [frame[16:].mean() for frame in source]
    assert 10 < len(means) < 25
    np.testing.assert_allclose(means, np.arange(30)[-len(means) :] * 8, atol=9)


def test_no_stream(serve):
    url = f'tcp://127.0.0.1:{free_port()}/garden'
    with pytest.raises(VideoError) as error:
        open_frame_source(url.replace('://', '://user:secret@'))
    assert '127.0.0.1/garden cannot be opened' in str(error.value)
    assert 'secret' not in str(error.value)
    with pytest.raises(VideoError, match='127.0.0.1 cannot be opened'):
        StreamSource(f'tcp://{serve(b"no video" * 999)}', timeout=2)
