# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Arguments of the server, and its start without Gradio."""

import os
import sys

from projects.maxtron.cli.serve import find_models, find_videos
from projects.maxtron.errors import InputError
from projects.maxtron.web import Limits, run_server
from projects.maxtron.weights import list_weights

import pytest


def test_one_line_without_gradio(monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    before = dict(os.environ)
    with pytest.raises(InputError, match=r"pip install 'maxtron\[web\]'"):
        with run_server(lambda root: None, Limits()):
            pass
    assert dict(os.environ) == before


def test_models_to_offer():
    models = find_models(None, None)
    assert set(models) == {*list_weights('VIS'), *list_weights('VPS')}
    assert all('tiny' in name for name in list(models)[:2])
    own = find_models(['some/own.py'], 'own.pth')
    assert own == {'own': ('some/own.py', 'own.pth')}
    with pytest.raises(InputError, match='give one --model'):
        find_models(['a', 'b'], 'own.pth')


def test_videos_to_offer(scene, tmp_path):
    folder = scene.film.parent
    assert find_videos(str(folder)) == {'film.mp4': scene.film}
    for folder in (tmp_path, tmp_path / 'no'):
        with pytest.raises(InputError, match='is no folder with a video'):
            find_videos(str(folder))
