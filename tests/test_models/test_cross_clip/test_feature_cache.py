# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import resource
import tempfile
import weakref

from projects.maxtron.errors import InputError
from projects.maxtron.models.cross_clip import FeatureCache

import pytest
import torch


@pytest.mark.parametrize('mode', FeatureCache.MODES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_gives_back_what_it_got_and_forgets_it(mode, dtype):
    cache = FeatureCache(mode)
    clips = [torch.randn(1, 8, 2, 4, 5).to(dtype) for _ in range(3)]
    for clip in clips:
        cache.append(clip)
    taken = []
    for actual, expected in zip(cache, clips):
        assert actual.dtype == dtype and actual.device == expected.device
        taken.append(weakref.ref(actual))
        # half precision has 11 bits
        rtol = 2**-11 if mode == 'cpu_fp16' else 0
        torch.testing.assert_close(actual, expected, rtol=rtol, atol=1e-7)
    del actual, expected, clip, clips
    assert list(cache) == []
    assert not any(ref() is not None for ref in taken)


def test_half_precision_takes_half_the_memory():
    cache = FeatureCache('cpu_fp16')
    cache.append(torch.randn(4))
    (restore,) = cache._clips
    kept = restore.func.__self__
    assert kept.dtype == torch.float16


def test_cpu_modes_take_tensors_off_their_device():
    """The device 'meta' stands for a GPU: nothing can be copied from it."""
    for mode in FeatureCache.MODES:
        cache, clip = FeatureCache(mode), torch.empty(4, device='meta')
        if mode == 'device':
            cache.append(clip)
        else:
            with pytest.raises(NotImplementedError, match='meta'):
                cache.append(clip)


def test_unknown_mode():
    with pytest.raises(ValueError, match="no feature cache 'tape', only 'dev"):
        FeatureCache('tape')


def test_file_has_no_name_and_may_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    cache, size = FeatureCache('disk'), 2**16
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        cache.append(torch.zeros(size // 4))
        with pytest.raises(InputError, match='after 0 MiB: File too large'):
            cache.append(torch.zeros(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
