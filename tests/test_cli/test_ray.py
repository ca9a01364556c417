# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
r"""A batch on a Ray cluster of two nodes, on this machine.

The test takes 50 s of CPU, so CI does not install Ray. To run it:

    pip install --target .venv/ray --no-deps ray==2.60.0 msgpack jsonschema \
        jsonschema-specifications referencing rpds-py attrs requests urllib3 \
        idna charset-normalizer certifi
    pytest -n0 tests/test_cli/test_ray.py
"""

import sys
from pathlib import Path

import pytest

from tests.models import ROOT
from tests.test_cli.batches import batch, make_deadly, read_tree, write_batch

FOLDER = Path(sys.prefix, 'ray')
MEMORY = 80 * 2**20


@pytest.fixture
def cluster(monkeypatch):
    if not FOLDER.exists():
        pytest.skip(f'{FOLDER} is missing')
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}:{FOLDER}')  # of the workers
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    cluster = start_cluster(num_tries=2)
    yield cluster
    cluster.shutdown()


def start_cluster(num_tries):
    """Start two nodes; Ray waits 30 s for each, too little if none is idle."""
    from ray.cluster_utils import Cluster

    node = dict(num_cpus=1, object_store_memory=MEMORY)
    cluster = Cluster()
    try:
        cluster.add_node(**node, include_dashboard=False)
        cluster.add_node(**node)
    except Exception as error:
        cluster.shutdown()
        if num_tries == 1:
            pytest.skip(f'Ray does not start here: {error}')
        return start_cluster(num_tries - 1)
    return cluster


@pytest.mark.slow
def test_cluster_with_a_killed_worker(cluster, tmp_path, capsys):
    folder = write_batch(tmp_path / 'videos')
    model = make_deadly(tmp_path)
    assert batch(model, folder, tmp_path / 'here', '--workers', 0) == 1
    out = tmp_path / 'cluster'
    assert not (tmp_path / 'died').exists()
    assert batch(model, folder, out, '--ray', cluster.address) == 1
    assert (tmp_path / 'died').exists()
    assert read_tree(out) == read_tree(tmp_path / 'here')
    assert '4 done, 0 already there, 3 failed' in capsys.readouterr().out


def test_without_ray(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    folder = write_batch(tmp_path / 'videos', 1, 1)
    with pytest.raises(SystemExit, match=r'^error: .*"maxtron\[ray\]"'):
        batch(['maxtron_tiny'], folder, tmp_path / 'out', '--ray', 'auto')
