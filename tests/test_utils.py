# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.utils import (
    atomic_path,
    distinct_stems,
    is_foreign_file,
    natural_key,
    relative_name,
)

import pytest
import torch.distributed as dist

from tests.processes import run_ranks


@pytest.mark.parametrize('before', [None, 'old'])
def test_file_is_complete_or_as_before(tmp_path, before):
    folder = tmp_path / 'new'
    path = folder / 'out.txt'
    if before is not None:
        folder.mkdir()
        path.write_text(before)
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as part:
        with open(part, 'w') as file:
            file.write('half')
        raise KeyboardInterrupt
    assert [p.read_text() for p in folder.iterdir()] == (
        [] if before is None else ['old']
    )
    with pytest.raises(RuntimeError), atomic_path(path):
        raise RuntimeError  # before there is a file
    with atomic_path(path) as part:
        assert part == str(folder / 'out.part.txt')
        with open(part, 'w') as file:
            file.write('new')
    assert [p.read_text() for p in folder.iterdir()] == ['new']


def test_numbers_in_names_are_in_order():
    ordered = [
        'clip 2/a10.jpg',
        'clip 10/a9.jpg',
        'clip 10/a9 (1).jpg',
        'clip 10/a9-1.jpg',
        'clip 10/a9_2.jpg',
        'clip 10/a010.jpg',
        'clip 10/a10.jpg',
        'clip 10/B1.jpg',
        'clip 10/x/1.jpg',
    ]
    assert sorted(reversed(ordered), key=natural_key) == ordered
    stems = [name.removesuffix('.jpg') for name in ordered]
    assert sorted(reversed(stems), key=natural_key) == stems


def test_names_below_a_root():
    for root in ('data/imgs', 'data/imgs/', './data/imgs', 'data\\imgs'):
        assert relative_name('data/imgs/a/1.jpg', root) == 'a/1.jpg'
    assert relative_name('a/img1/1.jpg', '') == 'a/img1/1.jpg'
    assert relative_name('/x/a/1.jpg', '/x/b') == 'x/a/1.jpg'
    assert relative_name('../x/1.jpg', 'data') == 'x/1.jpg'
    assert relative_name('data/imgs2/1.jpg', 'data/imgs') == 'data/imgs2/1.jpg'
    assert relative_name('C:\\x\\1.jpg', 'C:\\x') == '1.jpg'
    assert relative_name('s3://b/x/a/1.jpg', 's3://b/x') == 'a/1.jpg'


def test_suffixes_are_kept_if_needed():
    assert distinct_stems(['a/1.jpg', 'b/1.png']) == ['a/1', 'b/1']
    for names in (['1.jpg', '1.png', '2.png'], ['a.jpg', 'A.png']):
        assert distinct_stems(names) == names


def test_foreign_files():
    for name in ('.DS_Store', '._1.jpg', 'Thumbs.db', 'desktop.ini'):
        assert is_foreign_file(name)
    assert not is_foreign_file('1.jpg')


def write_together(rank, folder):
    path = folder / 'out.txt'
    with atomic_path(path) as part:
        with open(part, 'w') as file:
            file.write('the same')
        dist.barrier()
    dist.barrier()
    assert path.read_text() == 'the same'
    assert not list(folder.glob('*.part*'))


@pytest.mark.slow
def test_two_processes_write_one_file_at_a_time(tmp_path):
    """As for a video that a sampler repeats."""
    run_ranks(write_together, tmp_path)
