# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
import os
import runpy
import signal
from itertools import cycle

from projects.maxtron.apis import FrameSource, VideoError, VideoOutputs
from projects.maxtron.cli import predict
from projects.maxtron.cli.interrupt import StopOnInterrupt
from projects.maxtron.cli.model_options import build_inferencer, model_options

import pytest

from tests.footage import footage, read_frames
from tests.test_demo.demo_runs import DEMO, KINDS, check_outputs, outputs


class InterruptedSource(FrameSource):
    """Endless frames with a Ctrl-C after some frames."""

    name, size, fps = 'clip', (144, 176), 25

    def __init__(self, frames, pressed_at):
        self.frames = frames
        self.pressed_at = pressed_at
        self.num_read = 0

    def __iter__(self):
        for frame in cycle(self.frames):
            self.num_read += 1
            if self.num_read in self.pressed_at:
                # of this process, as Ctrl-C; handled by the main thread
                os.kill(os.getpid(), signal.SIGINT)
            yield frame


def run_interrupted(args, folder, pressed_at):
    """Run the parts of the demo on a source of frames."""
    parser = runpy.run_path(DEMO, run_name='demo')['make_parser']()
    args = parser.parse_args(['x', *args, *outputs(folder)])
    frames = read_frames(footage('carphone_pristine.mp4'), 8)
    source = InterruptedSource(frames, pressed_at)
    results = VideoOutputs(
        predict.output_options(args),
        source,
        build_inferencer(**model_options(args)),
    )
    predict.process(results, args.max_frames)
    return results.num_frames


@pytest.mark.slow
@KINDS
def test_interrupted(models, kind, tmp_path):
    count = run_interrupted(models[kind], tmp_path, [20])
    assert 1 <= count <= 20  # and the end of an endless video
    check_outputs(
        kind, tmp_path, count, (144, 176), [f'{i:06d}' for i in range(count)]
    )


@pytest.mark.slow
def test_interrupted_before_the_first_result(models, tmp_path):
    (tmp_path / 'out.json').write_text('of an earlier run')
    with pytest.raises(VideoError, match='Interrupted before the first resul'):
        run_interrupted(
            [*models['offline panoptic'], '--max-frames', '99'], tmp_path, [20]
        )
    assert (tmp_path / 'out.json').read_text() == 'of an earlier run'
    assert not list(tmp_path.rglob('*.mp4')) + list(tmp_path.rglob('*.part*'))


@pytest.fixture
def keyboard_interrupt():
    """Python's handler of Ctrl-C, which background jobs do not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_second_interrupt_ends_at_once(keyboard_interrupt):
    with StopOnInterrupt(results_at_end=False) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
