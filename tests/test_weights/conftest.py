# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import pytest

from tests.weights_server import serve_weights


@pytest.fixture(scope='package')
def shared_server():
    with serve_weights() as server:
        yield server


@pytest.fixture
def server(shared_server, tmp_path, monkeypatch):
    """A server without requests, and an empty cache."""
    shared_server.requests.clear()
    shared_server.files = {'model.pth': b'\x80' + bytes(range(256)) * 20}
    shared_server.cut, shared_server.busy = 1000, 0
    shared_server.version = '"1"'
    monkeypatch.setenv('MAXTRON_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.delenv('MAXTRON_MIRROR', raising=False)
    return shared_server
