# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Output files of the masks of a video."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

from mmdet.structures import DetDataSample

from ..errors import InputError
from ..evaluation.submission import IndexedFrame
from ..structures import INSTANCE_OFFSET
from .frame_source import FrameSource
from .inferencer import MaXTronInferencer
from .result_writers import IdMapWriter, PanopticWriter, YouTubeVISWriter

Writer = TypeVar('Writer', bound=AbstractContextManager)


class VideoResults(ABC):
    """Writer of the masks of a video, which also counts its tracks.

    The writer is a context manager. See :mod:`.result_writers` for the time at
    which its files appear.

    Attributes:
        track_ids (set[int]): Ids of the tracks of all written frames.
    """

    def __init__(self) -> None:
        self.track_ids: set[int] = set()
        self._writers = ExitStack()

    def __enter__(self) -> 'VideoResults':
        return self

    def __exit__(self, *exc) -> None:
        self._writers.__exit__(*exc)

    def _open(self, writer: Writer) -> Writer:
        """Open a writer and close it at the end."""
        return self._writers.enter_context(writer)

    def write(self, sample: DetDataSample, name: str) -> None:
        """Write the next frame.

        Args:
            sample (DetDataSample): Result of the frame.
            name (str): Name of its PNG file, without suffix.
        """
        self.write_frame(sample, self.prepare(sample), name)

    @abstractmethod
    def prepare(self, sample: DetDataSample) -> Any:
        """Compute the files of a frame; may be called in several threads.

        Args:
            sample (DetDataSample): Result of the frame.

        Returns:
            Any: Argument of :meth:`write_frame`.
        """

    @abstractmethod
    def write_frame(
        self, sample: DetDataSample, prepared: Any, name: str
    ) -> None:
        """Write the next frame after :meth:`prepare`.

        Args:
            sample (DetDataSample): Result of the frame.
            prepared (Any): Result of :meth:`prepare`.
            name (str): Name of its PNG file, without suffix.
        """

    @property
    @abstractmethod
    def tracks(self) -> str:
        """str: Number of tracks, in words."""


class InstanceResults(VideoResults):
    """Tracked instances: PNG files of ids, and a YouTube-VIS submission.

    Args:
        png (str, optional): Folder of :class:`IdMapWriter`.
        json (str, optional): File of :class:`YouTubeVISWriter`.
        score_thr (float): Minimum score of instances in the PNG files and in
            the number of tracks.
        dataset_meta (dict, optional): See :class:`YouTubeVISWriter`.
            Defaults to None.
    """

    def __init__(
        self,
        png: str | None,
        json: str | None,
        score_thr: float,
        dataset_meta: dict | None = None,
    ) -> None:
        super().__init__()
        self.score_thr = score_thr
        self._png = IdMapWriter(png, score_thr) if png else None
        self._json = (
            self._open(YouTubeVISWriter(json, dataset_meta)) if json else None
        )

    def prepare(self, sample: DetDataSample) -> bytes | None:
        """Encode the PNG file of a frame, see the base class."""
        if self._png is None:
            return None
        return self._png.prepare(sample.pred_track_instances, sample.ori_shape)

    def write_frame(
        self, sample: DetDataSample, prepared: bytes | None, name: str
    ) -> None:
        """Write the next frame, see the base class."""
        instances = sample.pred_track_instances
        seen = instances.scores >= self.score_thr
        self.track_ids.update(instances.instances_id[seen].tolist())
        if self._json:
            self._json.write(instances)
        if self._png and prepared is not None:
            self._png.write_frame(prepared, name)

    @property
    def tracks(self) -> str:
        """str: Number of tracks, in words."""
        return f'{len(self.track_ids)} tracks of score >= {self.score_thr:g}'


class PanopticResults(VideoResults):
    """Panoptic maps: PNG files and segments of a VIPSeg submission.

    Args:
        png (str, optional): Folder of :class:`PanopticWriter`.
        json (str, optional): File of segments of the writer.
        name (str): Name of the video.
        dataset_meta (dict): ``classes``, ``thing_classes`` and ``palette``.

    Raises:
        InputError: If there is a file of segments without masks.
    """

    def __init__(
        self, png: str | None, json: str | None, name: str, dataset_meta: dict
    ) -> None:
        super().__init__()
        check_panoptic_outputs(png, json)
        self._writer = (
            self._open(PanopticWriter(png, dataset_meta, json, name))
            if png
            else None
        )

    def prepare(self, sample: DetDataSample) -> IndexedFrame | None:
        """Find the segments of a frame, see the base class."""
        if self._writer is None:
            return None
        return self._writer.prepare(sample.pred_panoptic_map)

    def write_frame(
        self, sample: DetDataSample, prepared: IndexedFrame | None, name: str
    ) -> None:
        """Write the next frame, see the base class."""
        self.track_ids.update(
            i
            for i in sample.pred_panoptic_map.segment_ids
            if i >= INSTANCE_OFFSET
        )
        if self._writer and prepared is not None:
            self._writer.write_frame(prepared, name)

    @property
    def tracks(self) -> str:
        """str: Number of tracks, in words."""
        return f'things tracked: {len(self.track_ids)}'


def check_panoptic_outputs(png: str | None, json: str | None) -> None:
    """Check the outputs that are requested of a panoptic model.

    Args:
        png (str, optional): Folder of :class:`PanopticWriter`.
        json (str, optional): File of segments of the writer.

    Raises:
        InputError: If there is a file of segments without masks.
    """
    if json and not png:
        raise InputError(
            'The JSON file of a panoptic model only explains the ids in the '
            'PNG files: give a folder for these as well (--out-png).'
        )


def open_results(
    inferencer: MaXTronInferencer,
    source: FrameSource,
    png: str | None = None,
    json: str | None = None,
    score_thr: float = 0.3,
) -> VideoResults:
    """Open the files of masks that fit a model.

    Args:
        inferencer (MaXTronInferencer): Inferencer with the model.
        source (FrameSource): The video.
        png (str, optional): Folder for one PNG per frame. Defaults to None.
        json (str, optional): File for a submission. Defaults to None.
        score_thr (float): See :class:`InstanceResults`; panoptic maps have no
            scores. Defaults to 0.3.

    Returns:
        VideoResults: Context manager that writes the frames.

    Raises:
        FileExistsError: If the folder has files.
        InputError: If the model cannot produce one of the outputs.
    """
    meta = inferencer.model.dataset_meta
    if inferencer.is_panoptic:
        return PanopticResults(png, json, source.name, meta)
    return InstanceResults(png, json, score_thr, meta)
