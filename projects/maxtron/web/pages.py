# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The two pages: a model on a visitor's film, and results of a run."""

import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import InputError
from .jobs import (
    JSON,
    SCORE_THR,
    Limits,
    Models,
    open_upload,
    pack_masks,
    read_job,
    run_job,
)
from .page_text import new_folder, progress
from .panel import LOOK, Panel, Shown
from .storage import check_storage

TITLE = 'MaXTron: video segmentation'
_NO_FILM = 'none'


def make_view_page(shown: Shown, min_score: float = SCORE_THR) -> gr.Blocks:
    """Make the page of ``maxtron view``.

    Args:
        shown (Shown): The results.
        min_score (float): First minimum score. Defaults to 0.3.

    Returns:
        gr.Blocks: The page.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f'# {TITLE}')
        panel = Panel(shown, min_score)
        page.load(panel.open_fixed, panel.min_score, panel.outputs, **LOOK)
    return page


def make_serve_page(
    models: Models, films: dict[str, Path], limits: Limits, root: Path
) -> gr.Blocks:
    """Make the page of ``maxtron serve``.

    Args:
        models (Models): Models to choose from.
        films (dict[str, Path]): Films of the server by name.
        limits (Limits): Limits of the server.
        root (Path): Folder of uploads and results.

    Returns:
        gr.Blocks: The page.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f'# {TITLE}\n{_describe(limits)}')
        with gr.Row():
            upload = gr.File(
                label='Upload a video', file_types=['video'], elem_id='upload'
            )
            with gr.Column():
                film = gr.Dropdown(
                    [_NO_FILM, *films],
                    value=_NO_FILM,
                    label='or pick one',
                    visible=bool(films),
                )
                model = gr.Dropdown(
                    models.names, value=models.names[0], label='Model'
                )
                run = gr.Button('Run', variant='primary', elem_id='run')
                stop = gr.Button('Stop', elem_id='stop', size='sm')
        panel = Panel()
        job = run.click(
            _Runner(models, films, limits, root, panel).run,
            [upload, film, model, panel.min_score],
            panel.outputs,
            concurrency_id='job',
            concurrency_limit=1,
            show_progress='hidden',
        )
        stop.click(
            lambda: '<p>Stopped.</p>', None, panel.status, cancels=[job]
        )
    return page


class _Runner:
    """What happens after a click on the button Run.

    Args:
        models (Models): See :func:`make_serve_page`.
        films (dict[str, Path]): See :func:`make_serve_page`.
        limits (Limits): See :func:`make_serve_page`.
        root (Path): See :func:`make_serve_page`.
        panel (Panel): Components for the results.
    """

    def __init__(
        self,
        models: Models,
        films: dict[str, Path],
        limits: Limits,
        root: Path,
        panel: Panel,
    ) -> None:
        self.models = models
        self.films = films
        self.limits = limits
        self.root = root
        self.panel = panel

    def run(
        self, upload: str | None, film: str, model: str, min_score: float
    ) -> Iterator[dict[Any, Any]]:
        """Run a model and show the results; yield changes of components."""
        path = Path(upload) if upload else self.films.get(film)
        yield from self.panel.report(self._run(path, model, min_score))

    def _run(
        self, path: Path | None, model: str, min_score: float
    ) -> Iterator[dict[Any, Any]]:
        """Run a model on a video."""
        if path is None:
            raise InputError('Upload a video or pick one first.')
        check_storage(self.root, self.limits)
        folder = new_folder(self.root)
        shown = None
        try:
            for text in self._segment(path, model, folder):
                yield {self.panel.status: text}
            source = open_upload(path, self.limits)
            files = dict(json=folder / JSON, png=pack_masks(folder))
            review = read_job(folder, source, self.limits.frames)
            shown = Shown(review, folder, files)
        finally:
            if shown is None:  # after an error, or the button Stop
                shutil.rmtree(folder, ignore_errors=True)
        yield from self.panel.open(shown, min_score)

    def _segment(self, path: Path, model: str, folder: Path) -> Iterator[str]:
        """Segment a video; yield the progress as HTML."""
        yield progress(f'Loading {model}', 0, None)
        source = open_upload(path, self.limits)
        inferencer = self.models.get(model)
        total = min(source.num_frames or math.inf, self.limits.frames)
        start = time.perf_counter()
        for t in run_job(inferencer, source, folder, self.limits.frames):
            rate = t / (time.perf_counter() - start)
            yield progress(f'{model} ({rate:.1f} frames/s)', t, int(total))


def _describe(limits: Limits) -> str:
    """Describe what may be uploaded."""
    return (
        f'Up to {limits.megabytes} MB and {limits.megapixels:g} megapixels. '
        f'The first {limits.frames} frames are used. Uploads and results are '
        f'removed after {limits.minutes} minutes.'
    )
