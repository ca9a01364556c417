# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The guard refuses requests before the application reads them."""

import asyncio
import os

from projects.maxtron.web import Limits
from projects.maxtron.web.guard import MAX_BODY, Guard
from projects.maxtron.web.storage import folder_size

import pytest

UPLOAD = '/gradio_api/upload'
JOIN = '/gradio_api/queue/join'


class Application:
    """Application that reads the whole body, as Gradio does."""

    def __init__(self):
        self.received = 0

    async def __call__(self, scope, receive, send):
        while True:
            message = await receive()
            if message['type'] == 'http.disconnect':
                raise ConnectionError('The body ends early.')
            self.received += len(message.get('body', b''))
            if not message.get('more_body'):
                break
        start = dict(type='http.response.start', status=200, headers=[])
        await send(start)
        await send(dict(type='http.response.body', body=b'done'))


def request(guard, path, method='POST', chunks=(b'',), length=None):
    """Send a request; return status, headers and number of read chunks."""
    headers = [] if length is None else [(b'content-length', length)]
    scope = dict(type='http', path=path, method=method, headers=headers)
    sent, left = [], list(chunks)

    async def receive():
        body = left.pop(0)
        return dict(type='http.request', body=body, more_body=bool(left))

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    assert [x['type'] for x in sent] == [
        'http.response.start',
        'http.response.body',
    ]
    status, headers = sent[0]['status'], dict(sent[0]['headers'])
    return status, headers, len(chunks) - len(left)


@pytest.fixture
def make_guard(tmp_path):
    def make(uploads=True, **limits):
        return Guard(Application(), tmp_path, Limits(**limits), uploads)

    return make


def test_announced_length(make_guard):
    guard = make_guard(megabytes=2)
    assert request(guard, UPLOAD, length=b'2000000000')[::2] == (413, 0)
    assert request(guard, JOIN, length=str(MAX_BODY + 1).encode())[0] == 413
    assert request(guard, UPLOAD, length=b'-1')[0] == 400
    assert request(guard, UPLOAD, chunks=[b'x' * 9], length=b'9')[0] == 200
    assert guard.app.received == 9 and guard.pending == []


def test_length_that_is_not_announced(make_guard, tmp_path):
    """The body is cut when it exceeds the limit; nothing more is read."""
    guard = make_guard(megabytes=2)
    chunks = [b'x' * 10**6] * 9
    assert request(guard, UPLOAD, chunks=chunks)[::2] == (411, 0)
    assert request(guard, JOIN, chunks=chunks)[::2] == (413, 2)
    (tmp_path / 'part').write_bytes(b'x')  # as Gradio leaves it
    (tmp_path / 'complete').mkdir()
    answer = request(guard, UPLOAD, chunks=chunks, length=b'9')
    assert answer[::2] == (413, 3)
    assert [path.name for path in tmp_path.iterdir()] == ['complete']
    assert guard.app.received < 4e6 and guard.pending == []


@pytest.mark.parametrize(
    'path',
    [
        '/gradio_api/file=http://127.0.0.1:22/',
        '/gradio_api/file=file:///etc/passwd',
        '/gradio_api/proxy=http://example.org',
        '/gradio_api/info',
        '/gradio_api/vibe-code',
        '/gradio_api/run/predict',
        '/monitoring/summary',
        '/docs',
        '/config/../config',
        '/gradio_api/file=/tmp/a\0b',
    ],
)
def test_routes_that_the_page_does_not_use(make_guard, path):
    guard = make_guard()
    for method in ('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'):
        assert request(guard, path, method)[::2] == (404, 0)


def test_routes_of_the_page(make_guard):
    guard = make_guard()
    for path in ('/', '/config', '/assets/a.js', '/gradio_api/file=/tmp/a'):
        status, headers, _ = request(guard, path, 'GET')
        assert status == 200
        assert b"default-src 'self'" in headers[b'content-security-policy']
        assert request(guard, path, 'POST')[0] == 404


def test_full_server_and_page_without_uploads(make_guard, tmp_path):
    (tmp_path / 'old').mkdir()
    (tmp_path / 'old/film.mp4').write_bytes(b'x' * 700000)
    guard = make_guard(storage=1)
    assert request(guard, UPLOAD, length=b'400000')[::2] == (507, 0)
    os.utime(tmp_path / 'old', (0, 0))
    assert request(guard, UPLOAD, length=b'400000')[0] == 200
    assert folder_size(tmp_path) == 0
    assert request(make_guard(uploads=False), UPLOAD)[::2] == (404, 0)
