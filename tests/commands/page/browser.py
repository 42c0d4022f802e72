"""A real browser: Debian's Chromium, driven by Selenium. Where one of them is missing a test is skipped, and
says what installs it.
"""

import json
import shutil
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.patience import slack

T = TypeVar("T")
INSTALLS = "apt-get install chromium chromium-driver, pip install -c constraints.txt -e '.[test]'"
WITHIN_S = 30.0


class PageBrowser:
    """One window. `told` maps a name that nobody owns to this machine, as DNS rebinding does."""

    def __init__(self, width: int = 1440, height: int = 1000, *, phone: bool = False, told: str = "") -> None:
        binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if binary is None or driver is None:
            pytest.skip(f"there is no chromium with its driver here: {INSTALLS}")
        webdriver = pytest.importorskip("selenium.webdriver", reason=f"there is no selenium here: {INSTALLS}")
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        rebound = [f"--host-resolver-rules=MAP {told} 127.0.0.1"] if told else []
        quiet = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
        ]
        for argument in [*quiet, "--js-flags=--expose-gc", f"--window-size={width},{height}", *rebound]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.chrome.service.Service(driver)
        self.driver = webdriver.Chrome(options=options, service=service)
        self.shaped(width, height, phone=phone)

    def shaped(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """A window of another size, on another device, in another light."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        light = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": light})

    def run(self, script: str, *given: object) -> Any:
        """What a script in the page says."""
        return self.driver.execute_script(script, *given)

    def count(self, selector: str) -> int:
        """How many elements there are."""
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def text(self, name: str) -> str:
        """What stands in the element with that id."""
        return str(self.run("return document.getElementById(arguments[0])?.textContent ?? ''", name))

    def until(self, what: Callable[[], T], within_s: float = WITHIN_S) -> T:
        """What `what` says, once that is true."""
        ends_s = time.monotonic() + within_s * slack()
        while not (found := what()):
            assert time.monotonic() < ends_s, f"it never came; the page says {self.text('main')[:600]!r}"
            time.sleep(0.05)
        return found

    def complaints(self) -> list[str]:
        """What the browser had to complain about: a script's error, a blocked request, a broken policy."""
        return [
            line["message"]
            for line in self.driver.get_log("browser")
            if line["level"] in {"SEVERE", "WARNING"}
        ]

    def asked_for(self) -> list[str]:
        """Every address that was asked for."""
        found = []
        for line in self.driver.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                found.append(message["params"]["url"])
        return found

    def measured(self) -> tuple[int, int]:
        """Bytes of the script's heap after a collection, and nodes of the document."""
        self.driver.execute_cdp_cmd("HeapProfiler.enable", {})
        self.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        self.driver.execute_cdp_cmd("Performance.enable", {})
        metrics = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        found = {each["name"]: each["value"] for each in metrics}
        return int(found["JSHeapUsedSize"]), int(found["Nodes"])

    def close(self) -> None:
        """End it."""
        self.driver.quit()
