# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.errors import CheckpointError
from projects.maxtron.utils import WriteError
from projects.maxtron.weights.http_file import HTTPFile

import pytest


def download(server, path, part, **kwargs):
    """Download without pauses; returns all states of the progress."""
    kwargs = {'pause': 0, 'timeout': 10, **kwargs}
    states = []
    HTTPFile(server.url + path, **kwargs).download(
        part, lambda *state: states.append(state)
    )
    return states


@pytest.fixture
def part(tmp_path):
    return tmp_path / 'model.pth.part'


@pytest.mark.parametrize('path', ['/files/', '/plain/', '/moved/'])
def test_complete_downloads(server, part, path):
    states = download(server, f'{path}model.pth', part)
    content = server.files['model.pth']
    assert part.read_bytes() == content
    total = None if path == '/plain/' else len(content)
    assert states[-1] == (len(content), total)
    assert not list(part.parent.glob('*.version'))


def test_an_earlier_part_is_continued(server, part):
    content = server.files['model.pth']
    part.write_bytes(content[:3000])
    states = download(server, '/moved/model.pth', part)
    assert part.read_bytes() == content
    assert states[-1] == (len(content), len(content))
    assert server.requests[-1] == ('/files/model.pth', 'bytes=3000-')
    # all of it is there already
    download(server, '/files/model.pth', part)
    assert part.read_bytes() == content
    # a server without ranges sends all again
    part.write_bytes(content[:3000])
    download(server, '/plain/model.pth', part)
    assert part.read_bytes() == content
    # more than the file
    part.write_bytes(content + b'more')
    download(server, '/files/model.pth', part)
    assert part.read_bytes() == content


def test_cuts_are_continued_as_long_as_data_come(server, part):
    download(server, '/cut/model.pth', part, retries=1)
    assert part.read_bytes() == server.files['model.pth']
    ranges = [header for _, header in server.requests]
    assert ranges == [None, *(f'bytes={i}000-' for i in range(1, 6))]


def test_two_versions_are_not_mixed(server, part):
    with pytest.raises(CheckpointError, match='does not answer in time'):
        download(server, '/stuck/model.pth', part, retries=1, timeout=0.1)
    assert part.stat().st_size == 1000
    server.version, server.files['model.pth'] = '"2"', b'new' * 1000
    download(server, '/files/model.pth', part)
    assert part.read_bytes() == b'new' * 1000


def test_endless_faults_end_and_keep_the_part(server, part):
    message = r'ended at 1000 of 5121 bytes\. The first 0\.0 MB are kept'
    with pytest.raises(CheckpointError, match=message):
        download(server, '/whole-cut/model.pth', part, retries=2)
    assert len(server.requests) == 3
    assert part.read_bytes() == server.files['model.pth'][:1000]


def test_busy_servers_are_asked_again(server, part):
    server.busy = 2
    download(server, '/busy/model.pth', part, retries=3)
    assert part.read_bytes() == server.files['model.pth']
    part.unlink()
    server.busy = 2
    with pytest.raises(CheckpointError, match='HTTP status 503'):
        download(server, '/busy/model.pth', part, retries=2)


@pytest.mark.parametrize(
    'path, message',
    {
        '/403/model.pth': r'refuses access \(HTTP status 403, Forbidden',
        '/404/model.pth': r'no such file \(HTTP status 404, Not Found',
        '/loop/model.pth': 'infinite loop',
        '/quota/model.pth': r'web page \("Google Drive - Quota exceeded"\)',
    }.items(),
)
def test_refusals_are_explained_and_keep_the_part(server, part, path, message):
    part.write_bytes(b'begun')
    with pytest.raises(CheckpointError, match=message) as caught:
        download(server, path, part)
    assert part.read_bytes() == b'begun'
    assert server.url + path in str(caught.value)
    assert 'give its path instead' in str(caught.value)


def test_without_a_connection_nothing_is_repeated(part, monkeypatch):
    monkeypatch.setattr('time.sleep', pytest.fail)
    with pytest.raises(CheckpointError, match='refused.*maxtron download'):
        HTTPFile('http://127.0.0.1:9/model.pth').download(part, print)
    assert not part.exists()


def test_the_disk_is_checked_first(server, part):
    class Endless(bytes):
        def __len__(self):
            return 10**18

    server.files['model.pth'] = Endless()
    with pytest.raises(WriteError, match='MB are free. MAXTRON_HOME'):
        download(server, '/files/model.pth', part)


def test_proxies_of_the_environment(server, part, monkeypatch):
    monkeypatch.setenv('http_proxy', server.url)
    url = 'http://weights.invalid/files/model.pth'
    HTTPFile(url).download(part, lambda *state: None)
    assert part.read_bytes() == server.files['model.pth']
    assert server.paths() == [url]
