# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""Server of the pages, with a folder of its own for all its files."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .guard import Guard
from .jobs import Limits

if TYPE_CHECKING:
    import gradio as gr

# Gradio reads these when it is imported or builds a page.
_SETTINGS = dict(
    GRADIO_ANALYTICS_ENABLED='False',
    GRADIO_RUN_HISTORY='False',
    HF_HUB_DISABLE_TELEMETRY='1',
)
_SESSIONS = 32  # whose results stay in memory


# Nothing is shared, opened, recorded or served except the page.
_LAUNCH = dict(
    share=False,
    inbrowser=False,
    prevent_thread_lock=True,
    quiet=True,
    ssr_mode=False,
    footer_links=[],
    run_history=False,
    enable_monitoring=False,
    mcp_server=False,
    pwa=False,
)


@contextmanager
def run_server(
    make_page: Callable[[Path], 'gr.Blocks'],
    limits: Limits,
    host: str = '127.0.0.1',
    port: int | None = None,
    uploads: bool = True,
) -> Iterator[str]:
    """Run a page while the block runs.

    Uploads and results are in a folder that is removed at the end. Gradio
    keeps its name in the environment, so that a process has one server at a
    time.

    Args:
        make_page (Callable): Function of the folder that makes the page.
        limits (Limits): Limits of the server.
        host (str): Address to listen at. Defaults to '127.0.0.1': only this
            machine.
        port (int, optional): Port. Defaults to None: the first free one from
            7860 on.
        uploads (bool): Whether uploads are accepted. Defaults to True.

    Yields:
        str: Address of the page.

    Raises:
        InputError: If Gradio is not installed, or the port is in use.
    """
    with (
        tempfile.TemporaryDirectory(
            prefix='maxtron-web-', ignore_cleanup_errors=True
        ) as folder,
        _environment(
            _SETTINGS, GRADIO_TEMP_DIR=folder, GRADIO_EXAMPLES_CACHE=folder
        ),
    ):
        root = Path(folder).resolve()
        gradio = import_gradio()
        from starlette.middleware import Middleware

        page = make_page(root)
        page.queue(max_size=limits.waiting, api_open=False)
        guard = Middleware(Guard, folder=root, limits=limits, uploads=uploads)
        try:
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                max_file_size=limits.megabytes * 10**6,
                state_session_capacity=_SESSIONS,
                app_kwargs=dict(
                    middleware=[guard],
                    docs_url=None,
                    redoc_url=None,
                    openapi_url=None,
                ),
                theme=gradio.themes.Default(
                    font=['system-ui', 'sans-serif'],
                    font_mono=['system-ui', 'sans-serif'],
                ),
                **_LAUNCH,
            )
        except OSError as error:
            raise InputError(
                f'The page cannot listen at {host}:{port or 7860}: {error}. '
                'Choose another port by --port.'
            ) from error
        try:
            yield url
        finally:
            page.close(verbose=False)


@contextmanager
def _environment(*groups: dict[str, str], **values: str) -> Iterator[None]:
    """Set environment variables while the block runs."""
    before = dict(os.environ)
    os.environ.update(*groups, **values)
    try:
        yield
    finally:
        for name in {key for group in (*groups, values) for key in group}:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


def import_gradio():
    """Import Gradio.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise InputError(
            f'The web page requires Gradio ({error}): pip install '
            "'maxtron[web]', or pip install -r requirements/web.txt"
        ) from error
    return gradio
