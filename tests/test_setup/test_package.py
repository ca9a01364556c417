# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Pip installs an importable package with configs and tools."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ('projects', 'configs', 'tools', 'demo', 'requirements')
FILES = ('setup.py', 'pyproject.toml', 'model-index.yml', 'LICENSE')

# Run in another folder, with only the installed package on the path.
USE = """
import sys
from pathlib import Path
import projects.maxtron as package
synthetic = 'projects.maxtron.datasets.synthetic.'
loaded = [name for name in sys.modules if name.startswith(synthetic)]
assert sorted(loaded) == [synthetic + 'classes', synthetic + 'datasets'], loaded
from projects.maxtron.engine import load_config
folder = Path(package.__file__).parent
assert str(folder).startswith({target!r}), folder
assert package.__version__ == {version!r}
configs = sorted((folder / '.mim/configs').rglob('*_*.py'))
leaves = [path for path in configs if '_base_' not in path.parts]
for path in {{path.parent: path for path in leaves}}.values():
    model = load_config(str(path)).model
    assert model.type in ('MaXTron', 'ImageMaXTron', 'Mask2Former'), path
assert (folder / '.mim/model-index.yml').is_file()
assert (folder / '.mim/tools/train.py').is_file()
from projects.maxtron.weights import find_weights, resolve
path, shipped = resolve('maxtron_tiny')
assert path == folder / '.mim/demo/maxtron_tiny.pth', path
assert shipped.config_path.is_file()
entry = find_weights('maxtron-nearonline_video-kmax_r50_vipseg')
assert entry.config_path.is_relative_to(folder / '.mim/configs'), entry
assert entry.config_path.is_file()
print(len(leaves))
"""


def run(*command, **kwargs):
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        **kwargs,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_installed_package_works_from_another_folder(tmp_path):
    pytest.importorskip('setuptools')
    source, target = tmp_path / 'source', tmp_path / 'target'
    ignore = shutil.ignore_patterns('__pycache__', 'output')
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=ignore)
    for file in FILES:
        shutil.copy(ROOT / file, source)
    run(
        sys.executable,
        '-m',
        'pip',
        'install',
        '--no-deps',
        '--no-index',
        '--no-build-isolation',
        '--target',
        target,
        source,
    )
    assert not (target / 'projects/__init__.py').exists()
    help_text = run(
        target / 'bin/maxtron', '--help', env={'PYTHONPATH': target}
    )
    assert 'predict' in help_text

    text = (ROOT / 'projects/maxtron/version.py').read_text()
    version = text.split("'")[1]
    use = USE.format(target=str(target), version=version)
    code = f'import sys; sys.path.insert(0, {str(target)!r})\n{use}'
    found = run(sys.executable, '-I', '-c', code, cwd=tmp_path)
    kept = [
        path
        for path in (ROOT / 'configs').rglob('*_*.py')
        if '_base_' not in path.parts
    ]
    assert int(found.split()[-1]) == len(kept) > 0


def test_requirements_leave_the_stack_to_the_user():
    """Nothing that pip install would put over an OpenMMLab stack."""
    listed = {}
    for path in (ROOT / 'requirements').glob('*.txt'):
        lines = path.read_text().splitlines()
        listed[path.stem] = [line for line in lines if line and line[0] != '#']
    assert set(listed) == {
        'runtime',
        'mminstall',
        'openmmlab',
        'optional',
        'onnx',
        'transformers',
        'ray',
        'supervision',
        'web',
        'weights',
        'tests',
        'docs',
    }
    assert not [line for line in listed['runtime'] if 'mm' in line]
    stack = [line for line in listed['mminstall'] if 'mm' in line]
    assert len(stack) == 3
    assert all(line.startswith('onedl-') and '==' in line for line in stack)
