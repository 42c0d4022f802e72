"""docs/images/: the page on a desk, in the dark and on a phone, with both of the demo's staged faults.

python -m tests.commands.page.pictures      takes them anew, with the browser that the tests use
"""

import base64
import signal
import sys
import tempfile
from pathlib import Path

from tests.commands.page.browser import PageBrowser
from tests.commands.page.test_browser import PagedRun

IMAGES = Path(__file__).resolve().parents[3] / "docs" / "images"
WORDS = ("--seed", "7", "--cycles", "forever", "--faults", "demo", "--hold", "4 s")
PICTURES = (
    ("page-desktop", 1440, 1150, False, False),
    ("page-dark", 1440, 1150, False, True),
    ("page-phone", 390, 1180, True, False),
)
"""Name, width and height, on a phone, in the dark."""


def main() -> int:
    """Take them all."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="page-pictures-") as folder:
        run, browser = PagedRun(Path(folder), *WORDS), PageBrowser()
        try:
            browser.driver.get(run.url)
            browser.until(lambda: "5 completed" in browser.text("progress"), 90)
            for name, width, height, phone, dark in PICTURES:
                browser.shaped(width, height, phone=phone, dark=dark)
                browser.until(lambda: browser.text("doing").startswith("HOLDING: exits in 2"))
                taken = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                (IMAGES / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))
        finally:
            browser.close()
            run.process.send_signal(signal.SIGINT)
            run.process.wait(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
