# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Draw the training clips of a model, with the ids of their tubes.

    python tools/misc/browse_dataset.py CONFIG --not-show --output-dir DIR

The frames of a clip are drawn side by side, after augmentation, to
DIR/VIDEO/FRAME.jpg after the first frame. An instance has its id of the
annotation file. Things of panoptic clips, whose ids are colours, are numbered
by class. Videos of a test set are drawn without augmentation.
"""

import argparse
import os.path as osp
from collections.abc import Iterator

from projects.maxtron.engine.cli import (
    DATASET_CONFIG_HELP,
    SPLITS,
    build_dataset,
    find_datasets,
    make_parser,
    read_config,
    report_errors,
)
from projects.maxtron.errors import InputError
from projects.maxtron.structures import IndexMap, PanopticMap, thing_flags
from projects.maxtron.utils import relative_name, write_image
from projects.maxtron.visualization import PanopticGroundTruth, find_image_root

import mmcv
import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.dataset import BaseDataset
from mmengine.fileio import get
from mmengine.structures import InstanceData
from mmengine.utils import ProgressBar

_MAX_COLUMNS = 6


class ClipDrawer:
    """Draws the samples of a dataset.

    Args:
        dataset (BaseDataset): The dataset.
        visualizer (dict): Config of the visualizer.
    """

    def __init__(self, dataset: BaseDataset, visualizer: dict) -> None:
        self.dataset = dataset
        self.visualizer = VISUALIZERS.build(visualizer)
        self.visualizer.dataset_meta = self.meta = dataset.metainfo
        self.backend_args = dataset.backend_args

    def draw(self, sample: dict, max_frames: int) -> list[np.ndarray]:
        """Draw a clip.

        Args:
            sample (dict): ``inputs`` and ``data_samples`` of the pipeline.
            max_frames (int): Number of frames at most.

        Returns:
            list[np.ndarray]: RGB, uint8, (H, W, 3), one per frame.
        """
        truth = PanopticGroundTruth(self.backend_args)
        drawn = []
        for t, frame in enumerate(sample['data_samples'][:max_frames]):
            if isinstance(sample['inputs'], torch.Tensor):
                image = sample['inputs'][t].numpy()[::-1].transpose(1, 2, 0)
                image = np.ascontiguousarray(image.clip(0, 255).astype('u1'))
                frame = self._trained_on(frame, truth, image.shape[:2])
            else:
                image = mmcv.imfrombytes(
                    get(frame.img_path, backend_args=self.backend_args),
                    channel_order='rgb',
                )
                annotated = truth.read(frame, self.meta)
                if annotated is not None:
                    frame.set_field(annotated, 'gt_panoptic_map')
            self.visualizer.add_datasample(
                'clip', image, frame, draw_pred=False
            )
            drawn.append(self.visualizer.get_image())
        return drawn

    def _trained_on(
        self, frame: DetDataSample, truth: PanopticGroundTruth, size: tuple
    ) -> DetDataSample:
        """Convert the targets of a frame to the format of the visualizer."""
        targets = DetDataSample()
        if 'gt_panoptic_seg' in frame:
            targets.set_field(
                self._panoptic_map(frame, truth, size), 'gt_panoptic_map'
            )
        else:
            instances = frame.gt_instances
            targets.gt_instances = InstanceData(
                instances_id=instances.instances_ids,
                labels=instances.labels,
                masks=list(instances.masks.masks),
            )
        return targets

    def _panoptic_map(
        self, frame: DetDataSample, truth: PanopticGroundTruth, size: tuple
    ) -> PanopticMap:
        """Upsample panoptic targets to the size of the image."""
        is_thing = (
            thing_flags(self.meta)
            if 'thing_classes' in self.meta
            else [True] * len(self.meta['classes'])
        )
        tubes = frame.gt_panoptic_seg.sem_seg[0].numpy()
        stride = -(-size[0] // tubes.shape[0])
        # Each target covers the pixels around its position.
        rows, columns = (
            np.minimum((np.arange(n) + stride // 2) // stride, m - 1)
            for n, m in zip(size, tubes.shape)
        )
        index = np.zeros(size, np.int32)
        table = [len(is_thing)]
        for tube, label in zip(
            frame.gt_instances.instances_ids.tolist(),
            frame.gt_instances.labels.tolist(),
        ):
            index[tubes[rows[:, None], columns] == tube] = len(table)
            table.append(
                truth.panoptic_id(dict(id=tube, category=label), is_thing)
            )
        return PanopticMap(
            IndexMap.encode(index), np.array(table, np.int32), len(is_thing)
        )


def join(frames: list[np.ndarray]) -> np.ndarray:
    """Arrange frames side by side, in rows of at most six."""
    columns = min(len(frames), _MAX_COLUMNS)
    blank = [np.zeros_like(frames[0])] * (-len(frames) % columns)
    frames = [*frames, *blank]
    return np.concatenate(
        [
            np.concatenate(frames[i : i + columns], axis=1)
            for i in range(0, len(frames), columns)
        ]
    )


class SampleNames:
    """Unique names of drawn clips.

    The name of a clip is the path of its first frame below the folder of all
    images, without suffix, such as ``VIDEO/00000``. If the name is in use,
    because two datasets have the same videos, a number is appended.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()

    def __len__(self) -> int:
        return len(self._used)

    def add(self, dataset: BaseDataset, sample: dict, suffix: str) -> str:
        """Name a clip, or a frame of it by its suffix.

        Args:
            dataset (BaseDataset): The dataset.
            sample (dict): A sample of the dataset.
            suffix (str): End of the name.

        Returns:
            str: A relative path with '/'.
        """
        path = sample['data_samples'][0].img_path
        name = relative_name(path, find_image_root(dataset))
        name = unused = f'{osp.splitext(name)[0]}{suffix}'
        number = 2
        while unused.casefold() in self._used:
            unused = f'{name}-{number}'
            number += 1
        self._used.add(unused.casefold())
        return unused


def iter_samples(cfg, args: argparse.Namespace) -> Iterator[tuple]:
    """Load the samples.

    Yields:
        tuple: The dataset, and a sample with a list of frames.

    Raises:
        InputError: If a sample is not a clip.
    """
    for dataset_cfg in find_datasets(cfg, args.split):
        dataset = build_dataset(dataset_cfg)
        num = min(args.num or len(dataset), len(dataset))
        bar = ProgressBar(num)
        for index in range(num):
            sample = dataset[index]
            if 'video_data_samples' not in sample['data_samples']:
                raise InputError(
                    f'a sample of {dataset_cfg["type"]} is an image, not a '
                    "clip: use MMDetection's "
                    'tools/analysis_tools/browse_dataset.py'
                )
            yield dataset, sample
            bar.update()
        print()


def parse_args(
    parser: argparse.ArgumentParser, args: list[str] | None
) -> argparse.Namespace:
    parser.add_argument(
        '--split', choices=SPLITS, default='train', help='default: train'
    )
    parser.add_argument(
        '--output-dir', help='folder to write images to, VIDEO/FRAME.jpg'
    )
    parser.add_argument(
        '--num', type=int, help='number of clips, at most one per video'
    )
    parser.add_argument(
        '--max-frames',
        type=int,
        default=24,
        help='maximum per clip (default: 24)',
    )
    parser.add_argument(
        '--separate',
        action='store_true',
        help='write an image for each frame of a clip',
    )
    parser.add_argument(
        '--seed', type=int, help='seed of the augmentation (default: random)'
    )
    parser.add_argument(
        '--not-show', action='store_true', help='open no window'
    )
    parser.add_argument(
        '--show-interval',
        type=float,
        default=2,
        help='seconds that a clip is shown (default: 2)',
    )
    args = parser.parse_args(args)
    if args.max_frames < 1 or (args.num is not None and args.num < 1):
        parser.error('--num and --max-frames must be 1 or more')
    if args.not_show and args.output_dir is None:
        parser.error('with --not-show name an --output-dir')
    return args


@report_errors('browse_dataset')
def main(args: list[str] | None = None) -> None:
    parser = make_parser(__doc__, DATASET_CONFIG_HELP)
    args = parse_args(parser, args)
    cfg = read_config(parser, args)
    if args.seed is not None:
        np.random.seed(args.seed)
    visualizer = dict(
        cfg.get('visualizer') or dict(type='ClipLocalVisualizer'),
        name='browse_dataset',
        vis_backends=None,
    )
    drawer, names = None, SampleNames()
    for dataset, sample in iter_samples(cfg, args):
        if drawer is None or drawer.dataset is not dataset:
            drawer = ClipDrawer(dataset, visualizer)
        frames = drawer.draw(sample, args.max_frames)
        if not args.separate:
            frames = [join(frames)]
        for t, image in enumerate(frames):
            suffix = f'_{t:02d}' if args.separate else ''
            name = names.add(dataset, sample, suffix)
            if args.output_dir is not None:
                path = osp.join(args.output_dir, f'{name}.jpg')
                write_image(path, image[..., ::-1])
            if not args.not_show:
                drawer.visualizer.show(
                    image, win_name=name, wait_time=args.show_interval
                )
    if args.output_dir is not None:
        print(f'Wrote {len(names)} images to {args.output_dir}')


if __name__ == '__main__':
    main()
