# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Both pages in a real browser, and hostile requests to a real server."""

import argparse
import json
import os
import socket
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError

from projects.maxtron.cli import serve, view
from projects.maxtron.web.storage import folder_size

import pytest

from tests.footage import read_frames
from tests.test_web.browser import (
    Client,
    foreign_requests,
    gradio_on_path,
    open_browser,
)
from tests.test_web.tiny_model import MODEL, PANOPTIC

# xdist ends with an error if a warning has a class of a library that only this
# process finds, such as one of pandas, which Gradio loads.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore')]

FRAMES, WAITING = 6, 2
FILE = '/gradio_api/file='
SECRET = 'of the owner of the server'


def parse(module, *arguments):
    """Arguments of a sub-command."""
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    name = module.__name__.rpartition('.')[2]
    return parser.parse_args([name, *map(str, arguments)])


@pytest.fixture(scope='module', autouse=True)
def path():
    with gradio_on_path():
        yield


@pytest.fixture(scope='module')
def server(scene, tmp_path_factory):
    """The page of ``maxtron serve``, and the folder of its files."""
    (tmp_path_factory.getbasetemp() / 'secret.txt').write_text(SECRET)
    args = parse(
        serve,
        *f'--model {MODEL} {PANOPTIC} --device cpu'.split(),
        *'--max-megabytes 1 --max-megapixels 0.1'.split(),
        *f'--max-frames {FRAMES} --max-waiting {WAITING}'.split(),
        '--videos',
        scene.film.parent,
    )
    with serve.open_server(args) as url:
        root = Path(os.environ['GRADIO_TEMP_DIR'])
        yield SimpleNamespace(url=url, root=root, client=Client(url))
    assert not root.exists()


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp('browser')) as browser:
        yield browser


def test_serve(server, browser, scene, tmp_path):
    """Upload, run, play, click a track, step, download; a broken video."""
    browser.driver.get(server.url)
    upload = '#upload input[type=file]'
    browser.wait(lambda _: browser.find(upload))
    browser.find(upload).send_keys(str(scene.film))
    browser.wait_text('#upload', 'KB')
    browser.click('#run')
    state = browser.wait_playing()
    assert state['error'] is None
    assert (state['height'], state['width']) == (3 * 96, 3 * 160)
    rows = browser.wait_rows()
    assert all(len(row) == 5 for row in rows)
    assert f'{FRAMES} of 12 frames, {len(rows)} tracks' in browser.text(
        '#status'
    )

    browser.click('#tracks [data-row]')
    number, category = rows[0][:2]
    alone = f'track {number} ({category}) alone'
    browser.wait_text('#status', alone)
    browser.wait_playing(state['source'])
    browser.wait(lambda _: browser.find('#curves canvas, #curves svg'))
    picture = browser.find('#picture img').get_attribute('src')
    browser.click('#next')
    browser.wait(
        lambda _: browser.find('#picture img').get_attribute('src') != picture
    )

    tracks = json.loads(browser.download('#json').read_text())
    scores = {str(x['instance_id']): x['score'] for x in tracks}
    assert scores[number] == pytest.approx(float(rows[0][2]), abs=1e-3)
    with zipfile.ZipFile(browser.download('#png')) as file:
        assert len(file.namelist()) >= FRAMES
    assert len(read_frames(browser.download('#mp4'))) == FRAMES
    assert foreign_requests(browser) == []

    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(scene.film.read_bytes()[:99])
    browser.click('#upload button[aria-label="Clear"]')
    browser.wait(lambda _: browser.find(upload)).send_keys(str(broken))
    browser.wait_text('#upload', 'broken')
    browser.click('#run')
    browser.wait_text('.toast-body', 'cannot be read as a video')
    browser.wait_text('#status', 'above the limit of 0.1 megapixels')
    assert 'Error' not in browser.text('#film')


def test_view(browser, scene, submission):
    """Truth beside the prediction; a click on a track, a step."""
    args = parse(view, submission, scene.frames, '--truth', scene.tracks)
    with view.open_server(args) as url:
        browser.driver.get(url)
        state = browser.wait_loaded()
        assert (state['height'], state['width']) == (3 * 96, 2 * 3 * 160)
        rows = browser.wait_rows()
        assert [len(row) for row in rows] == [7] * len(rows)
        assert float(rows[0][-1]) < 1 == float(rows[1][-1])
        browser.click('#tracks [data-row]')
        browser.wait_text('#status', f'track {rows[0][0]} ')
        assert 'truth on the left' in browser.text('#status')
        browser.wait(lambda _: 'IoU' in browser.text('#curves'))
        browser.wait_playing(state['source'])
        browser.click('#all')
        browser.wait_text('#status', f'{len(rows)} tracks')
        assert foreign_requests(browser) == []
        with pytest.raises(HTTPError, match='404'):
            Client(url).upload('film.mp4', b'')


def test_large_uploads_are_refused_early(server):
    """Refused before the body is sent."""
    before = folder_size(server.root)
    host, port = server.url.strip('/').split('//')[1].split(':')
    for field, status in (
        ('Content-Length: 2000000000', 413),
        ('Transfer-Encoding: chunked', 411),
    ):
        with socket.create_connection((host, int(port))) as connection:
            head = (
                'POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\n'
                'Content-Type: multipart/form-data; boundary=x\r\n'
                f'{field}\r\n\r\n'
            )
            connection.sendall(head.encode())
            answer = connection.recv(99).decode()
        assert answer.startswith(f'HTTP/1.1 {status}')
    assert folder_size(server.root) == before


@pytest.mark.parametrize(
    'name', ['../../up.mp4', '/etc/passwd', 'a\0b.mp4', '..', 'a' * 300, '"']
)
def test_tricks_in_names(server, name):
    """An upload stays in the folder of the server, whatever its name."""
    outside = set(Path('/tmp').iterdir()) | set(server.root.parent.iterdir())
    try:
        path = Path(server.client.upload(name, name.encode()))
    except HTTPError as error:
        assert error.code in (400, 500)
    else:
        assert path.resolve().is_relative_to(server.root)
        assert path.read_bytes() == name.encode()
    found = set(Path('/tmp').iterdir()) | set(server.root.parent.iterdir())
    assert not [x for x in found - outside if 'up.mp4' in x.name]


def test_files_outside_are_not_reachable(server, scene, tmp_path_factory):
    secret = tmp_path_factory.getbasetemp() / 'secret.txt'
    up = '../' * 12
    for path in (
        f'{FILE}{secret}',
        f'{FILE}{up}{secret}',
        f'{FILE}{server.root}/../{secret.name}',
        f'{FILE}{server.root}/%2e%2e/%2e%2e/etc/passwd',
        f'{FILE}{scene.film}',
        f'{FILE}setup.py',
        f'{FILE}demo/maxtron_tiny.pth',
        f'{FILE}file://{secret}',
        f'{FILE}{server.url}config',
        f'/static/{up}{secret}',
        f'/assets/..%2f..%2f..%2f..{secret}',
        f'/gradio_api/file/{secret}',
        '/gradio_api/proxy=http://127.0.0.1/',
    ):
        with pytest.raises(HTTPError, match='40[034]') as caught:
            server.client.get(path)
        assert SECRET.encode() not in caught.value.read()


def run_event(server, upload, session, film='none', model=MODEL):
    """Data of a click on the button."""
    file = upload and dict(path=upload, meta=dict(_type='gradio.FileData'))
    server.client.join('run', [file, film, model, 0.3], session)


def test_values_that_the_page_does_not_send(server, scene):
    """Faults are messages without a path of the server."""
    text = server.client.upload('x.mp4', b'no video')
    known = server.client.upload('y.mp4', scene.film.read_bytes())
    for number, (upload, film, model, message) in enumerate(
        (
            (text, 'none', MODEL, 'cannot be read as a video'),
            (None, 'none', MODEL, 'Upload a video or pick one'),
            (None, '/etc/passwd', MODEL, ''),
            (known, 'none', 'setup.py', ''),
            (str(scene.film), 'none', MODEL, ''),
            ('/etc/passwd', 'none', MODEL, ''),
        )
    ):
        run_event(server, upload, f's{number}', film, model)
        answer = server.client.result(f's{number}')
        assert not answer['success']
        error = str(answer['output'].get('error'))
        assert message in error
        assert str(server.root) not in error and '/tmp' not in error


def test_many_requests_at_once(server, scene):
    """Jobs of both models run one by one; those above the limit are refused."""
    upload = server.client.upload('film.mp4', scene.film.read_bytes())
    accepted = []
    for number in range(20):
        try:
            model = PANOPTIC if number else MODEL
            run_event(server, upload, f'many{number}', model=model)
            accepted.append(f'many{number}')
        except HTTPError as error:
            assert error.code == 503 and b'Queue is full' in error.read()
    assert WAITING <= len(accepted) < 20
    for session in accepted:
        assert server.client.result(session)['success']
    assert server.client.get('/config')
