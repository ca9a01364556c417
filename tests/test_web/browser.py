# Copyright (c) The MaXTron for MMDetection authors. Licensed under Apache-2.0.
"""A headless Chromium that waits for conditions, and requests to a page.

Gradio and Selenium are in a folder of their own, made by
tools/misc/setup_venv.sh; Chromium comes from .ci/run or by
``apt install chromium chromium-driver``.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

FOLDER = Path(sys.prefix, 'gradio')
SECONDS = 120  # limit of a wait, for busy machines
OPTIONS = (
    '--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run '
    '--disable-background-networking --disable-component-update '
    '--disable-sync --disable-dev-shm-usage --window-size=1300,1500'
)


@contextmanager
def gradio_on_path() -> Iterator[None]:
    """Put Gradio and Selenium on Python's path, or fail in one line."""
    if not FOLDER.is_dir():
        pytest.fail(f'{FOLDER} is missing: run "make setup".', pytrace=False)
    for program in ('chromium', 'chromedriver'):
        if shutil.which(program) is None:
            pytest.fail(
                f'{program} is missing: apt install chromium chromium-driver',
                pytrace=False,
            )
    sys.path.append(str(FOLDER))
    try:
        yield
    finally:
        sys.path.remove(str(FOLDER))


class Browser:
    """Chromium, driven by Selenium.

    Args:
        driver: The driver.
        downloads (Path): Folder of downloaded files.
    """

    def __init__(self, driver, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def wait(self, condition):
        """Wait until a function of the driver gives something true."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(
            self.driver,
            SECONDS,
            0.1,
            # such as an element that is covered or was just replaced
            ignored_exceptions=[WebDriverException],
        )
        return wait.until(condition)

    def find(self, selector: str):
        """Find an element by its CSS selector."""
        return self.driver.find_element('css selector', selector)

    def click(self, selector: str) -> None:
        """Click as soon as nothing covers the element."""
        self.wait(lambda _: self.find(selector).click() or True)

    def text(self, selector: str) -> str:
        """Text of an element."""
        return self.find(selector).text

    def wait_text(self, selector: str, text: str) -> None:
        """Wait until an element has a text."""
        self.wait(lambda _: text in self.text(selector))

    def video(self) -> dict:
        """State of the shown video."""
        return self.driver.execute_script(
            'const v = document.querySelector("#film video");'
            'return v && {time: v.currentTime, width: v.videoWidth,'
            'height: v.videoHeight, error: v.error, source: v.currentSrc}'
        )

    def wait_loaded(self) -> dict:
        """Wait until the first frame of a video is shown."""
        return self.wait(lambda _: (x := self.video()) and x['width'] and x)

    def wait_playing(self, not_source: str = '') -> dict:
        """Wait until a video other than this one plays and goes on."""

        def is_playing(_):
            state = self.video()
            return (
                state and state['source'] != not_source and state['time'] > 0
            )

        self.wait(is_playing)
        first = self.video()
        # it is repeated, so its time may go back
        self.wait(lambda _: self.video()['time'] != first['time'])
        return first

    def wait_rows(self) -> list[list[str]]:
        """Wait until the table of tracks is filled; return its cells."""

        def rows(_):
            cells = self.driver.execute_script(
                'return [...document.querySelectorAll("#tracks [data-row]")]'
                '.map(x => [x.dataset.row, x.innerText.trim()])'
            )
            found: dict[str, list[str]] = {}
            for row, text in cells:
                found.setdefault(row, []).append(text)
            return len(found) > 1 and list(found.values())

        return self.wait(rows)

    def download(self, selector: str) -> Path:
        """Click, and wait for the end of the download."""
        before = set(self.downloads.iterdir())
        self.click(selector)

        def new_file(_):
            new = set(self.downloads.iterdir()) - before
            return next((x for x in new if is_complete(x)), None)

        def is_complete(path):
            return path.suffix in ('.json', '.zip', '.mp4')

        return self.wait(new_file)


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start and end Chromium.

    Args:
        folder (Path): Empty folder for its profile and downloads.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    downloads = folder / 'downloads'
    downloads.mkdir()
    options = ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for option in (*OPTIONS.split(), f'--user-data-dir={folder / "profile"}'):
        options.add_argument(option)
    options.add_experimental_option(
        'prefs', {'download.default_directory': str(downloads)}
    )
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL'})
    service = Service(shutil.which('chromedriver'))
    driver = Chrome(options=options, service=service)
    try:
        yield Browser(driver, downloads)
    finally:
        driver.quit()


def foreign_requests(browser: Browser) -> list[str]:
    """List the requested addresses on other machines."""
    found = []
    for entry in browser.driver.get_log('performance'):
        message = json.loads(entry['message'])['message']
        if message['method'] == 'Network.requestWillBeSent':
            found.append(message['params']['request']['url'])
    own = ('http://127.0.0.1:', 'data:', 'blob:', 'chrome')
    return [address for address in found if not address.startswith(own)]


class Client:
    """Requests to a page without a browser.

    Args:
        url (str): Address of the page.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip('/')
        config = json.loads(self.get('/config'))
        ids = {
            component['props'].get('elem_id'): component['id']
            for component in config['components']
        }
        self.functions = {
            name: dependency['id']
            for dependency in config['dependencies']
            for name, key in ids.items()
            if any(target[0] == key for target in dependency['targets'])
        }

    def get(self, path: str) -> bytes:
        """Content of an address."""
        return urlopen(f'{self.url}{path}', timeout=SECONDS).read()

    def post(self, path: str, body: bytes, kind: str) -> bytes:
        """Send a body and return the answer."""
        headers = {'Content-Type': kind}
        request = Request(f'{self.url}{path}', body, headers)
        return urlopen(request, timeout=SECONDS).read()

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file; return its path on the server."""
        body = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="'
            + name.encode()
            + b'"\r\nContent-Type: video/mp4\r\n\r\n'
            + content
            + b'\r\n--x--\r\n'
        )
        kind = 'multipart/form-data; boundary=x'
        answer = self.post('/gradio_api/upload', body, kind)
        return json.loads(answer)[0]

    def join(self, function: str, data: list, session: str) -> None:
        """Enter the queue with the event of a component."""
        body = dict(
            fn_index=self.functions[function], data=data, session_hash=session
        )
        content = json.dumps(body).encode()
        self.post('/gradio_api/queue/join', content, 'application/json')

    def result(self, session: str) -> dict:
        """Wait for the end of an event."""
        address = f'{self.url}/gradio_api/queue/data?session_hash={session}'
        for line in urlopen(address, timeout=SECONDS):
            if line.startswith(b'data: '):
                message = json.loads(line[6:])
                if message['msg'] == 'process_completed':
                    return message
        raise AssertionError('The server ended the connection.')
