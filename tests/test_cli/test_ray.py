# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A batch on a Ray cluster of two nodes, on this machine."""

import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.models import ROOT
from tests.scripts import TOYS
from tests.test_cli.batches import batch, read_tree

FOLDER = Path(sys.prefix, 'ray')  # of setup_venv.sh
NODE = dict(
    num_cpus=1,
    object_store_memory=80 * 2**20,
    # not needed, and slow to start
    include_log_monitor=False,
    no_monitor=True,
    wait=False,
)
SETTINGS = dict(
    USAGE_STATS_ENABLED='0',
    # for busy machines
    gcs_server_request_timeout_seconds='600',
    worker_register_timeout_seconds='600',
    agent_register_timeout_ms='600000',
    health_check_timeout_ms='600000',
)
# Each Python process of Ray reads this module at its start. It kills the first
# worker that loads the function of its task.
DEADLY = """
import os, runpy, signal, sys
runpy.run_path({toys!r})

class Killer:
    def find_spec(self, name, path, target=None):
        if name == 'projects.maxtron' and not os.path.exists({flag!r}):
            open({flag!r}, 'w').close()
            os.kill(os.getpid(), signal.SIGKILL)

sys.meta_path.insert(0, Killer())
"""


class PatientClock:
    """Clock of Ray, which waits 30 s for a node, too little if none is idle."""

    sleep, time = staticmethod(time.sleep), staticmethod(time.time)

    @staticmethod
    def monotonic():
        return time.monotonic() / 20


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    if not FOLDER.is_dir():
        pytest.fail(f'{FOLDER} is missing: run "make setup".', pytrace=False)
    content = DEADLY.format(
        toys=str(TOYS / 'sitecustomize.py'), flag=str(tmp_path / 'died')
    )
    (tmp_path / 'sitecustomize.py').write_text(content)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}:{ROOT}:{FOLDER}')
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f'RAY_{name}', value)
    # The other processes load what this one compiles.
    monkeypatch.setattr(sys, 'dont_write_bytecode', False)
    from ray._private import node
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(node, 'time', PatientClock)
    # the dashboard, which is started even if it is not wanted
    monkeypatch.setattr(node.Node, 'start_api_server', lambda *_, **__: None)
    cluster = Cluster()
    # Paths of sockets are at most 107 characters long.
    with tempfile.TemporaryDirectory(
        prefix='ray-', ignore_cleanup_errors=True
    ) as folder:
        # The first node also writes its address to the default folder.
        monkeypatch.setenv('RAY_TMPDIR', folder)
        Path(folder, 'ray').mkdir()
        try:
            cluster.add_node(**NODE, temp_dir=folder)
            cluster.add_node(**NODE)
            yield cluster
        finally:
            cluster.shutdown()


@pytest.mark.slow
def test_cluster_with_a_killed_worker(
    cluster, model, folder, whole, tmp_path, capsys
):
    out = tmp_path / 'cluster'
    assert batch(model, folder, out, '--ray', cluster.address) == 1
    assert (tmp_path / 'died').exists()
    assert '4 done, 0 already there, 3 failed' in capsys.readouterr().out
    assert read_tree(out) == read_tree(whole)


def test_without_ray(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(SystemExit, match=r'^error: .*"maxtron\[ray\]"'):
        batch(['maxtron_tiny'], folder, tmp_path / 'out', '--ray', 'auto')
