"""A Chromium without a window, driven by selenium: what a page shows and asks for."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.timing import PATIENCE, wait_for

AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OURS = ("chrome://", "chrome-untrusted://", "devtools://", "about:", "data:", "blob:")


def missing() -> str | None:
    """What a machine lacks for these tests; None if it has all of it."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not here: `make test-browser` as root installs it"
    if not AXE.is_file():
        return "axe-core is not here: `make test-browser` installs it"
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not here: `make test-browser` installs it"
    return None


class Browser:
    """A browser with one tab at a time."""

    def __init__(self) -> None:
        webdriver: Any = importlib.import_module("selenium.webdriver")
        service: Any = importlib.import_module("selenium.webdriver.chrome.service")
        self.profile = tempfile.mkdtemp(prefix="superparams-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={self.profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options, service.Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(PATIENCE)

    def close(self) -> None:
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def open(self, page: Path | str, width: int = 1280, *, is_dark: bool = False) -> None:
        """Open a page of results, and wait until all of it is drawn."""
        self.visit(page, width, is_dark=is_dark)
        wait_for(lambda: self.run("return document.body?.dataset.ready") is not None)
        assert self.run("return document.body.dataset.ready") == "", self.text("main, body")

    def visit(self, page: Path | str, width: int = 1280, *, is_dark: bool = False) -> None:
        """Open any page, in a window of this width, and wait until it is loaded."""
        self.driver.get("about:blank")
        self._forget()
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])
        self.driver.get(page.as_uri() if isinstance(page, Path) else page)

    def tell(self, command: str, **words: Any) -> Any:
        """A command of the protocol of developers' tools."""
        return self.driver.execute_cdp_cmd(command, words)

    def run(self, script: str, *words: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *words)

    def find(self, selector: str) -> list[Any]:
        """The elements that a selector means."""
        return list(self.driver.find_elements("css selector", selector))

    def text(self, selector: str) -> str:
        """The text that the first of these elements shows."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((x) => x.innerText)"
        return list(self.run(script, selector))

    def press(self, *keys: str) -> None:
        """Press keys, by the names that selenium has, or type a text."""
        named: Any = importlib.import_module("selenium.webdriver.common.keys").Keys
        active = self.driver.switch_to.active_element
        active.send_keys(*[getattr(named, key, key) for key in keys])

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drag the mouse down an element, from one part of its height to another."""
        box = self.run(
            "const element = document.querySelector(arguments[0]);"
            "element.scrollIntoView({block: 'center'});"
            "const {x, y, width, height} = element.getBoundingClientRect();"
            "return [x, y, width, height]",
            selector,
        )
        x, top, width, height = box
        for kind, part in (
            ("mouseMoved", start),
            ("mousePressed", start),
            ("mouseMoved", (start + end) / 2),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            at = {"x": x + width / 2, "y": top + part * height}
            held = {"button": "left", "buttons": 1, "clickCount": 1}
            self.tell("Input.dispatchMouseEvent", type=kind, **at, **held)

    @property
    def n_rows(self) -> int:
        """How many rows the page has."""
        return int(self.run("return document.body.dataset.rows"))

    @property
    def n_represented(self) -> int:
        """How many rows the page says that its rows represent."""
        (found,) = re.findall(r"([\d,]+) rows", self.text(".bar [aria-live]"))
        return int(found.replace(",", ""))

    @property
    def n_selected(self) -> int:
        """How many rows are selected."""
        return int(self.run("return document.body.dataset.selected"))

    @property
    def width(self) -> int:
        """The width of the document, which is that of the window unless something sticks out."""
        return int(self.run("return document.documentElement.scrollWidth"))

    def requests(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        told = [json.loads(x["message"])["message"] for x in self.driver.get_log("performance")]
        urls = [
            str(x["params"]["request"]["url"])
            for x in told
            if x["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(OURS)]

    def complaints(self) -> list[str]:
        """What stands in the console: errors, and what the policy of the page has refused."""
        return [str(x["message"]) for x in self.driver.get_log("browser")]

    def _forget(self) -> None:
        self.driver.get_log("performance")
        self.driver.get_log("browser")

    def violations(self, within: str = "html", *, but: tuple[str, ...] = ()) -> list[str]:
        """What axe-core finds, each as its rule, the number of elements and the first of them.

        Args:
            within: The selector of the part that is judged.
            but: Rules that are left out.
        """
        self.tell("Runtime.evaluate", expression=AXE.read_text("utf-8"))
        rules = {rule: {"enabled": False} for rule in but}
        found = self.driver.execute_async_script(
            "const [within, rules, done] = arguments;"
            "axe.run({include: [[within]]}, {rules}).then((x) => done(x.violations.map((v) =>"
            " `${v.id}: ${v.nodes.length}, ${v.nodes[0].html} ${v.nodes[0].failureSummary}`)))",
            within,
            rules,
        )
        assert self.run("return axe.version")
        return list(found)

    def mark(self, name: str) -> float:
        """Milliseconds from the start of the page to a mark in it."""
        return float(
            self.run("return performance.getEntriesByName(arguments[0])[0].startTime", name)
        )
