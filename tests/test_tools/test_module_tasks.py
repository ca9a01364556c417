# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Tests of the tasks for the tracking modules alone."""

import json
from argparse import Namespace

import pytest
import torch
from torch import Generator

from tools.analysis_tools.module_tasks import TASKS, Job, main, measure, train
from tools.analysis_tools.tracking_tasks import (
    IGNORED,
    Correspondence,
    CorrespondenceModel,
    ReAssociation,
    ReAssociationModel,
)


def test_targets_of_correspondence_lie_on_trajectories():
    task = Correspondence(noise=0.0)
    tokens, targets, groups = task.sample(4, Generator().manual_seed(0))
    codes = tokens[..., : task.code_dims]
    labels = tokens[..., task.code_dims :][..., : task.num_labels].argmax(-1)
    for clip in range(4):
        for t in range(1, task.num_frames):
            same = codes[clip, 0, :, :, None, None] == codes[clip, t]
            same = same.all(-1)  # (H, W, H, W)
            seen = same.any(-1).any(-1)
            assert seen.equal(groups['all'][clip, :, :, t - 1])
            here = targets[clip, :, :, t - 1]
            found = (same * labels[clip, t]).sum((-1, -2))
            assert here[seen].equal(found[seen])
            assert (here[~seen] == IGNORED).all()
            places = same.nonzero()
            moved = places[:, :2] - places[:, 2:]
            straight = groups['along an axis'][clip, :, :, t - 1][seen]
            assert straight.equal((moved == 0).any(-1))


def test_targets_of_re_association_follow_the_objects():
    task = ReAssociation(noise=0.0)
    queries, targets, groups = task.sample(16, Generator().manual_seed(0))
    codes = queries[..., : task.code_dims]
    labels = queries[..., task.code_dims :]
    # In the first clip, all objects are in their slots.
    own = codes[:, None, :1].movedim(1, 2)  # (B, 1, 1, Q, D)
    same = (codes[:, :, :, None] == own).all(-1)  # (B, K, Q, Q): slot, object
    objects = task.num_objects
    place = same[..., :objects].int().argmax(2)  # (B, K, objects)
    present = same[..., :objects].any(2)
    assert present.equal(~groups['missing'][..., :objects])
    assert not present.all() and groups['missing'][..., objects:].all()
    home = present & (place == torch.arange(objects))
    assert home.equal(groups['in its slot'][..., :objects])
    found = labels.argmax(-1).gather(2, place)
    expected = torch.where(present, found, task.num_labels)
    assert targets[..., :objects].equal(expected)
    assert (targets[..., objects:] == task.num_labels).all()
    assert 0.05 < groups['elsewhere'].float().mean() < 0.25


@pytest.mark.slow
def test_trajectory_attention_learns_correspondence():
    """The chance is 25 %."""
    task = Correspondence(num_frames=2, size=4)
    job = Job(('',), task, CorrespondenceModel, ('trajectory', 1))
    model = train(job, seed=0, num_steps=150)
    accuracy = measure(job, model, 128)
    assert accuracy['all'] > 40


@pytest.mark.parametrize('attention', ['trajectory', 'self'])
def test_only_temporal_aspp_knows_the_slots(attention):
    """Without it, slots of a clip have no order: no re-association."""
    task = ReAssociation()
    (queries, *_) = task.sample(1, Generator().manual_seed(0))
    swapped = queries.clone()
    swapped[:, 3, [0, 1]] = queries[:, 3, [1, 0]]
    for with_aspp in (False, True):
        torch.manual_seed(0)
        model = ReAssociationModel(task, attention, with_aspp, 2)
        out, moved = model(queries), model(swapped)
        moved[:, 3, [0, 1]] = moved[:, 3, [1, 0]]
        error = (out - moved).abs().max()
        assert error > 1e-3 if with_aspp else error < 1e-5


def test_finished_runs_are_kept(tmp_path, capsys):
    out = tmp_path / 'out.json'
    jobs = TASKS['correspondence'](Namespace(layers=None, frames=3))
    groups = ('all', 'along an axis', 'diagonal')
    runs = {
        f'{job.name[0]}, 1, seed {seed}': dict(
            name=job.name,
            seed=seed,
            accuracy=dict.fromkeys(groups, 10.0 * seed),
            parameters=1234,
            cpu_seconds=2.0,
        )
        for job in jobs
        for seed in (1, 2)
    }
    del runs['none, 1, seed 2']
    title = 'correspondence, 1 steps, 3 frames'
    out.write_text(json.dumps({title: runs}))
    argv = ['correspondence', '--steps', '1', '--seeds', '1', '2']
    main([*argv, '--json', str(out)])
    text = capsys.readouterr()
    assert text.err.count('cpu_seconds') == 1
    assert '| trajectory | 1 | 1,234 | 15.0 ± 7.1 |' in text.out
    results = json.loads(out.read_text())[title]
    assert 15 < results['none, 1, seed 2']['accuracy']['all'] < 35
    with pytest.raises(SystemExit):
        main(['counting'])
    assert "no task ['counting'], only corr" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['correspondence', '--attentions', 'axial'])
    message = "correspondence has no row ['axial'], only "
    assert message in capsys.readouterr().err
