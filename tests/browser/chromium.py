"""A headless Chromium of Debian for tests, driven by selenium; what is missing is said, with the remedy."""

import contextlib
import json
import shutil

import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
MISSING = "the browser tests need {what}. Install {how}, or leave these tests out: python -m pytest -m 'not browser'"


def start(folder):
    """A driver whose profile and downloads lie in `folder`."""
    found = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if absent := [name for name, path in found.items() if path is None]:
        pytest.fail(MISSING.format(what=" and ".join(absent), how="them: apt-get install -y chromium chromium-driver"))
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        pytest.fail(MISSING.format(what="selenium", how="it: pip install -e '.[test]'"))
    options = webdriver.ChromeOptions()
    options.binary_location = found["chromium"]
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(found["chromedriver"]))
    driver.set_script_timeout(60)
    driver.downloads = str(folder)
    driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    return driver


def window(driver, width, height, *, dark=False, media=""):
    """Size and colour scheme as a reader has them; media: "print" for the print view."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme, "media": media})


@contextlib.contextmanager
def without_script(driver):
    """Pages opened inside run no script of their own."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def requests(driver, page):
    """Addresses that were asked for besides the page itself, since the last call."""
    found = []
    for line in driver.get_log("performance"):
        message = json.loads(line["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith((page, "blob:", "data:", "chrome:")):
                found.append(address)
    return found
