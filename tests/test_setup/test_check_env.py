# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The remedies of tools/misc/check_env.py."""

import os
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools/misc/check_env.py'
check_env = runpy.run_path(str(SCRIPT), run_name='check_env')
Environment, check = check_env['Environment'], check_env['check']

GOOD = {
    'torch': '2.13.0+cpu',
    'onedl-mmengine': '0.10.12',
    'mmcv-lite': '2.2.0',
    'onedl-mmdetection': '3.5.1',
    'numpy': '2.2.6',
    'scipy': '1.17.1',
    'pycocotools': '2.0.11',
    'opencv-python': '4.12.0.88',
}
OPENMMLAB = {
    'onedl-mmengine': None,
    'mmengine': '0.10.7',
    'mmcv-lite': None,
    'mmcv': '2.1.0',
    'onedl-mmdetection': None,
    'mmdet': '3.3.0',
}


def make_environment(changes=(), missing=(), **kwargs):
    """A good environment, changed: None takes a distribution away."""
    versions = {**GOOD, **dict(changes)}
    versions = {key: value for key, value in versions.items() if value}
    modules = check_env['DISTRIBUTIONS']
    origins = {
        module: f'/site-packages/{module}'
        for module, names in modules.items()
        if module not in missing and set(names) & set(versions)
    }
    kwargs = dict(mm_version='0.10.12', **kwargs)
    return Environment(versions, origins, **kwargs)


def test_good_environments_have_no_findings():
    assert check(make_environment()) == []
    full = {'mmcv-lite': None, 'onedl-mmcv': '2.3.6'}
    assert check(make_environment(full, has_ext=True, device='cuda')) == []


@pytest.mark.parametrize(
    'changes, options, text, remedy',
    [
        ({'torch': '2.1.2'}, {}, 'torch 2.1.2 is older', "'torch>=2.4'"),
        (
            {},
            dict(device='cuda'),
            'no operators for the device "cuda"',
            'mim install onedl-mmcv',
        ),
        (
            {'mmengine': '0.10.7'},
            {},
            'mmengine and onedl-mmengine are both',
            'pip uninstall -y mmengine && pip install --force-reinstall '
            '--no-deps onedl-mmengine==0.10.12',
        ),
        (
            {'mmdet': '3.3.0'},
            {},
            'mmdet and onedl-mmdetection are both',
            'onedl-mmdetection==3.5.1',
        ),
        (
            {'onedl-mmcv': '2.3.6'},
            {},
            'mmcv-lite and onedl-mmcv are both',
            'pip uninstall -y mmcv-lite onedl-mmcv',
        ),
        (
            {'mmcv-lite': None, 'onedl-mmcv': '2.3.6'},
            {},
            'without its compiled operators',
            '--no-build-isolation',
        ),
        ({'onedl-mmdetection': '4.0.0'}, {}, 'not of series 3', '<4'),
        ({'scipy': None}, {}, 'scipy is not installed', 'pip install scipy'),
        (
            {'mmcv-lite': None},
            {},
            'mmcv is not installed',
            'pip install --no-deps mmcv-lite==2.2.0',
        ),
        (
            {},
            dict(errors={'cv2': 'ImportError: libGL.so.1: no such file'}),
            'cv2 cannot be imported',
            'opencv-python-headless',
        ),
        (
            {},
            dict(errors={'mmcv._ext': 'undefined symbol'}),
            'mmcv._ext cannot be imported',
            'mim install --force-reinstall',
        ),
    ],
)
def test_broken_environments(changes, options, text, remedy):
    findings = [
        finding
        for finding in check(make_environment(changes, **options))
        if text in finding.text
    ]
    assert len(findings) == 1
    assert findings[0].broken
    assert remedy in findings[0].remedy


def test_overwritten_mmengine_is_found_by_its_own_version():
    environment = make_environment()
    environment.mm_version = '0.10.7'
    (finding,) = check(environment)
    assert finding.broken and 'has overwritten them' in finding.text
    assert 'onedl-mmengine==0.10.12' in finding.remedy


def test_openmmlab_stack_is_noted_not_refused():
    environment = make_environment(OPENMMLAB, has_ext=True)
    environment.mm_version = '0.10.7'
    findings = check(environment)
    assert len(findings) == 3
    assert not any(finding.broken for finding in findings)
    newer = make_environment({**OPENMMLAB, 'mmcv': '2.2.0'}, has_ext=True)
    assert any('refuses MMCV 2.2.0' in item.text for item in check(newer))


def start(folder=None):
    environment = dict(os.environ, PYTHONPATH=str(folder or ''))
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_this_environment_is_well():
    result = start()
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'All is well.' in result.stdout
    assert 'torch ' in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not list(metadata.Distribution.discover(name='onedl-mmengine')),
    reason="this is OpenMMLab's stack",
)
def test_real_metadata_of_a_second_mmengine(tmp_path):
    info = tmp_path / 'mmengine-0.10.7.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: mmengine\nVersion: 0.10.7\n'
    )
    result = start(tmp_path)
    assert result.returncode == 1
    assert 'BROKEN: mmengine and onedl-mmengine are both' in result.stdout


@pytest.mark.parametrize(
    'version, numbers',
    [
        ('2.13.0+cpu', (2, 13, 0)),
        ('0.10.8rc1', (0, 10, 8)),
        ('2.5.0a0+git1', (2, 5, 0)),
    ],
)
def test_release(version, numbers):
    assert check_env['release'](version) == numbers
