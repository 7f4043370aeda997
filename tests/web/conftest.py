"""A real system with a real browser in front of it: Chromium as a phone, position granted, a fake camera.

SCREENSHOTS=folder keeps a picture of every page that a test looks at.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Geolocation,
    Page,
    Playwright,
    Response,
    expect,
    sync_playwright,
)

from app.supervisor import System

Json = dict[str, Any]
PATIENCE_MS = 20_000  # a busy machine may be slow; whatever is wrong is still wrong then
expect.set_options(timeout=PATIENCE_MS)

_seeds = itertools.count(1)

BAKERY = {"latitude": 52.52, "longitude": 13.405}
ARGUMENTS = [
    "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


def find_chromium() -> str:
    """Where Chromium is. A machine without one fails: these pages are not to be trusted unseen."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.fail("No Chromium on the PATH. On Debian: apt-get install chromium", pytrace=False)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything, as `sensorium run` starts it, on free ports and in a folder of its own."""
    folder = tmp_path_factory.mktemp("system")
    with (folder / "output.log").open("wb") as output, System(folder / "data", port=0, output=output) as running:
        yield running


@pytest.fixture(scope="module")
def playwright(system: System) -> Iterator[Playwright]:
    """After the system: Playwright keeps an event loop in this thread, and starting the system needs one of its own."""
    with sync_playwright() as found:
        yield found


@pytest.fixture
def ada(system: System) -> httpx.Client:
    """Ada's agent: a client with her key, and 50.00 charged to a test card."""
    client = httpx.Client(base_url=system.url, timeout=30)
    opened = client.post("/v1/accounts", json={"name": "Ada", "email": "ada@example.com"}).raise_for_status().json()
    client.headers["authorization"] = f"Bearer {opened['api_key']}"
    funding = {"amount": {"amount": 5000, "currency": "usd"}, "payment_method": "pm_card_visa"}
    client.post("/v1/funding", json=funding, headers={"idempotency-key": "fund"}).raise_for_status()
    wait_for(lambda: client.get("/v1/account").json()["balance"]["available"]["amount"] == 5000)
    return client


def post_task(ada: httpx.Client, **changes: Any) -> Json:
    """Ada asks whether the bakery is open."""
    task: Json = {
        "kind": "photo",
        "title": "Is the bakery at 12 Main St open?",
        "instructions": "Stand across the street; the whole shop front in frame.",
        "purpose": "Opening-hours check for a delivery planner.",
        "place": {"lat": BAKERY["latitude"], "lon": BAKERY["longitude"], "radius_m": 80},
        "evidence": {
            "photos": {"min": 1, "max": 2, "live_capture": True},
            "questions": [{"id": "open", "type": "choice", "text": "Is it open now?",
                           "choices": ["open", "closed", "gone"]}],
        },
        "reward": {"amount": 300, "currency": "usd"},
        "acceptance": {"mode": "auto", "checks": ["fresh", "at_place", "not_duplicate", "live"], "min_score": 0.7},
        **changes,
    }  # fmt: skip
    answer = ada.post("/v1/tasks", json=task, headers={"idempotency-key": os.urandom(8).hex()})
    assert answer.status_code == 201, answer.text
    posted: Json = answer.json()
    return posted


def wait_for(true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Returns once `true` holds; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


class Phone:
    """Somebody's phone: a page, what went wrong in it, and what it has loaded."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.loaded: dict[str, int] = {}
        self._pictures = os.environ.get("SCREENSHOTS")
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._note)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _note(self, response: Response) -> None:
        self.loaded[response.url] = int(response.headers.get("content-length", 0))

    def open(self, path: str) -> Response:
        answer = self.page.goto(self.url + path)
        assert answer is not None
        return answer

    def look(self, name: str) -> None:
        """Nothing has gone wrong, nothing sticks out to the side, targets are large enough; keep a picture."""
        assert not self.complaints, (name, self.complaints)
        page = self.page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the phone"
        small = page.evaluate(
            """() => [...document.querySelectorAll('button, .button, .tabs a, summary, select, input, textarea')]
                 .filter(e => e.offsetParent && !['hidden', 'radio', 'checkbox'].includes(e.type))
                 .filter(e => e.getBoundingClientRect().height < 43.5 && !e.closest('summary.card, .card > summary'))
                 .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert not small, (name, small)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
                 .filter(e => !e.labels.length && !e.getAttribute('aria-label')).map(e => e.outerHTML.slice(0, 80))"""
        )
        assert not nameless, (name, nameless)
        if self._pictures:
            folder = Path(self._pictures)
            folder.mkdir(parents=True, exist_ok=True)
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=folder / f"{name}.png", full_page=True)


def film(path: Path, seed: int) -> Path:
    """What a phone's camera sees: a scene of its own, with the noise of a sensor, as a film that Chromium plays."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((640, 480))
    scene = np.asarray(coarse.convert("YCbCr")).astype(np.int16)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n")
        for _ in range(10):
            noisy = (scene[..., 0] + random.integers(-9, 9, (480, 640))).clip(0, 255).astype(np.uint8)
            colours = [scene[::2, ::2, plane].astype(np.uint8).tobytes() for plane in (1, 2)]
            file.write(b"".join([b"FRAME\n", noisy.tobytes(), *colours]))
    return path


@pytest.fixture
def new_phone(playwright: Playwright, system: System, tmp_path: Path) -> Iterator[Callable[..., Phone]]:
    """Phones at the bakery, each with nothing on it: Pixel viewport, camera and position granted."""
    browsers: list[Browser] = []
    here = Geolocation(latitude=BAKERY["latitude"], longitude=BAKERY["longitude"], accuracy=9.0)

    def make(**options: Any) -> Phone:
        scene = film(tmp_path / f"camera-{len(browsers)}.y4m", next(_seeds))
        arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={scene}"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        browsers.append(browser)
        options.setdefault("viewport", {"width": 412, "height": 915})
        context = browser.new_context(
            device_scale_factor=2, is_mobile=True, has_touch=True, geolocation=here,
            permissions=["geolocation", "camera"], **options,
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        return Phone(context, system.url)

    yield make
    for browser in browsers:
        browser.close()


def sign_in(phone: Phone, name: str, *, looking: bool = False) -> None:
    """Through the pages: address, code from the sandbox's outbox."""
    page, email = phone.page, f"{name.lower()}@example.com"
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Your name, if you are new").fill(name)
    page.get_by_label("I accept the terms").check()
    if looking:
        phone.look("03-sign-in")
    page.get_by_role("button", name="Mail me a code").click()
    page.get_by_label("Code").wait_for()
    mails = httpx.get(f"{phone.url}/sandbox/outbox", params={"to": email}).json()["items"]
    page.get_by_label("Code").fill(mails[0]["subject"].split()[0])
    if looking:
        phone.look("04-code")
    page.get_by_role("button", name="Sign in").click()
