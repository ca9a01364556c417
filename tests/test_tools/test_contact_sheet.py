# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
from projects.maxtron.apis import ArraySource

import cv2
import numpy as np
import pytest

from tests.footage import write_frames
from tests.scripts import run_script
from tools.analysis_tools.contact_sheet import read_frames

SCRIPT = 'tools/analysis_tools/contact_sheet.py'


def test_frames_are_of_the_same_times(tmp_path):
    """A video of 12 grey frames, and one of 9 that are 100 brighter."""
    for name, count, offset in (('a', 12, 0), ('b', 9, 100)):
        frames = [
            np.full((32, 64, 3), 10 * t + offset, np.uint8)
            for t in range(count)
        ]
        write_frames(tmp_path / name, frames)
    out = tmp_path / 'new/sheet.png'
    output = run_script(
        SCRIPT,
        out,
        f'input={tmp_path}/a',
        f'brighter={tmp_path}/b',
        '--frames=3',
        '--width=192',
    )
    assert output == f'Wrote {out}\n'
    sheet = cv2.imread(str(out))
    assert sheet.shape == (64, 192, 3)
    # thirds of the shorter video: frames 1, 4 and 7
    assert sheet[31, 63::64, 0].tolist() == [10, 40, 70]
    assert sheet[63, 63::64, 0].tolist() == [110, 140, 170]
    assert sheet[0, 0].tolist() == sheet[32, 0].tolist() == [255] * 3  # label


def test_a_container_with_a_wrong_number_of_frames():
    frames = [np.full((1, 1, 3), t, np.uint8) for t in range(3)]
    picked = read_frames(ArraySource(frames), [0, 1, 1, 4])
    assert [frame[0, 0, 0] for frame in picked] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    'args, message',
    [
        (['o.tif', 'a=b'], 'must end in .png, .webp or .jpg'),
        (['o.png', 'a=none.mp4'], 'none.mp4'),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        run_script(SCRIPT, *args)
    assert not list(tmp_path.iterdir())
