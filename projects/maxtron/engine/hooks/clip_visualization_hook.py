# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Hook that draws the videos of ``tools/test.py --show-dir``."""

import os.path as osp

import mmcv
from mmdet.engine.hooks import TrackVisualizationHook
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.fileio import get
from mmengine.runner import Runner

from ...utils import relative_name
from ...visualization import PanopticGroundTruth, find_image_root


@HOOKS.register_module()
class ClipVisualizationHook(TrackVisualizationHook):
    """Drawing of tested videos. An output has the path of its input.

    Paths are relative to the folder of all images, so two frames never have
    the same output: ``VIDEO/00000.jpg`` or ``SEQ/img1/000001.jpg``.
    MMDetection's hook assumes the layout of MOT datasets: all videos of
    YouTube-VIS would overwrite each other. It also nests its output folder
    once more for each video.

    Args:
        frame_interval (int): Draw every n-th frame. Defaults to 1.
        **kwargs: See TrackVisualizationHook.
    """

    test_out_dir: str | None

    def __init__(self, frame_interval: int = 1, **kwargs) -> None:
        super().__init__(frame_interval=frame_interval, **kwargs)
        self._truth = PanopticGroundTruth(self.backend_args)
        self._image_root = ''

    def before_test(self, runner: Runner) -> None:
        """Choose the output folder.

        Args:
            runner (Runner): The runner of the test.
        """
        self._image_root = find_image_root(runner.test_dataloader.dataset)
        if self.test_out_dir is not None:
            # The parent class joins this path to the work folder for each
            # video. An absolute path does not change.
            self.test_out_dir = osp.abspath(
                osp.join(runner.work_dir, runner.timestamp, self.test_out_dir)
            )

    def visualize_single_image(
        self, img_data_sample: DetDataSample, step: int
    ) -> None:
        """Draw a frame.

        Args:
            img_data_sample (DetDataSample): Prediction and, in its metainfo,
                the annotations of the frame.
            step (int): Index of the frame in the test.

        Raises:
            FileNotFoundError: If the annotated map does not exist.
            InputError: If the annotations of the frame are inconsistent.
        """
        img_path = img_data_sample.img_path
        image = mmcv.imfrombytes(
            get(img_path, backend_args=self.backend_args), channel_order='rgb'
        )
        truth = self._truth.read(
            img_data_sample, self._visualizer.dataset_meta
        )
        if truth is not None:
            img_data_sample.set_field(truth, 'gt_panoptic_map')
        name = relative_name(img_path, self._image_root)
        out_file = None
        if self.test_out_dir is not None:
            out_file = osp.join(self.test_out_dir, name)
        self._visualizer.add_datasample(
            name if self.show else 'test_img',
            image,
            data_sample=img_data_sample,
            show=self.show,
            wait_time=self.wait_time,
            pred_score_thr=self.score_thr,
            out_file=out_file,
            step=step,
        )
