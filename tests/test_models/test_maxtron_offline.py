# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Models with a cross-clip tracker: second stage and whole videos."""

from projects.maxtron.models.association import align_queries

import pytest
import torch

from tests.models import build
from tests.offline import (
    CLIP_LEN,
    KINDS,
    ORI_SHAPE,
    comparable,
    make_video,
    offline_cfg,
    offline_model,
    predict,
    predict_clips,
    read_clips,
    training_batch,
)

BOTH = pytest.mark.parametrize('kind', KINDS)
ALL_CACHES = ('device', 'cpu', 'cpu_fp16', 'disk', 'none')


@pytest.fixture(scope='module')
def models():
    """An untrained model; tests set its test_cfg."""
    return {kind: offline_model(kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def model(request, models):
    model = models[request.param]
    model.kind = request.param
    model.head.feature_cache = 'device'
    return model


def losses_of(model, batch):
    batch = model.data_preprocessor(batch, training=True)
    return model(**batch, mode='loss')


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize('num_clips', [1, 3])
def test_second_stage_trains_the_tracker_alone(kind, num_clips):
    model = offline_model(kind).train()
    frozen = dict(model.named_buffers())
    frozen = {
        name: buffer.clone()
        for name, buffer in frozen.items()
        if name.startswith(model.frozen_parts)
    }
    assert not any(
        model.get_submodule(name).training for name in model.frozen_parts
    )
    model.head.tracker.separate_norm_statistics = num_clips > 1
    losses = losses_of(model, training_batch(kind, num_clips * CLIP_LEN[kind]))
    if kind == 'vps':  # two layers, of which one or both count
        norm = model.head.tracker_heads.predictor.mask_norm
        assert norm.num_batches_tracked == (1 if num_clips > 1 else 2)
        assert norm.running_var != 1
    names = {name for name in losses if '.' not in name}
    assert names >= {'loss_cls', 'loss_dice'}
    assert losses.keys() == names | {f'd0.{name}' for name in names}
    model.parse_losses(losses)[0].backward()
    trained = {
        '.'.join(name.split('.')[: 3 if 'segmenter' in name else 2])
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    shared = [
        f'head.segmenter.{name}'
        for name in model.head.segmenter.shared_with_tracker
    ]
    assert trained == {'head.tracker', *(shared or ['head.tracker_heads'])}
    assert all(
        p.grad.isfinite().all()
        for p in model.parameters()
        if p.grad is not None
    )
    for name, buffer in frozen.items():
        assert buffer.equal(model.get_buffer(name)), name


def refined(model, video, feature_cache='device'):
    """Class logits (Q, C + 1) and mask logits (Q, T, h, w) of a video."""
    model.head.feature_cache = feature_cache
    with torch.no_grad():
        state = model.head.start_video()
        clips = list(model.read_clips(list(video), ORI_SHAPE))
        for inputs, shapes in clips:
            state.update(model.forward_clips(inputs), shapes)
        cls_logits = state.refine()
        mask_feats = state.cache
        if state.reads_twice:
            mask_feats = [model.mask_features(clip.inputs) for clip in clips]
        masks = [
            model.head.segment(state.next_embeds(), feats, clip.shapes)
            for feats, clip in zip(mask_feats, clips)
        ]
    return cls_logits, torch.cat(masks, 1)


@pytest.mark.slow
def test_results_are_those_of_the_refined_queries(model):
    """Results are from the last layer of the tracker, on aligned queries."""
    head, video = model.head, make_video(model.kind, 3 * CLIP_LEN[model.kind])
    cls_logits, masks = refined(model, video)
    clips = [clip for clip, _ in read_clips(model, list(video))]
    with torch.no_grad():
        queries = align_queries(
            [clip.queries for clip in clips], [clip.embeds for clip in clips]
        )  # (1, K, Q, D)
        expected = []
        for x in (queries, head.tracker(queries)[-1]):
            feats, embeds = head.query_heads.project(x[0])
            expected.append(
                (
                    head.query_heads.classify(
                        head.tracker.pool_over_clips(feats[None])
                    )[0],
                    torch.cat(
                        [
                            head.query_heads.segment(
                                embed[None], clip.mask_feats
                            )[0]
                            for embed, clip in zip(embeds, clips)
                        ],
                        1,
                    ),
                )
            )
    for actual, unrefined, right in zip((cls_logits, masks), *expected):
        torch.testing.assert_close(actual, right)
        assert (actual - unrefined).abs().max() > 1e-2


def test_video_that_changes_between_two_readings(model):
    """Pixel embeddings of another number of clips are refused."""
    model.head.feature_cache = 'none'
    clip_len = CLIP_LEN[model.kind]

    video = make_video(model.kind, 2 * clip_len)

    class Changing:
        """A video of another length when it is read again."""

        def __init__(self, length):
            self.parts = [list(video), list(video[:length])]

        def __iter__(self):
            yield from self.parts.pop(0)

    message = '2 clips when it was read first, and 1 when it was read again'
    with pytest.raises(ValueError, match=message):
        list(model.predict_stream(Changing(clip_len), ORI_SHAPE))
    longer = Changing(2 * clip_len)
    longer.parts[0] = longer.parts[0][:clip_len]
    with pytest.raises(ValueError, match='1 clips .* and more when it'):
        list(model.predict_stream(longer, ORI_SHAPE))


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_autocast_keeps_no_weights_of_the_frozen_clips(kind, monkeypatch):
    """They would get no gradient: seen with PyTorch 2.4 on a GPU."""
    cleared = []
    clear = torch.clear_autocast_cache
    monkeypatch.setattr(
        torch,
        'clear_autocast_cache',
        lambda: (cleared.append(torch.is_grad_enabled()), clear()),
    )
    model = offline_model(kind).train()
    with torch.autocast('cpu', torch.bfloat16):
        losses_of(model, training_batch(kind, 2 * CLIP_LEN[kind]))
        assert cleared == [True, True]  # after each clip, out of no_grad


@pytest.mark.slow
def test_last_clip_is_filled_up_with_the_last_frame(model):
    """It may be the only clip; results of repeated frames are dropped."""
    clip_len = CLIP_LEN[model.kind]
    for num_frames in (1, clip_len, 2 * clip_len + 1):
        video = make_video(model.kind, num_frames)
        missing = -num_frames % clip_len
        filled = torch.cat((video, video[-1:].expand(missing, -1, -1, -1)))
        cls_logits, masks = refined(model, video)
        expected = refined(model, filled)
        assert masks.shape[1] == num_frames
        assert cls_logits.equal(expected[0])
        assert masks.equal(expected[1][:, :num_frames])
        (frames,) = predict(model, video)
        assert len(frames) == num_frames


@pytest.mark.slow
def test_results_do_not_depend_on_the_cache(model):
    video = make_video(model.kind, 2 * CLIP_LEN[model.kind] + 1)
    cls_logits, masks = refined(model, video)
    expected = predict(model, video)
    assert masks.std() > 0.01
    for feature_cache in ALL_CACHES[1:]:
        actual = refined(model, video, feature_cache)
        assert actual[0].equal(cls_logits)  # of the queries alone
        if feature_cache == 'cpu_fp16':
            # half precision has 11 bits
            error = (actual[1] - masks).norm() / masks.norm()
            assert 0 < error < 5e-4
        else:
            assert actual[1].equal(masks)
            assert predict(model, video) == expected


def test_masks_of_queries_without_a_class_are_not_kept(models, monkeypatch):
    """They would only cost memory until the segments are decided on."""
    head, mergers = models['vps'].head, []
    clips = list(read_clips(models['vps'], list(make_video('vps', 3))))
    make_merger = head.make_merger
    monkeypatch.setattr(
        head,
        'make_merger',
        lambda: mergers.append(make_merger()) or mergers[-1],
    )
    monkeypatch.setattr(head, 'feature_cache', 'device')
    monkeypatch.setattr(head, 'segment_decision', 'per_clip')
    for mode, num_mergers in (('offline', 1), ('near_online', 2)):
        monkeypatch.setattr(head, 'mode', mode)
        for threshold in (0.0, 1.0):
            for name in ('thing_thr', 'stuff_thr'):
                monkeypatch.setitem(head.merge_cfg, name, threshold)
            mergers.clear()
            with torch.no_grad():
                list(predict_clips(head, clips))
            is_kept = [merger._prob_sums.any() for merger in mergers]
            assert is_kept == [threshold == 0] * num_mergers


@pytest.mark.slow
def test_stream_gives_what_the_whole_video_gives(model):
    video = make_video(model.kind, 2 * CLIP_LEN[model.kind] + 1)
    (expected,) = predict(model, video)
    for frames in (list(video), iter(video)):
        stream = list(model.predict_stream(frames, ORI_SHAPE))
        assert [comparable(f) for clip in stream for f in clip] == expected
        ids = [f.frame_id for clip in stream for f in clip]
        assert ids == list(range(len(video)))


def test_two_passes_over_what_can_be_read_once(model):
    model.head.feature_cache = 'none'
    video = make_video(model.kind, 5)
    with pytest.raises(ValueError, match="'none' reads the video twice"):
        list(model.predict_stream(iter(video), ORI_SHAPE))


@pytest.mark.slow
def test_videos_of_a_batch_are_independent(model):
    clip_len = CLIP_LEN[model.kind]
    videos = [
        make_video(model.kind, num_frames, seed)
        for seed, num_frames in enumerate((2 * clip_len + 1, 1))
    ]
    expected = [predict(model, video)[0] for video in videos]
    assert expected[0][:1] != expected[1]
    assert predict(model, *videos) == expected


def test_training_videos_of_different_lengths(model):
    batch, other = (
        training_batch(model.kind, num_clips * CLIP_LEN[model.kind], 1)
        for num_clips in (2, 3)
    )
    for key, values in batch.items():
        values += other[key]
    with pytest.raises(ValueError, match=r'have \[\d, \d\] frames.*equally'):
        losses_of(model, batch)


def test_training_video_that_is_no_whole_number_of_clips(model):
    batch = training_batch(model.kind, CLIP_LEN[model.kind] + 1, 1)
    with pytest.raises(ValueError, match='no multiple .*clip_len='):
        losses_of(model, batch)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize('stage', ['offline', 'e2e'])
def test_clip_that_is_not_finite_is_named(kind, stage):
    model = offline_model(kind, stage)
    clip_len = CLIP_LEN[kind]
    message = 'queries of clip 1 of the video are not finite.*AMP'
    for bad in (torch.nan, torch.inf):
        video = make_video(kind, 3 * clip_len).float()
        video[clip_len : 2 * clip_len, :, 5] = bad
        with pytest.raises(ValueError, match=message):
            predict(model, video)
    batch = model.data_preprocessor(
        training_batch(kind, 3 * clip_len), training=True
    )
    batch['inputs'][1, clip_len, :, 5] = torch.nan
    with pytest.raises(ValueError, match=message):
        model.train()(**batch, mode='loss')


@BOTH
def test_bad_settings(kind):
    for stage, key, value, message in (
        ('offline', 'feature_cache', 'gpu', "'gpu'; choose 'device', 'cpu', "),
        (
            'offline',
            'mode',
            'online',
            "mode is 'online'; choose 'near_online'",
        ),
        ('nearonline', 'mode', 'offline', 'no cross-clip tracker'),
    ):
        with pytest.raises(ValueError, match=message):
            build(offline_cfg(kind, stage, **{key: value}))
    cfg = offline_cfg(kind, 'e2e')
    cfg.freeze_segmenter = True
    with pytest.raises(ValueError, match='freeze_segmenter=False'):
        build(cfg)
    cfg.head.update(clip_loss_weight=0.0)
    cfg.head.tracker.truncate = 2
    with pytest.raises(ValueError, match='truncate cuts .*segmenter=False'):
        build(cfg)
    cfg.head.update(clip_loss_weight=1.0, tracker=None)
    with pytest.raises(ValueError, match='set model.head.tracker'):
        build(cfg)


@pytest.mark.slow
@BOTH
def test_near_online_mode_of_an_offline_model(kind):
    """Is that of a model without a tracker."""
    model = offline_model(kind, mode='near_online')
    plain = build(offline_cfg(kind, 'nearonline'))
    _, unused = plain.load_state_dict(model.state_dict(), strict=False)
    assert unused and all(key.startswith(model.unused_parts) for key in unused)
    video = list(make_video(kind, 7))
    with torch.no_grad():
        pairs = list(
            zip(*(read_clips(m, video) for m in (model, plain)), strict=True)
        )
    for (actual, shapes), (expected, expected_shapes) in pairs:
        assert shapes == expected_shapes
        for name in ('cls_logits', 'mask_logits', 'embeds'):
            torch.testing.assert_close(
                getattr(actual, name),
                getattr(expected, name),
                rtol=1e-4,
                atol=1e-4,
            )
    for a, b in zip(predict(model, video)[0], predict(plain, video)[0]):
        # ids and labels of instances; all of a panoptic map
        assert a[:2] == b[:2]
