# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Compare the CPU time of a training sample with that of plain transforms.

    python tools/benchmarks/benchmark_loader.py [--samples N] [--json FILE]

The pipeline is that of configs/_base_/datasets/vipseg.py: clips of two frames
with copy-paste, so four frames of 720x1280 are loaded. The plain pipeline
resizes whole frames before it crops them, and copies pixels by NumPy. Both
give the same numbers, which is checked. The output is a table of CPU
milliseconds a sample, by transform. The pipelines run in turn.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from projects.maxtron.datasets.transforms import pixels
from projects.maxtron.datasets.vipseg_categories import VIPSEG_CATEGORIES
from projects.maxtron.structures import write_id_map
from projects.maxtron.utils import dump_json

import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from tools.benchmarks.cli import make_parser, write_json

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/vipseg.py'
SIZE = (720, 1280)
FRAMES = 3


def write_videos(root: Path, num_videos: int = 4) -> None:
    """Write videos with smooth noise and a moving grid of 30 segments."""
    random = np.random.default_rng(0)
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    videos, annotations = [], []
    for v in range(num_videos):
        images, frames = [], []
        for t in range(FRAMES):
            small = random.integers(0, 256, (45, 80, 3)).astype(np.uint8)
            img = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
            ids = 1 + rows // 144 * 6 + (columns + 8 * t) // 216
            name = f'{t:05d}'
            for kind in ('images', 'panomasksRGB'):
                (root / kind / str(v)).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / f'images/{v}/{name}.jpg'), img)
            write_id_map(str(root / f'panomasksRGB/{v}/{name}.png'), ids)
            images.append(
                dict(
                    id=name,
                    file_name=f'{name}.jpg',
                    height=SIZE[0],
                    width=SIZE[1],
                )
            )
            frames.append(
                dict(
                    file_name=f'{name}.png',
                    segments_info=[
                        dict(id=int(i), category_id=int(i), iscrowd=0)
                        for i in np.unique(ids)
                    ],
                )
            )
        videos.append(dict(video_id=str(v), images=images))
        annotations.append(dict(video_id=str(v), annotations=frames))
    content = dict(
        videos=videos, annotations=annotations, categories=VIPSEG_CATEGORIES
    )
    dump_json(content, root / 'panoptic_gt_VIPSeg_train.json')


def make_plain(pipeline: Any) -> Any:
    """Replace cropping resizes by resizes and crops of whole frames."""
    if isinstance(pipeline, list):
        steps = [make_plain(step) for step in pipeline]
        return [s for x in steps for s in (x if isinstance(x, list) else [x])]
    step = {
        key: make_plain(value) if 'transforms' in key else value
        for key, value in pipeline.items()
    }
    if not step.pop('crop', False):
        return step
    crop = dict(
        type='RandomCrop', crop_size=step['canvas'], allow_negative_crop=True
    )
    return [step, crop]


def time_transforms(steps: Sequence[Any], seconds: Counter) -> None:
    """Let transforms add their CPU seconds to a counter, by name."""

    def timed(name: str, function: Callable) -> Callable:
        def call(*args):
            start = time.process_time()
            result = function(*args)
            seconds[name] += time.process_time() - start
            return result

        return call

    for step in steps:
        parts = [x for x in vars(step).values() if hasattr(x, 'transforms')]
        for part in parts:
            time_transforms(part.transforms, seconds)
        if not parts:
            step.transform = timed(type(step).__name__, step.transform)


def map_channel(img: np.ndarray, channel: int, table: np.ndarray) -> None:
    """Replace the bytes of one channel; plain form."""
    img[..., channel] = cv2.LUT(img[..., channel], table)


def overwrite(
    target: np.ndarray, source: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Copy the pixels of a mask; plain form."""
    where = mask if target.ndim == 2 else mask[..., None]
    np.copyto(target, source, where=where)
    return target


def stack_images(imgs: Sequence[np.ndarray]) -> np.ndarray:
    """Stack images, channels first; plain form."""
    return np.ascontiguousarray(np.stack(imgs).transpose(0, 3, 1, 2))


PLAIN = dict(
    contiguous=np.ascontiguousarray,
    map_channel=map_channel,
    overwrite=overwrite,
    stack_images=stack_images,
)
OURS = {name: getattr(pixels, name) for name in PLAIN}


class Loader:
    """Pipeline of the config, or its plain form.

    Args:
        root (str): Folder of the videos.
        plain (bool): Whether it is the plain form.
    """

    def __init__(self, root: str, plain: bool) -> None:
        cfg = Config.fromfile(CONFIG).train_dataloader.dataset
        cfg.data_root = root
        if plain:
            cfg.pipeline = make_plain(cfg.pipeline)
        self.functions = PLAIN if plain else OURS
        self.dataset = DATASETS.build(cfg)
        self.seconds: Counter = Counter()
        time_transforms(self.dataset.pipeline.transforms, self.seconds)

    def load(self, seed: int) -> dict:
        """Load a sample."""
        np.random.seed(seed)
        with patch.multiple(pixels, **self.functions):
            start = time.process_time()
            sample = self.dataset[seed % len(self.dataset)]
            self.seconds['whole sample'] += time.process_time() - start
        return sample

    def times(self, samples: int) -> dict[str, float]:
        """Return CPU milliseconds a sample, by transform."""
        seconds = Counter(self.seconds)
        whole = seconds.pop('whole sample')
        seconds['pasting, rest'] = whole - sum(seconds.values())
        seconds['whole sample'] = whole
        return {name: 1e3 * x / samples for name, x in seconds.items()}


def tensors(sample: dict) -> list[Tensor]:
    """List the tensors of a sample."""
    return [
        sample['inputs'],
        *(
            frame.get(name).sem_seg
            for frame in sample['data_samples']
            for name in ('gt_panoptic_seg', 'gt_sem_seg', 'valid_pixels')
        ),
    ]


def compare(root: str, samples: int) -> list[dict[str, float]]:
    """Load samples by both pipelines in turn.

    Returns:
        list[dict[str, float]]: Times of the plain pipeline and of ours.

    Raises:
        RuntimeError: If their numbers differ.
    """
    loaders = [Loader(root, plain) for plain in (True, False)]
    for seed in range(-2, samples):
        if seed == 0:  # two to warm up
            for loader in loaders:
                loader.seconds.clear()
        plain, ours = (tensors(loader.load(seed + 2)) for loader in loaders)
        if not all(map(torch.equal, plain, ours)):
            raise RuntimeError(f'Sample {seed} of the pipelines differs.')
    return [loader.times(samples) for loader in loaders]


def main() -> None:
    """Run the benchmark."""
    parser = make_parser(__doc__, threads=1)
    parser.add_argument('--samples', type=int, default=24)
    args: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)  # as in the workers of a loader
    init_default_scope('mmdet')
    with TemporaryDirectory() as root:
        write_videos(Path(root))
        plain, ours = compare(root, args.samples)
    print(f'| {"Transform":<22} | {"Plain":>7} | {"Ours":>7} | {"Ratio":>6} |')
    print(f'| :{"-" * 21} | {"-" * 6}: | {"-" * 6}: | {"-" * 5}: |')
    for name in sorted(plain, key=plain.__getitem__):
        time_ours = ours.get(name, 0.0)
        ratio = f'{plain[name] / time_ours:6.2f}' if time_ours else f'{"":6}'
        print(
            f'| {name:<22} | {plain[name]:7.1f} | {time_ours:7.1f} | {ratio} |'
        )
    print('All numbers of the samples are the same.')
    write_json(args, plain_ms=plain, ours_ms=ours)


if __name__ == '__main__':
    main()
