# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Inference on a video of any kind and length."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from ..allocator import keep_freed_memory
from ..engine import (
    explain_unknown_arguments,
    merge_cfg_options,
    optimize_inference,
)
from ..errors import InputError
from ..visualization import ClipLocalVisualizer
from ..weights import list_weights
from .building import build_frame_transforms, build_model
from .frame_source import FrameSource, VideoError, open_frame_source
from .model_source import find_model

VideoInput = str | os.PathLike | int | Iterable[np.ndarray] | FrameSource


class MaXTronInferencer:
    """Video instance or panoptic segmentation in constant memory.

    Videos are files, frame folders, cameras or iterables of frames. The mode
    determines when results come:

    - mode='near_online' - any model - clip by clip while the video is read.
      A panoptic model decides on the segments of each clip by itself.
    - mode='near_online', segment_decision='per_video' - panoptic models -
      after the whole video was read once.
    - mode='offline' - models with a cross-clip tracker - after the whole
      video was read once (twice with feature_cache='none').

    Args:
        config (str | PathLike | Config): Name of a released model (see
            :meth:`list_models`), or the config that the checkpoint was
            trained with, as file or loaded.
        checkpoint (str | PathLike, optional): File, URL or name of the
            weights. Defaults to None: the weights of a released model; random
            weights and masks for a config.
        device (str, optional): Device, such as ``'cuda:0'`` or ``'cpu'``.
            Defaults to the first GPU, or to the CPU if there is none.
        cfg_options (dict, optional): Values that override the config.
            Defaults to None.
        mode (str, optional): 'near_online' or 'offline', see above. Old
            names: 'clip' and 'video' for 'near_online' with the decision per
            clip or per video. Defaults to that of the config.
        feature_cache (str, optional): Place of the pixel embeddings in mode
            'offline': 'device', 'cpu', 'cpu_fp16', 'disk' (a temporary file)
            or 'none'; 'none' computes them a second time, so that memory does
            not grow with the video. Defaults to that of the config.
        segment_decision (str, optional): 'per_clip' or 'per_video' for
            panoptic models in mode 'near_online'. Defaults to 'per_clip'.
        amp (bool): Whether the network computes in half precision. Defaults
            to False.
        channels_last (bool): See :func:`optimize_inference`. Defaults to
            False.
        fuse_conv_bn (bool): Whether batch norms are folded into convolutions.
            Defaults to False.
        compile (bool): Whether to compile the network by
            ``torch.compile``, see :func:`compile_parts`. Defaults to False.
        onnx (str | PathLike, optional): File of
            ``tools/deployment/export_onnx.py``, which replaces the network.
            The checkpoint is then needed only in mode 'offline'. Defaults to
            None.
        provider (str, optional): Execution provider of ONNX Runtime:
            'cpu', 'cuda' or 'tensorrt'. Defaults to that of the device.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        CheckpointError: If there is no released model of that name, or its
            weights cannot be downloaded or read.
        InputError: If the config does not describe a MaXTron model, the
            checkpoint does not fit the config, an option names an unknown key
            of the config, or the model does not support the mode.
        ConfigKeyError: If the config has an unknown key.

    Examples:
        >>> name = 'maxtron-nearonline_video-kmax_r50_vipseg'
        >>> inferencer = MaXTronInferencer(name)
        >>> for sample in inferencer('video.mp4'):
        ...     print(sample.frame_id, sample.pred_panoptic_map.decode())
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike | None = None,
        device: str | None = None,
        cfg_options: dict | None = None,
        mode: str | None = None,
        feature_cache: str | None = None,
        segment_decision: str | None = None,
        amp: bool = False,
        channels_last: bool = False,
        fuse_conv_bn: bool = False,
        compile: bool = False,
        onnx: str | os.PathLike | None = None,
        provider: str | None = None,
    ) -> None:
        keep_freed_memory()
        if not isinstance(config, Config):
            config, checkpoint = find_model(config, checkpoint, cfg_options)
        elif cfg_options:
            merge_cfg_options(config, cfg_options)
        for key, value in (
            ('mode', mode),
            ('feature_cache', feature_cache),
            ('segment_decision', segment_decision),
        ):
            if value is not None:
                config.merge_from_dict({f'model.head.test_cfg.{key}': value})
        init_default_scope(config.get('default_scope', 'mmdet'))
        if device is None:
            device = 'cuda:0' if torch.cuda.is_available() else 'cpu'
        self.cfg = config
        network = None
        if onnx is not None:
            from ..deployment import OnnxNetwork  # imports the exporter

            provider = provider or torch.device(device).type
            network = OnnxNetwork(onnx, provider)
            network.adapt_config(config)
        with explain_unknown_arguments(config):
            self.model = build_model(
                config, checkpoint, device, has_network=network is not None
            )
            self.transforms = build_frame_transforms(config)
        options = (amp, channels_last, fuse_conv_bn, compile)
        if network is None:
            optimize_inference(self.model, *options)
        elif any(options):
            raise InputError(
                'onnx replaces the network of PyTorch: leave amp, '
                'channels_last, fuse_conv_bn and compile out.'
            )
        else:
            network.attach(self.model)
        _check_options(self.model.head.mode, feature_cache, segment_decision)
        # By default results come as early as possible, independently of the
        # evaluation in the config.
        self._whole_video = self.is_panoptic and (
            segment_decision == 'per_video' or mode == 'video'
        )
        self.visualizer = _make_visualizer(config)
        self.visualizer.dataset_meta = self.model.dataset_meta

    @staticmethod
    def list_models(task: str | None = None) -> list[str]:
        """List the names of the released models.

        Args:
            task (str, optional): 'VPS', 'VIS', or 'PS' and 'IS' of images.
                Defaults to None: all.

        Returns:
            list[str]: Names for :class:`MaXTronInferencer`.
        """
        return list_weights(task)

    @property
    def is_panoptic(self) -> bool:
        """bool: Whether results are panoptic maps instead of instances."""
        return self.model.head.result_field == 'pred_panoptic_map'

    @property
    def results_at_end(self) -> bool:
        """bool: Whether results come only after the whole video was read."""
        return self._whole_video or self.model.head.mode == 'offline'

    @property
    def num_passes(self) -> int:
        """int: Number of times that the model reads a video."""
        head = self.model.head
        is_twice = head.mode == 'offline' and head.feature_cache == 'none'
        return 2 if is_twice else 1

    def __call__(
        self, inputs: VideoInput, max_frames: int | None = None
    ) -> Iterator[DetDataSample]:
        """Track and segment a video.

        If results come clip by clip, the video may also be a camera.

        Args:
            inputs (str | PathLike | int | Iterable | FrameSource): Path of a
                video file or of a folder of frames, number of a camera, or
                frames (H, W, 3), BGR, uint8.
            max_frames (int, optional): Stop after this number of frames.
                Defaults to None.

        Returns:
            Iterator[DetDataSample]: One sample per frame, in order, with
            ``frame_id``, ``ori_shape`` and ``pred_track_instances``
            (``instances_id``, constant over the video, ``labels``,
            ``scores``, ``bboxes`` and ``masks`` as COCO RLE) or, of a
            panoptic model, ``pred_panoptic_map`` (see
            :class:`~projects.maxtron.models.postprocess.PanopticMap`).

        Raises:
            FileNotFoundError: If there is nothing at the path.
            VideoError: If the video has no usable frames, or the mode requires
                an end or a second reading that the video does not have.
        """
        return (sample for _, sample in self.stream(inputs, max_frames))

    def stream(
        self,
        inputs: VideoInput,
        max_frames: int | None = None,
        on_read: Callable[[], object] | None = None,
    ) -> Generator[tuple[np.ndarray, DetDataSample], None, None]:
        """Track and segment a video; return each sample with its frame.

        Args:
            inputs (VideoInput): See :meth:`__call__`.
            max_frames (int, optional): See :meth:`__call__`.
            on_read (Callable, optional): Called, in another thread, for each
                frame that is read for the model: ``num_passes`` times the
                number of frames. Defaults to None.

        Returns:
            Generator[tuple[np.ndarray, DetDataSample]]: The frame (H, W, 3),
            BGR, uint8, and its result.
        """
        # Raise errors here, not at the first frame.
        source = (
            inputs
            if isinstance(inputs, FrameSource)
            else open_frame_source(inputs)
        )
        self.check_source(source, max_frames)
        return self._stream(source, max_frames, on_read or (lambda: None))

    def check_source(
        self, source: FrameSource, max_frames: int | None = None
    ) -> None:
        """Check that a source can be read as the mode requires.

        Args:
            source (FrameSource): The video.
            max_frames (int, optional): See :meth:`__call__`.

        Raises:
            VideoError: If the mode requires an end or a second reading that
                the source does not have.
        """
        if self.results_at_end and source.endless and max_frames is None:
            raise VideoError(
                f'mode={self.model.head.mode!r} gives results after the whole '
                f'video, but {source.name} has no end: use '
                "mode='near_online' with segment_decision='per_clip', or stop "
                'after some frames (max_frames).'
            )
        if self.num_passes > 1 and not source.rereadable:
            raise VideoError(
                f"feature_cache='none' reads a video twice, but {source.name} "
                'can be read only once: give a file, a folder or an array, or '
                "take the feature cache 'cpu', 'cpu_fp16' or 'disk'."
            )

    def _stream(
        self,
        source: FrameSource,
        max_frames: int | None,
        on_read: Callable[[], object],
    ) -> Generator[tuple[np.ndarray, DetDataSample], None, None]:
        waiting = deque()  # frames without a result yet
        # For whole-video modes, frames are read again instead of kept.
        again = self.results_at_end and source.rereadable

        def read() -> Iterator[Tensor]:
            for frame in islice(source, max_frames):
                on_read()
                if not again:
                    waiting.append(frame)
                yield self.preprocess(frame)

        num_frames = source.num_frames
        if max_frames is not None and num_frames is not None:
            num_frames = min(num_frames, max_frames)
        clips = self.model.predict_stream(
            _Rereadable(read) if again else read(),
            source.size,
            num_frames,
            whole_video=self._whole_video,
        )
        shown = islice(source, max_frames) if again else _pop_all(waiting)
        for clip in clips:
            for sample, frame in zip(clip, shown):
                yield frame, sample

    def preprocess(self, frame: np.ndarray) -> Tensor:
        """Resize a frame (H, W, 3) as in testing, to (3, h, w)."""
        img = self.transforms(dict(img=frame))['img']
        return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))

    def draw(
        self, frame: np.ndarray, sample: DetDataSample, score_thr: float = 0.3
    ) -> np.ndarray:
        """Draw the instances or the panoptic map of a frame.

        Args:
            frame (np.ndarray): BGR, uint8, shape (H, W, 3).
            sample (DetDataSample): Result of the frame.
            score_thr (float): Minimum score of drawn instances. Defaults to
                0.3.

        Returns:
            np.ndarray: The drawn frame, BGR, uint8, shape (H, W, 3).
        """
        drawn = self.visualizer.draw_prediction(
            cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), sample, score_thr
        )
        return cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)


def _make_visualizer(config: Config) -> ClipLocalVisualizer:
    """Make the visualizer of a config.

    The registry shares one visualizer, so this one is built directly.
    """
    look = config.get('visualizer', {})
    names = ('alpha', 'line_width')
    return ClipLocalVisualizer(**{k: look[k] for k in names if k in look})


def _check_options(
    mode: str, feature_cache: str | None, segment_decision: str | None
) -> None:
    """Refuse options that have no effect in the mode of the model."""
    if feature_cache is not None and mode != 'offline':
        raise InputError(
            f"feature_cache={feature_cache!r} is of mode 'offline', but "
            f'the mode is {mode!r}: leave it out, or change the '
            'mode.'
        )
    if segment_decision is not None and mode == 'offline':
        raise InputError(
            f'segment_decision={segment_decision!r} is of mode '
            "'near_online', but the mode is 'offline', which decides per "
            'video: leave it out, or change the mode.'
        )


class _Rereadable:
    """Frames that are read again in each iteration.

    Args:
        read (Callable[[], Iterator[Tensor]]): Function that reads them once.
    """

    def __init__(self, read: Callable[[], Iterator[Tensor]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Tensor]:
        return self._read()


def _pop_all(frames: deque) -> Iterator[np.ndarray]:
    """Remove and yield frames one by one."""
    while True:
        yield frames.popleft()
