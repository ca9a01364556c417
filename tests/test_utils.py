# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.utils import atomic_path

import pytest


@pytest.mark.parametrize('before', [None, 'old'])
def test_file_is_complete_or_as_before(tmp_path, before):
    path = tmp_path / 'out.txt'
    if before is not None:
        path.write_text(before)
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as part:
        with open(part, 'w') as file:
            file.write('half')
        raise KeyboardInterrupt
    assert [p.read_text() for p in tmp_path.iterdir()] == (
        [] if before is None else ['old']
    )
    with pytest.raises(RuntimeError), atomic_path(path):
        raise RuntimeError  # before there is a file
    with atomic_path(path) as part:
        assert part == str(tmp_path / 'out.part.txt')
        with open(part, 'w') as file:
            file.write('new')
    assert [p.read_text() for p in tmp_path.iterdir()] == ['new']
