# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import hashlib
import sys
from threading import Event, Thread
from types import SimpleNamespace

from projects.maxtron.errors import CheckpointError
from projects.maxtron.weights import download, fetch, find_weights
from projects.maxtron.weights.cache import (
    cache_folder,
    cached_path,
    hash_in_name,
    mirrored,
)
from projects.maxtron.weights.google_drive import drive_address

import pytest
from filelock import FileLock

DRIVE = 'https://drive.google.com'
WEIGHTS = b'\x80weights'  # begins like a checkpoint
BACKBONE = 'convnext-large_in21k-pre-3rdparty_in1k-384px'


def files_below(folder):
    return sorted(p.name for p in folder.rglob('*') if p.is_file())


def with_hash(content):
    return f'model-{hashlib.sha256(content).hexdigest()[:8]}.pth'


def test_a_file_is_downloaded_once(server):
    name = with_hash(server.files['model.pth'])
    server.files[name] = server.files['model.pth']
    path = fetch(f'{server.url}/files/{name}')
    assert fetch(f'{server.url}/files/{name}') == path
    assert len(server.requests) == 1
    assert path.read_bytes() == server.files[name]
    # neither a lock nor a part is left
    assert files_below(cache_folder()) == [name]
    # the same name at another place is another file
    server.files['model.pth'] = WEIGHTS
    other = fetch(f'{server.url}/moved/model.pth')
    assert other.read_bytes() == WEIGHTS
    assert fetch(f'{server.url}/plain/model.pth') != other


def test_a_wrong_sum_is_an_error(server):
    server.files['model-01234567.pth'] = b'changed'
    with pytest.raises(CheckpointError, match='instead of 01234567'):
        fetch(f'{server.url}/files/model-01234567.pth')
    assert files_below(cache_folder()) == ['model-01234567.pth.lock']
    # the sum of the registry, for names without one
    entry = find_weights(BACKBONE)._replace(
        url=f'{server.url}/files/model.pth', sha256='00'
    )
    with pytest.raises(CheckpointError, match='instead of 00'):
        fetch(entry)
    sha256 = hashlib.sha256(server.files['model.pth']).hexdigest().upper()
    assert fetch(entry._replace(sha256=sha256)).is_file()


def test_what_is_no_checkpoint_is_not_kept(server):
    """A server that states no length can cut the file unnoticed."""
    server.files['model.pth'] = b'PK\x03\x04 the beginning of an archive'
    with pytest.raises(CheckpointError, match='checkpoint: it is incomplete'):
        fetch(f'{server.url}/plain/model.pth')
    assert files_below(cache_folder()) == ['model.pth.lock']


def test_a_second_process_waits_for_the_first(server, monkeypatch):
    url = f'{server.url}/files/model.pth'
    path, waiting, results = cached_path(url), Event(), []
    monkeypatch.setattr(download, 'print_log', lambda text, **_: waiting.set())
    path.parent.mkdir(parents=True)
    second = Thread(target=lambda: results.append(fetch(url)))
    with FileLock(f'{path}.lock'):
        second.start()
        assert waiting.wait(10)
        path.write_bytes(b'from the first')
    second.join()
    assert results == [path] and not server.requests


def test_places_and_sums_of_names(monkeypatch, tmp_path):
    monkeypatch.delenv('MAXTRON_HOME', raising=False)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    assert cache_folder() == tmp_path / 'hub/maxtron'
    monkeypatch.setenv('MAXTRON_HOME', str(tmp_path / 'own'))
    place = cached_path('https://user:secret@host:8080/a%20b/x/../m.pth?x=1')
    assert place.relative_to(tmp_path / 'own').parts[:2] == (
        'host_8080',
        'a b',
    )
    assert place.name == 'm.pth' and '..' not in place.parts
    outside = cached_path('https://host/..%2F..%2F../m.pth')
    assert outside.is_relative_to(tmp_path / 'own')
    assert hash_in_name('https://a/resnet50-0676ba61.pth?x=1') == '0676ba61'
    for name in ('m_20230118-final.pth', 'm-20230118.pth', 'm-beef.pth'):
        assert hash_in_name(f'https://a/{name}') is None
    with pytest.raises(CheckpointError, match='does not name a file'):
        cached_path('https://host/folder/')


def test_files_of_mmengine_are_used(server, tmp_path):
    url = f'{server.url}/files/model-01234567.pth'
    known = tmp_path / 'torch/hub/checkpoints/model-01234567.pth'
    known.parent.mkdir(parents=True)
    known.write_bytes(b'')
    assert fetch(url) == known and not server.requests


def test_a_mirror_has_the_places_of_the_cache(server, monkeypatch):
    monkeypatch.setenv('MAXTRON_MIRROR', f'{server.url}/files/')
    entry = find_weights('maxtron-offline_video-kmax_r50_vipseg')
    place = f'drive.google.com/{entry.url.removeprefix("gdrive:")}.pth'
    server.files[place] = WEIGHTS
    assert mirrored(entry.url) == f'{server.url}/files/{place}'
    assert fetch(entry).read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    'link',
    [
        '/file/d/1-a_B/view?usp=sharing',
        '/file/u/1/d/1-a_B',
        '/open?id=1-a_B',
        '/uc?export=download&id=1-a_B',
    ],
)
def test_links_of_google_drive(link):
    assert drive_address(DRIVE + link) == 'gdrive:1-a_B'


def test_a_link_of_a_folder_is_refused():
    with pytest.raises(CheckpointError, match='not a link to a file'):
        drive_address(f'{DRIVE}/drive/folders/1o18DY7B0r9OgJwQyao9nDGZu7lzJz')


def install_gdown(monkeypatch, content=None, error=None):
    """Put a module with the signature of gdown 4 to 6 in its place."""
    calls = []

    def fake(url=None, output=None, quiet=False, *, id=None, resume=False):
        calls.append(id)
        if error is not None:
            raise error
        if content is not None:
            with open(output, 'wb') as file:
                file.write(content)
            return output

    module = SimpleNamespace(download=fake)
    monkeypatch.setitem(sys.modules, 'gdown', module)
    return calls


def test_google_drive(server, monkeypatch):
    calls = install_gdown(monkeypatch, WEIGHTS)
    entry = find_weights(
        'maxtron-nearonline_tube-link_swin-l_youtube-vis-2022'
    )
    path = fetch(entry)
    assert path.read_bytes() == WEIGHTS
    # the file of another name, from the cache
    assert fetch(entry.link + '/view?usp=sharing') == path
    assert calls == ['1z7Hppb4M7yMU0-TbAYF1NC341PIW1Guy']
    assert files_below(cache_folder()) == [path.name]


@pytest.mark.parametrize(
    'fault, message',
    [
        (dict(error=RuntimeError('Too many\nusers.')), 'd: Too many users. R'),
        (dict(content=b'<!DOCTYPE html>'), 'leads to a web page'),
        (dict(content=None), 'the reason is above'),
        (None, 'pip install gdown'),
    ],
)
def test_faults_of_google_drive(server, monkeypatch, fault, message):
    monkeypatch.setitem(sys.modules, 'gdown', None)  # not installed
    if fault is not None:
        install_gdown(monkeypatch, **fault)
    with pytest.raises(CheckpointError, match=message) as caught:
        fetch('gdrive:1a')
    assert f'{DRIVE}/file/d/1a in a browser' in str(caught.value)
    assert files_below(cache_folder()) == ['1a.pth.lock']


def test_a_cache_that_cannot_be_written(server, monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('MAXTRON_HOME', str(tmp_path / 'file'))
    with pytest.raises(OSError, match='model.pth cannot be written'):
        fetch(f'{server.url}/files/model.pth')
