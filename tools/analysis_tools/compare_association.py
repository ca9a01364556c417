# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare associations of a model on the same predictions of clips.

    python tools/analysis_tools/compare_association.py CONFIG CHECKPOINT \
        [--associations FILE.py ...] [--scenarios scenarios_val.json] \
        [--panoptic CONFIG]

Every clip is segmented once and linked by the association of the paper, by
those of the files (`association = dict(...)`), and by the ground truth, which
is the upper bound. The table has the values of test_evaluator and the share of
things that keep their id.

A model of instances is measured on the data and by the metrics of a panoptic
config. Each pixel belongs to its best instance, so stuff is always missed.
"""

import argparse
import copy
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from projects.maxtron import engine
from projects.maxtron.engine import cli
from projects.maxtron.errors import InputError
from projects.maxtron.models.association import QueryAssociation
from projects.maxtron.structures import ClipShapes, read_id_map
from projects.maxtron.testing import TrueAssociation
from projects.maxtron.utils import dump_json

import numpy as np
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from tools.analysis_tools.instance_maps import InstanceMaps

ROBUST = (
    Path(__file__).parents[2] / 'configs/_base_/models/association_robust.py'
)
TRUTH = 'true linking'
COLUMNS = {
    'VPQ': 'VPQ',
    'VPQ^1_Th': 'VPQ_1_Th',
    'VPQ^6_Th': 'VPQ_6_Th',
    'VPQ^20_Th': 'VPQ_20_Th',
    'STQ': 'STQ',
    'AQ': 'AQ',
    'ids kept': 'ids_kept',
    'crossing': 'ids_kept_crossing',
    'gap 1-2': 'ids_kept_gap_1-2',
    'gap 3-6': 'ids_kept_gap_3-6',
    'gap 7+': 'ids_kept_gap_7+',
    'return': 'ids_kept_return',
    'switches': 'id_switches',
}


class TruthReader:
    """Reader of the true segments of a video, clip by clip.

    Args:
        frames (Sequence[DetDataSample]): Frames with ``seg_map_path`` and
            ``segments_info``.
        known_labels (dict[int, int], optional): Label of the model by label
            of the ground truth; other segments are left out. Defaults to
            None: the labels are the same.
    """

    def __init__(
        self,
        frames: Sequence[DetDataSample],
        known_labels: dict[int, int] | None = None,
    ) -> None:
        self.frames = frames
        self.labels: dict[int, int] = {}
        self._known_labels = known_labels
        self._next = 0

    def read(
        self, num_frames: int, num_shared: int, shapes: ClipShapes
    ) -> list[np.ndarray]:
        """Read the id maps of the next clip; padding repeats the last one."""
        start = self._next - num_shared
        self._next += shapes.num_new
        last = len(self.frames) - 1
        maps = []
        for t in range(start, start + num_frames):
            frame = self.frames[min(t, last)]
            if frame.get('segments_info') is None:
                raise InputError(
                    f'{frame.img_path} has no segments_info: the ground truth '
                    'of true linking must be in RGB masks with a JSON file.'
                )
            labels = {s['id']: s['category'] for s in frame.segments_info}
            ids = read_id_map(frame.seg_map_path, frame.img_path)
            if self._known_labels is not None:
                labels = {
                    i: self._known_labels[label]
                    for i, label in labels.items()
                    if label in self._known_labels
                }
                ids = np.where(np.isin(ids, list(labels)), ids, 0)
            self.labels |= labels
            maps.append(ids)
        return maps


def link_video(
    model: nn.Module,
    video: Sequence,
    sample: TrackDataSample,
    associations: dict[str, QueryAssociation],
    instance_maps: InstanceMaps | None = None,
) -> dict[str, TrackDataSample]:
    """Segment a video once, and link its clips by each association.

    Args:
        model (nn.Module): The model.
        video (Sequence): Frames of the video.
        sample (TrackDataSample): Sample with the ground truth.
        associations (dict[str, QueryAssociation]): By name.
        instance_maps (InstanceMaps, optional): Converter of the results of a
            model of instances.

    Returns:
        dict[str, TrackDataSample]: Predicted samples by name.
    """
    head = model.head
    truth = TruthReader(
        sample.video_data_samples, instance_maps and instance_maps.labels
    )
    true = TrueAssociation(head.segmenter.mask_activation, head.overlap)
    states = {}
    for name, association in {**associations, TRUTH: true}.items():
        head.association = association
        states[name] = head.start_video(whole_video=True)
    results: dict[str, list] = {name: [] for name in states}
    clips = model.read_clips(
        video, sample[0].ori_shape[:2], len(video), sample[0].get('img_shape')
    )
    for inputs, shapes in clips:
        clip = model.forward_clips(inputs)
        num_frames = inputs.shape[1]
        num_shared = head.num_shared(num_frames, shapes)
        maps = truth.read(num_frames, num_shared, shapes)
        true.set_truth(maps, truth.labels, shapes)
        for name, state in states.items():
            results[name] += state.update(clip, shapes)
    samples = {}
    for name, state in states.items():
        results[name] += [r for part in state.finish() for r in part]
        samples[name] = TrackDataSample()
        samples[name].video_data_samples = [
            DetDataSample(metainfo=frame.metainfo) for frame in sample
        ]
        for frame, result in zip(samples[name], results[name], strict=True):
            if instance_maps is not None:
                result = instance_maps.convert(result, frame.ori_shape)
            frame.set_field(result, 'pred_panoptic_map')
    return samples


def read_videos(
    model: nn.Module, loader
) -> Iterator[tuple[Sequence, TrackDataSample]]:
    """Read the videos of a dataloader."""
    for batch in loader:
        data = model.data_preprocessor(batch, False)
        yield from zip(data['inputs'], data['data_samples'])


def format_table(values: dict[str, dict[str, float]]) -> str:
    """Format the values as a Markdown table; STQ and AQ in percent."""
    lines = [
        '| association | ' + ' | '.join(COLUMNS) + ' |',
        '| :-- |' + ' --: |' * len(COLUMNS),
    ]
    for name, row in values.items():
        cells = []
        for key in COLUMNS.values():
            value = row.get(f'vps/{key}', float('nan'))
            value *= 100 if key in ('STQ', 'AQ') else 1
            form = '.0f' if key == 'id_switches' else '.1f'
            cells.append('-' if value != value else format(value, form))
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def build_associations(
    head: nn.Module, files: list[str]
) -> dict[str, QueryAssociation]:
    """Build the paper's association and those of config files, by name."""
    settings: dict[str, dict] = {'paper': {}}
    for path in files:
        cfg = Config.fromfile(path)
        if 'association' not in cfg:
            raise InputError(
                f'{path} has no association = dict(...), as in {ROBUST}.'
            )
        settings[Path(path).stem.replace('association_', '')] = cfg.association
    associations = {}
    for name, setting in settings.items():
        association = {
            'type': 'QueryAssociation',
            'mask_activation': head.segmenter.mask_activation,
            'overlap': head.overlap,
            **setting,
        }
        with engine.explain_unknown_arguments(Config(dict(model=association))):
            associations[name] = TASK_UTILS.build(association)
    for association in associations.values():
        association.pixel_scale = head.association.pixel_scale
    return associations


@torch.no_grad()
def compare(
    cfg: Config, args: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Evaluate all associations.

    Args:
        cfg (Config): The config.
        args (Namespace): The command line.

    Returns:
        dict[str, dict[str, float]]: Values of the metrics by association.

    Raises:
        InputError: If the model does not decide on panoptic segments once a
            video, or if the panoptic data do not suit the model.
    """
    instance_classes = None
    if args.panoptic:
        instance_classes = use_panoptic_data(cfg, args)
    runner = Runner.from_cfg(cfg)
    model = runner.model.eval()
    engine.load_checkpoint_checked(model, args.checkpoint, config=cfg.filename)
    meta = runner.test_dataloader.dataset.metainfo
    maps = None
    if args.panoptic:
        if hasattr(model.head, 'segment_decision'):
            raise InputError(
                f'{cfg.filename} is a panoptic model. Leave out --panoptic, '
                'which is for models of instances.'
            )
        maps = InstanceMaps(instance_classes, meta['classes'], args.min_score)
    elif getattr(model.head, 'segment_decision', '') != 'per_video':
        raise InputError(
            'compare_association compares panoptic models that decide once a '
            "video (model.head.test_cfg.segment_decision='per_video'), and "
            'models of instances with --panoptic.'
        )
    associations = build_associations(model.head, args.associations)
    evaluators = {}
    for name in [*associations, TRUTH]:
        evaluators[name] = Evaluator(
            choose_metrics(cfg, model.head.clip_len, args.scenarios)
        )
        evaluators[name].dataset_meta = meta
    num_videos = 0
    for video, sample in read_videos(model, runner.test_dataloader):
        samples = link_video(model, video, sample, associations, maps)
        for name, predicted in samples.items():
            evaluators[name].process([predicted])
        num_videos += 1
    return {
        name: evaluator.evaluate(num_videos)
        for name, evaluator in evaluators.items()
    }


def use_panoptic_data(
    cfg: Config, args: argparse.Namespace
) -> tuple[str, ...]:
    """Replace the data and metrics of a config of instances, in place.

    The frames are still resized as for the model. Options of the command line
    hold for the new data.

    Args:
        cfg (Config): Config of the model.
        args (Namespace): The command line.

    Returns:
        tuple[str]: Classes of the model.
    """
    instances = cfg.test_dataloader.dataset
    classes = cli.build_dataset(dict(instances, lazy_init=True)).metainfo
    panoptic = Config.fromfile(args.panoptic)
    dataset = panoptic.test_dataloader.dataset
    dataset.pipeline[0].transforms = instances.pipeline[0].transforms
    cfg.test_dataloader.dataset = dataset
    cfg.test_evaluator = panoptic.test_evaluator
    engine.merge_cfg_options(cfg, args.cfg_options or {})
    return classes['classes']


def choose_metrics(
    cfg: Config, clip_len: int, scenarios: str | None
) -> list[dict]:
    """List the metrics of the table; the windows of VPQ are the tool's."""
    metrics = copy.deepcopy(cfg.test_evaluator)
    metrics = metrics if isinstance(metrics, list) else [metrics]
    metrics = [x for x in metrics if x['type'] != 'StableIdMetric']
    for metric in metrics:
        if metric['type'] == 'VPQMetric':
            metric['windows'] = (1, 2, 4, 6, 12, 20)
    stable_ids = dict(
        type='StableIdMetric', clip_len=clip_len, scenarios=scenarios
    )
    return [*metrics, stable_ids]


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parse the command line."""
    parser = cli.make_parser(__doc__)
    parser.add_argument(
        'checkpoint', help='file, URL or name of released weights'
    )
    parser.add_argument(
        '--associations',
        nargs='*',
        default=[str(ROBUST)],
        help='configs with `association = dict(...)` (default: '
        'association_robust.py)',
    )
    parser.add_argument(
        '--scenarios',
        help='scenarios_{split}.json of the synthetic benchmark, for '
        'crossings and returns',
    )
    parser.add_argument(
        '--panoptic',
        metavar='CONFIG',
        help='panoptic config whose test data and metrics measure a model of '
        'instances',
    )
    parser.add_argument(
        '--min-score',
        type=float,
        default=0.3,
        help='lowest score of an instance with --panoptic (default: 0.3)',
    )
    parser.add_argument('--out', help='also write all values to this .json')
    return parser, parser.parse_args()


@cli.report_errors('compare_association')
def main() -> None:
    """Run the tool."""
    parser, args = parse_args()
    cfg = cli.read_config(parser, args)
    cfg.load_from, cfg.resume = None, False
    cfg.work_dir = cfg.get('work_dir') or 'work_dirs/compare_association'
    cfg.log_level = 'WARNING'
    values = compare(cfg, args)
    MMLogger.get_current_instance().setLevel(logging.INFO)
    print(format_table(values))
    if args.out:
        dump_json(values, args.out, indent=2)


if __name__ == '__main__':
    main()
