# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Packages projects.maxtron, with its configs and tools as package data."""

import re
import shutil
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PACKAGE = Path('projects', 'maxtron')
# Found at the same place as in MMDetection, so that mim finds them too.
# The weights of demo/ are released by name.
MIM_FILES = ('configs', 'tools', 'demo', 'model-index.yml')


class BuildWithMim(build_py):
    """Adds the files outside the package below ``projects/maxtron/.mim``.

    Only to what is built: an editable install has the checkout itself.
    """

    def run(self):
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        target = Path(self.build_lib) / PACKAGE / '.mim'
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in MIM_FILES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source,
                    target / name,
                    ignore=shutil.ignore_patterns('__pycache__', 'output'),
                )
            else:
                shutil.copy(source, target)


def requirements(name):
    """Read the requirements of a file, without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def version():
    """Read the version without importing the package, which needs MMDet."""
    text = (ROOT / PACKAGE / 'version.py').read_text()
    return re.search(r"__version__ = '(.+)'", text).group(1)


setup(
    name='maxtron',
    version=version(),
    description='MaXTron for MMDetection: video segmentation with trajectory '
    'attention',
    long_description=(ROOT / 'README.md').read_text()
    if (ROOT / 'README.md').exists()
    else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    # No projects/__init__.py: the folder can be dropped into an MMDetection
    # checkout, which has projects of its own.
    packages=find_namespace_packages(
        include=['projects', 'projects.maxtron*']
    ),
    entry_points=dict(console_scripts=['maxtron=projects.maxtron_cli:main']),
    # With `projects` among the packages, this makes an editable install put
    # the checkout on Python's path, so that tools can import each other.
    package_dir={'': '.'},
    cmdclass=dict(build_py=BuildWithMim),
    # PyTorch, MMEngine, MMCV and MMDetection are the extra "mminstall"; why,
    # tells requirements/mminstall.txt.
    install_requires=requirements('runtime'),
    extras_require={
        name: requirements(name)
        for name in (
            'mminstall',
            'optional',
            'onnx',
            'weights',
            'transformers',
            'ray',
            'supervision',
            'web',
            'tests',
            'docs',
        )
    },
)
