# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.apis import VideoWriter, open_frame_source

import numpy as np
import pytest

SIZE = 2, 20000  # beyond H.264 and MPEG-4


def test_another_encoder_takes_a_large_size(tmp_path):
    path = str(tmp_path / 'out.mp4')
    with VideoWriter(path, 5, SIZE) as writer:
        writer.write(np.zeros((*SIZE, 3), np.uint8))
    assert [frame.shape[:2] for frame in open_frame_source(path)] == [SIZE]


def test_size_that_no_encoder_takes(tmp_path):
    with pytest.raises(ValueError, match='cannot have frames of 20000x2'):
        VideoWriter(str(tmp_path / 'out.mov'), 5, SIZE)
    assert not list(tmp_path.iterdir())
