# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A batch on a Ray cluster."""

from collections.abc import Generator
from typing import Any

from ...errors import InputError
from .inputs import Video
from .job import Job, record_failure, run_video
from .records import Record


def run_ray(
    job: Job, videos: list[Video], address: str
) -> Generator[Record, None, None]:
    """Work on videos on a Ray cluster.

    All nodes need this package and see the videos and the results at the same
    paths. Ray chooses the nodes, and repeats a video whose process or node
    died up to three times.

    Args:
        job (Job): The batch.
        videos (list[Video]): The videos.
        address (str): Address of the cluster, such as ``'auto'`` or
            ``'10.0.0.1:6379'``.

    Yields:
        Record: A record of each video, in the order of completion.

    Raises:
        InputError: If Ray is not installed, the cluster does not answer, or
            the model cannot be built.
        WriteError: If the results cannot be written.
    """
    ray = _import_ray()
    try:
        ray.init(address, log_to_driver=False, logging_level='ERROR')
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f'The Ray cluster {address} cannot be used: '
            f'{" ".join(str(error).split())}'
        ) from error
    try:
        has_gpus = ray.cluster_resources().get('GPU', 0) > 0
        uses_gpu = has_gpus and job.model['device'] in (None, 'cuda')
        remote = ray.remote(num_cpus=1, num_gpus=int(uses_gpu), max_retries=3)(
            run_video
        )
        shared = ray.put(job)
        waiting = {remote.remote(shared, video): video for video in videos}
        while waiting:
            for done in ray.wait(list(waiting))[0]:
                video = waiting.pop(done)
                yield _result(ray, done, job, video)
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError(
            '--ray needs the package ray: pip install "maxtron[ray]", on all '
            'nodes of the cluster.'
        ) from error
    return ray


def _result(ray: Any, done: Any, job: Job, video: Video) -> Record:
    """Return the record of a video."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, (InputError, OSError)):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        text = str(error).strip().split('\n')[0]
        return record_failure(job, video, f'Its process ended: {text}')
