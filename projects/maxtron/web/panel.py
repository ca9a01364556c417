# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""The part of a page that shows results: film, tracks, frames, curves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from ..errors import InputError
from .page_text import describe, hide_folders, progress
from .review import Review
from .tracks import (
    COLUMNS,
    TRUTH_COLUMNS,
    Track,
    make_curves,
    make_rows,
    select,
)

# One event that draws runs at a time. The status shows progress and errors; by
# default both cover all components.
LOOK = dict(concurrency_id='look', concurrency_limit=1, show_progress='hidden')
_CURVES = ['frame', 'value', 'curve']
HEADERS = [*COLUMNS, *TRUTH_COLUMNS]
_COLORS = {'score': '#2563eb', 'IoU with the truth': '#16a34a'}


class Shown:
    """Results that a visitor sees.

    Args:
        review (Review): The video with its tracks.
        folder (Path): Folder for drawn films, which the server offers.
        files (dict[str, Path], optional): Files to download by the name of
            their button: 'json' and 'png'. Defaults to None.
    """

    def __init__(
        self,
        review: Review,
        folder: Path,
        files: dict[str, Path] | None = None,
    ) -> None:
        self.review = review
        self.folder = folder
        self.files = files or {}

    def film_path(self, only: Track | None, min_score: float) -> Path:
        """Name the film of all tracks or of one track."""
        what = f'track-{only.number}' if only else f'all-{min_score:.2f}'
        return self.folder / f'{what}.mp4'

    def draw_film(self, only: Track | None, min_score: float) -> Iterator[int]:
        """Draw a film unless it exists; yield the number of its frames."""
        path = self.film_path(only, min_score)
        if not path.exists():
            yield from self.review.film(path, only, min_score)


class Panel:
    """Components that show results, and their events.

    Args:
        shown (Shown, optional): Results to show from the start. Defaults to
            None: none before :meth:`open` is called.
        min_score (float): First minimum score. Defaults to 0.3.
    """

    def __init__(
        self, shown: Shown | None = None, min_score: float = 0.3
    ) -> None:
        self._fixed = shown
        self.shown = gr.State(None)
        self.picked = gr.State(None)
        self.status = gr.HTML(elem_id='status')
        with gr.Row():
            with gr.Column():
                self.film = gr.Video(
                    label='Video',
                    elem_id='film',
                    interactive=False,
                    autoplay=True,
                    loop=True,
                    buttons=['download'],
                )
            with gr.Column():
                self._add_table(min_score)
        with gr.Row():
            with gr.Column():
                self._add_frame()
            with gr.Column():
                self.curves = gr.LinePlot(
                    x='frame',
                    y='value',
                    color='curve',
                    color_map=_COLORS,
                    y_lim=[0, 1],
                    label='The picked track over time',
                    elem_id='curves',
                    visible=False,
                )
        with gr.Row():
            self.downloads = {
                kind: gr.DownloadButton(
                    f'Download {text}',
                    elem_id=kind,
                    interactive=False,
                    visible=shown is None or kind in ('mp4', *shown.files),
                )
                for kind, text in (
                    ('json', 'masks as JSON'),
                    ('png', 'masks as PNG (zip)'),
                    ('mp4', 'the video (MP4)'),
                )
            }
        self._connect()

    def _add_table(self, min_score: float) -> None:
        """Add the table of tracks and what filters it."""
        self.table = gr.Dataframe(
            headers=[*COLUMNS],
            label='Tracks: click on one to see it alone',
            elem_id='tracks',
            interactive=False,
            max_height=360,
        )
        with gr.Row():
            self.all = gr.Button('All tracks', elem_id='all', size='sm')
            self.min_score = gr.Slider(
                0, 1, min_score, step=0.05, label='Minimum score'
            )

    def _add_frame(self) -> None:
        """Add the picture of a frame and what steps through the frames."""
        self.picture = gr.Image(
            label='Frame',
            elem_id='picture',
            format='jpeg',
            interactive=False,
            buttons=['download', 'fullscreen'],
        )
        with gr.Row():
            self.back = gr.Button('Back', elem_id='back', min_width=60)
            self.frame = gr.Slider(
                0, 1, 0, step=1, label='Frame', scale=5, elem_id='frame'
            )
            self.forth = gr.Button('Next', elem_id='next', min_width=60)

    @property
    def outputs(self) -> list:
        """list: Components that change with the results."""
        return [
            self.shown,
            self.picked,
            self.status,
            self.film,
            self.table,
            self.frame,
            self.picture,
            self.curves,
            *self.downloads.values(),
        ]

    def _connect(self) -> None:
        """Connect the events."""
        look = [self.shown, self.picked, self.frame, self.min_score]
        self.table.select(
            self._pick, look, self.outputs, **LOOK, trigger_mode='once'
        )
        self.all.click(self._show_all, look, self.outputs, **LOOK)
        self.min_score.release(self._show_all, look, self.outputs, **LOOK)
        for button, change in ((self.back, -1), (self.forth, 1)):
            button.click(
                self._stepper(change), look, [self.frame, self.picture], **LOOK
            )
        self.frame.release(
            self._stepper(0), look, [self.frame, self.picture], **LOOK
        )

    def open(
        self, shown: Shown | None, min_score: float
    ) -> Iterator[dict[Any, Any]]:
        """Show results; yield changes of components."""
        if shown is None:
            return
        yield from self._show(shown, None, 0, min_score)
        yield {self.shown: shown}

    def open_fixed(self, min_score: float) -> Iterator[dict[Any, Any]]:
        """Show the results of the start."""
        yield from self.open(self._fixed, min_score)

    def _pick(
        self,
        shown: Shown | None,
        picked: int | None,
        frame: float,
        min_score: float,
        event: gr.SelectData,
    ) -> Iterator[dict[Any, Any]]:
        """Show the track of the row that was clicked."""
        track = None
        if shown and event.row_value:
            with suppress(TypeError, ValueError, OverflowError):
                track = shown.review.find(int(event.row_value[0]))
        if shown and track:
            yield from self._show(shown, track, int(frame), min_score)

    def _show_all(
        self,
        shown: Shown | None,
        picked: int | None,
        frame: float,
        min_score: float,
    ) -> Iterator[dict[Any, Any]]:
        """Show all tracks."""
        if shown:
            yield from self._show(shown, None, int(frame), min_score)

    def _show(
        self, shown: Shown, only: Track | None, t: int, min_score: float
    ) -> Iterator[dict[Any, Any]]:
        """Draw the film and fill all components."""
        yield from self.report(self._draw(shown, only, t, min_score))

    def report(
        self, changes: Iterator[dict[Any, Any]]
    ) -> Iterator[dict[Any, Any]]:
        """Yield changes of components, and an error about the input."""
        try:
            with readable_errors():
                yield from changes
        except gr.Error as error:
            yield {self.status: f'<p>{error.message}</p>'}
            raise

    def _draw(
        self, shown: Shown, only: Track | None, t: int, min_score: float
    ) -> Iterator[dict[Any, Any]]:
        """Draw the film; yield the progress, then the results."""
        review = shown.review
        for count in shown.draw_film(only, min_score):
            yield {
                self.status: progress(
                    'Drawing the video', count, review.num_frames
                )
            }
        path = shown.film_path(only, min_score)
        tracks = select(review.tracks, min_score)
        points = make_curves(only, review.matches) if only else []
        yield {
            self.picked: only.number if only else None,
            self.status: describe(review, only, len(tracks)),
            self.film: str(path),
            self.table: dict(
                headers=HEADERS[: len(COLUMNS)]
                if review.matches is None
                else HEADERS,
                data=make_rows(tracks, review.matches),
            ),
            self.frame: gr.update(
                maximum=max(review.num_frames - 1, 1), value=t
            ),
            self.picture: review.picture(t, only, min_score)[..., ::-1],
            self.curves: gr.update(
                value=pd.DataFrame(points, columns=_CURVES),
                visible=bool(points),
            ),
            self.downloads['mp4']: gr.update(
                value=str(path), interactive=True
            ),
            **{
                self.downloads[kind]: gr.update(
                    value=str(file), interactive=True
                )
                for kind, file in shown.files.items()
            },
        }

    def _stepper(self, change: int) -> Callable:
        """Make the function that shows another frame."""

        def step(
            shown: Shown | None,
            picked: int | None,
            frame: float,
            min_score: float,
        ):
            if not shown:
                return gr.skip()
            review = shown.review
            t = min(max(int(frame) + change, 0), review.num_frames - 1)
            only = None if picked is None else review.find(picked)
            with readable_errors():
                picture = review.picture(t, only, min_score)
            return t, picture[..., ::-1]

        return step


@contextmanager
def readable_errors() -> Iterator[None]:
    """Show errors about the input as a message, without folders."""
    try:
        yield
    except FileNotFoundError as error:
        raise gr.Error(
            'A file of these results does not exist any more: run again.',
            print_exception=False,
        ) from error
    except InputError as error:
        raise gr.Error(
            escape(hide_folders(str(error))), print_exception=False
        ) from error
