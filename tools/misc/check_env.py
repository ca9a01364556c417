# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Check the installation and print a remedy for each mismatch.

The exit status is 1 if something is broken. The script imports nothing of the
project, so it works even if the project does not.
"""

import importlib
import importlib.util
import platform
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# Distributions to look for, by the module that they provide. If two provide
# the same module, the project is tested with the first.
DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmcv': ('onedl-mmcv', 'mmcv-lite', 'mmcv'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'numpy': ('numpy',),
    'scipy': ('scipy',),
    'pycocotools': ('pycocotools',),
    'cv2': ('opencv-python', 'opencv-python-headless'),
}
OPTIONAL = ('torchvision',)
LITE, FULL = 'mmcv-lite', 'onedl-mmcv'
INSTALL_FULL = (
    f'pip uninstall -y mmcv-lite && pip install -U onedl-mim && '
    f'mim install {FULL}'
)


@dataclass
class Environment:
    """Packages and device of an interpreter.

    Attributes:
        versions: Version of each installed distribution.
        origins: Folder of each module that can be found.
        mm_version: Version in the module mmengine. It differs from the version
            of the distribution if another distribution overwrote its files.
        has_ext: Whether MMCV has its compiled operators.
        device: "cuda", "npu", ... or "cpu".
        errors: Errors of imports, by module.
    """

    versions: dict[str, str]
    origins: dict[str, str]
    mm_version: str | None = None
    has_ext: bool = False
    device: str = 'cpu'
    errors: dict[str, str] | None = None


@dataclass
class Finding:
    """A mismatch of packages and its remedy."""

    broken: bool
    text: str
    remedy: str


def release(version: str) -> tuple[int, ...]:
    """Read the leading numbers of a version: "2.13.0+cpu" gives (2, 13, 0)."""
    found = re.match(r'\d+(\.\d+)*', version)
    return tuple(map(int, found[0].split('.'))) if found else ()


def find_environment() -> Environment:
    """Find the packages and the device of this interpreter."""
    origins = find_origins()
    errors = {
        module: error
        for module in ('torch', 'cv2', 'mmengine', 'mmcv')
        if module in origins and (error := import_error(module))
    }
    has_ext, device = False, 'cpu'
    if 'mmcv' in origins and 'mmcv' not in errors:
        has_ext = importlib.util.find_spec('mmcv._ext') is not None
    if has_ext and (error := import_error('mmcv._ext')):
        errors['mmcv._ext'] = error
    if 'mmengine' in origins and 'mmengine' not in errors:
        device = importlib.import_module('mmengine.device').get_device()
    mmengine = sys.modules.get('mmengine')
    return Environment(
        find_versions(),
        origins,
        getattr(mmengine, '__version__', None),
        has_ext,
        device,
        errors,
    )


def find_versions() -> dict[str, str]:
    """Find the version of each installed distribution."""
    versions = {}
    for names in DISTRIBUTIONS.values():
        for name in names:
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return versions


def find_origins() -> dict[str, str]:
    """Find the folder of each module that can be found."""
    specs = {name: importlib.util.find_spec(name) for name in DISTRIBUTIONS}
    return {
        module: str(Path(spec.origin).parent)
        for module, spec in specs.items()
        if spec is not None and spec.origin
    }


def import_error(module: str) -> str | None:
    """Import a module; return the error, or None if there is none."""
    try:
        importlib.import_module(module)
    except Exception as error:  # A broken package may raise any error.
        return f'{type(error).__name__}: {error}'
    return None


def check_present(env: Environment) -> Iterable[Finding]:
    """Check that all required packages are installed and can be imported."""
    remedies = dict(
        mmcv=f'pip install --no-deps {LITE}==2.2.0 (CPU) or: {INSTALL_FULL}',
        mmengine='pip install onedl-mmengine',
        mmdet='pip install onedl-mmdetection',
        cv2='pip install opencv-python-headless',
    )
    for module in DISTRIBUTIONS:
        if module in OPTIONAL or module in env.origins:
            continue
        yield Finding(
            True,
            f'{module} is not installed.',
            remedies.get(module, f'pip install {module}'),
        )
    for module, error in (env.errors or {}).items():
        if module == 'mmcv._ext':
            remedy = (
                'pip install -U onedl-mim && mim install '
                f'--force-reinstall --no-deps {FULL}'
            )
        elif module == 'cv2' and '.so' in error:
            remedy = (
                'pip uninstall -y opencv-python && pip install '
                '--force-reinstall --no-deps opencv-python-headless '
                '(or install libgl1 and libglib2.0-0)'
            )
        else:
            remedy = f'reinstall it: pip install --force-reinstall {module}'
        yield Finding(True, f'{module} cannot be imported: {error}', remedy)


def check_torch(env: Environment) -> Iterable[Finding]:
    """Check the version of PyTorch."""
    version = env.versions.get('torch')
    openmmlab = 'mmdet' in env.versions
    if version and release(version) < (2, 4) and not openmmlab:
        yield Finding(
            True,
            f'torch {version} is older than 2.4.',
            "pip install -U 'torch>=2.4'",
        )


def check_stack(env: Environment) -> Iterable[Finding]:
    """Check that MMEngine, MMCV and MMDetection belong to one stack."""
    for module, (ours, *others) in DISTRIBUTIONS.items():
        others = [name for name in others if name != LITE]
        installed = [name for name in others if name in env.versions]
        if not module.startswith('mm') or not installed:
            continue
        other = installed[0]
        if ours in env.versions or (module == 'mmcv' and LITE in env.versions):
            kept = ours if ours in env.versions else LITE
            yield Finding(
                True,
                f'{other} and {kept} are both installed and share the '
                f'folder {module}/: one has overwritten the other.',
                f'pip uninstall -y {other} && pip install --force-reinstall '
                f'--no-deps {kept}=={env.versions[kept]}',
            )
        else:
            yield Finding(
                False,
                f'{other} {env.versions[other]} is of OpenMMLab, whose '
                'releases stopped in 2024.',
                f'pip uninstall -y {other} && pip install {ours}, or keep to '
                'requirements/openmmlab.txt',
            )
    stated = env.versions.get('onedl-mmengine')
    if (
        stated
        and env.mm_version
        and 'mmengine' not in env.versions
        and release(stated) != release(env.mm_version)
    ):
        yield Finding(
            True,
            f'onedl-mmengine is {stated}, but its files are of '
            f'{env.mm_version}: another mmengine has overwritten them.',
            'pip install --force-reinstall --no-deps '
            f'onedl-mmengine=={stated}',
        )
    openmmlab = env.versions.get('mmdet')
    mmcv = [
        env.versions[name]
        for name in DISTRIBUTIONS['mmcv']
        if name in env.versions
    ]
    if openmmlab and release(openmmlab) < (3, 3):
        yield Finding(
            True,
            f'mmdet {openmmlab} is older than 3.3.0.',
            'pip install mmdet==3.3.0',
        )
    if openmmlab and mmcv and release(mmcv[0]) >= (2, 2):
        yield Finding(
            True,
            f'mmdet {openmmlab} refuses MMCV {mmcv[0]}.',
            'pip uninstall -y mmdet && pip install onedl-mmdetection',
        )


def check_mmcv(env: Environment) -> Iterable[Finding]:
    """Check that MMCV supports the device."""
    if LITE in env.versions and FULL in env.versions:
        yield Finding(
            True,
            f'{LITE} and {FULL} are both installed and share the '
            'folder mmcv/.',
            f'pip uninstall -y {LITE} {FULL} && pip install '
            f'--no-deps {LITE}==2.2.0 (CPU) or: mim install {FULL}',
        )
    elif LITE in env.versions and env.device != 'cpu':
        yield Finding(
            True,
            f'{LITE} has no operators for the device "{env.device}".',
            f'{INSTALL_FULL} (or hide the device: CUDA_VISIBLE_DEVICES=-1)',
        )
    elif (
        'mmcv' in env.origins and LITE not in env.versions and not env.has_ext
    ):
        yield Finding(
            True,
            'MMCV is the full one, but without its compiled operators: '
            'it was built where PyTorch was not found.',
            f'pip install --no-build-isolation --force-reinstall --no-deps '
            f'{FULL}',
        )


def check_mmdet(env: Environment) -> Iterable[Finding]:
    """Check the version of OneDL's MMDetection."""
    version = env.versions.get('onedl-mmdetection')
    if version and release(version)[:1] != (3,):
        yield Finding(
            True,
            f'onedl-mmdetection {version} is not of series 3.',
            "pip install 'onedl-mmdetection>=3.5.1,<4'",
        )


CHECKS: tuple[Callable[[Environment], Iterable[Finding]], ...] = (
    check_present,
    check_torch,
    check_stack,
    check_mmcv,
    check_mmdet,
)


def check(env: Environment) -> list[Finding]:
    """Run all checks."""
    return [finding for run in CHECKS for finding in run(env)]


def describe(env: Environment) -> str:
    """Describe the environment, one package per line."""
    lines = [
        f'{"Python":13}{platform.python_version()}  {sys.executable}',
        f'{"system":13}{platform.platform()}',
    ]
    for module, names in DISTRIBUTIONS.items():
        installed = [
            f'{name} {env.versions[name]}'
            for name in names
            if name in env.versions
        ]
        text = ', '.join(installed) or 'not installed'
        if module == 'torchvision' and not installed:
            text += ' (not needed)'
        if module == 'mmcv' and installed:
            text += (
                ' (full: compiled operators)'
                if env.has_ext
                else (' (lite: operators in PyTorch)')
            )
        lines.append(f'{module:13}{text}  {env.origins.get(module, "")}')
    lines.append(f'{"device":13}{env.device}')
    return '\n'.join(lines)


def main() -> int:
    """Print the report; return 1 if something is broken."""
    env = find_environment()
    print(describe(env))
    findings = check(env)
    for finding in findings:
        title = 'BROKEN' if finding.broken else 'NOTE'
        print(f'\n{title}: {finding.text}\n  remedy: {finding.remedy}')
    broken = any(finding.broken for finding in findings)
    print(
        '\nSomething is broken: see the remedies above.'
        if broken
        else '\nAll is well.'
    )
    return int(broken)


if __name__ == '__main__':
    sys.exit(main())
