# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The models of the tests of the demo."""

import pytest

from tests.footage import INSTANCE_CONFIG, PANOPTIC_CONFIG, make_model

# Half the clips, thus about half the time; other tests take the default 2.
LONGER_CLIPS = PANOPTIC_CONFIG.replace('thing_thr', 'clip_len=4, thing_thr')
OFFLINE = ('--mode', 'offline', '--feature-cache', 'none')


@pytest.fixture(scope='session')
def models(tmp_path_factory):
    return {
        'instances': make_model(
            tmp_path_factory.mktemp('instances'), INSTANCE_CONFIG
        )
        + ['--score-thr', '0.01'],
        'panoptic': make_model(
            tmp_path_factory.mktemp('panoptic'), LONGER_CLIPS
        ),
        **{
            f'offline {kind}': [
                *make_model(
                    tmp_path_factory.mktemp('offline'),
                    content.replace('nearonline', 'offline'),
                ),
                *OFFLINE,
                '--score-thr',
                '0',
            ]
            for kind, content in (
                ('instances', INSTANCE_CONFIG),
                ('panoptic', LONGER_CLIPS),
            )
        },
    }
