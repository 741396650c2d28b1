"""A page that mounts the built widgets on a fake model, kernel and Python (`harness/`), in real Chromium."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Route, ViewportSize

import liveavatar_nb

HARNESS = Path(__file__).parent / "harness"
STATIC = Path(liveavatar_nb.__file__).parent / "static"
# Not 127.0.0.1: no secure context, as on a hub that is reached by http.
ORIGIN = "http://harness.test"
SECURE_ORIGIN = "https://harness.test"
MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
TIMEOUT_MS = 10_000
HEIGHT = 760  # px of a page
EPOCH_S = 1_800_000_000  # of a page whose clock stands


class Harness:
    """One page of the harness: what is on it, and what the fake Python was told."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.lines: list[str] = []
        page.on("console", self._line)
        page.on("pageerror", self._error)

    def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript that sees `harness`."""
        return self.page.evaluate(script, argument)

    def commands(self, name: str | None = None, way: str | None = None) -> list[dict[str, Any]]:
        """What the page sent, oldest first: each with `command`, `args`, `id`, `way`."""
        every: list[dict[str, Any]] = self.run("harness.python.commands")
        return [one for one in every if name in (None, one["command"]) and way in (None, one["way"])]

    def sent(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The commands of a name, once so many of them are there: they take a moment. Not with a clock that stands."""
        self.page.wait_for_function(
            "([name, count]) => harness.python.commands.filter(({command}) => command === name).length >= count",
            arg=[name, count],
        )
        return self.commands(name)

    def write(self, **traits: Any) -> None:
        """Set traits, as Python does."""
        self.run("(traits) => harness.model.write(traits)", traits)

    def session(self, **changes: Any) -> None:
        """Change the session's record."""
        self.run("(changes) => harness.model.write({status: {...harness.model.get('status'), ...changes}})", changes)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def cards(self) -> Locator:
        return self.page.get_by_role("option")

    @property
    def picked(self) -> Locator:
        return self.page.locator('[role="option"][aria-selected="true"]')

    def blank(self) -> None:
        """The page as a new one is: no document, nobody who listens, nothing stored, no pointer over it."""
        self.run("() => { localStorage.clear(); sessionStorage.clear(); }")
        self.page.goto("about:blank")
        self.page.remove_listener("console", self._line)
        self.page.remove_listener("pageerror", self._error)
        self.page.unroute_all()
        self.page.context.clear_cookies()
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce")
        self.page.mouse.move(-1, -1)

    def _line(self, line: ConsoleMessage) -> None:
        self.lines.append(line.text)

    def _error(self, error: Error) -> None:
        self.errors.append(str(error))


Open = Callable[..., Harness]


def answer(route: Route) -> None:
    path = urlsplit(route.request.url).path
    folder, name = (STATIC, path.removeprefix("/static/")) if path.startswith("/static/") else (HARNESS, path[1:])
    file = folder / (name or "index.html")
    if file.is_file():
        route.fulfill(body=file.read_bytes(), content_type=MEDIA_TYPES[file.suffix])
    else:
        route.fulfill(status=404)


# Pages that one test after another uses, by their browser and the script that runs in them before all else.
Spares = defaultdict[tuple[Browser, str | None], list[Page]]


@contextmanager
def harnesses(browser: Browser, spares: Spares | None = None) -> Iterator[Open]:
    """A way to open the harness in a browser; what was opened is closed, and must have had no error.

    With `spares` a page is taken from there, and given back: a new one has a process of its own, whose start costs
    more than most tests. One whose clock stood or that got permissions is never used again.
    """
    if not (STATIC / "loader.js").is_file():
        pytest.fail(f"no built front end in {STATIC}: install the package, or run its build hook", pytrace=False)
    opened: list[Harness] = []
    lent: list[tuple[str | None, Harness]] = []

    def open_harness(
        widget: str = "studio",
        state: str = "pick",
        *,
        width: int = 1100,
        clock: bool = False,
        secure: bool = False,
        script: str | None = None,
        **options: str,
    ) -> Harness:
        size: ViewportSize = {"width": width, "height": HEIGHT}
        lends = spares is not None and not (clock or secure)
        if spares is not None and lends and spares[browser, script]:
            page = spares[browser, script].pop()
            page.set_viewport_size(size)
        else:
            # The tests wait for what they look at; an animation under way would blur contrasts and pictures.
            page = browser.new_page(viewport=size, reduced_motion="reduce")
            if script is not None:
                page.add_init_script(script)
        page.set_default_timeout(TIMEOUT_MS)
        made = Harness(page)
        if lends:
            lent.append((script, made))
        else:
            opened.append(made)
        origin = SECURE_ORIGIN if secure else ORIGIN
        page.route(f"{origin}/**", answer)
        if clock:
            # installed alone it would go on by itself
            page.clock.install(time=EPOCH_S)
            page.clock.pause_at(EPOCH_S + 1)
        # a look into the page would count as a person's click on it
        with page.expect_console_message(lambda line: line.text == "harness ready"):
            page.goto(f"{origin}/?{urlencode({'widget': widget, 'state': state, **options})}")
        return made

    yield open_harness
    errors = [error for one in [*opened, *(made for _, made in lent)] for error in one.errors]
    for one in opened:
        one.page.close()
    for script, made in lent:
        made.blank()
        if spares is not None:
            spares[browser, script].append(made.page)
    assert errors == []


@pytest.fixture(scope="module")
def spares() -> Spares:
    """Those of a module."""
    return defaultdict(list)


@pytest.fixture
def harness(chromium: Browser, spares: Spares) -> Iterator[Open]:
    """Open the harness: `harness("studio", "live", width=1100, theme="dark", host="plain", python="busy")`.

    With `clock=True` the page's time stands still until the test moves it; `script` runs in it before all else.
    """
    with harnesses(chromium, spares) as opened:
        yield opened
