"""The leaderboard page in a real browser; run by hand: chromium and chromium-driver (Debian), `pip install selenium`.

    python tests/browser/leaderboard_page.py leaderboard/index.html screenshots/

Sorts, switches pool and task, copies a link, follows an anchor, saves a CSV; refuses any request, console message or
page wider than the window. Screenshots at 360 and 1600 pixels, light and dark, are written for looking at.
"""

import json
import sys
import time
from pathlib import Path


def browser(folder, width, height, dark):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder.resolve())})
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    return driver


def requests(driver, page):
    """Addresses that were asked for besides the page itself."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith((page, "blob:", "data:")):
                found.append(address)
    return found


def interact(driver, page, folder):
    """Everything a reader does; each step asserts what it must change."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    def view():
        return next(v for v in driver.find_elements(By.CSS_SELECTOR, ".view") if v.is_displayed())

    def column(label):
        cells = view().find_elements(By.CSS_SELECTOR, f":scope > table tr:not(.absent) td[data-label='{label}']")
        return [float(cell.get_attribute("data-v")) for cell in cells if cell.get_attribute("data-v")]

    before = column("τw")
    names = [n.text for n in view().find_elements(By.CSS_SELECTOR, "thead button")]
    button = view().find_elements(By.CSS_SELECTOR, "thead button")[names.index("s / task")]
    button.send_keys(Keys.ENTER)  # by keyboard
    assert column("s / task") == sorted(column("s / task")), "sort by time"
    button.send_keys(Keys.ENTER)
    assert column("s / task") == sorted(column("s / task"), reverse=True), "sort by time, other way"
    pools = Select(driver.find_element(By.ID, "pool"))
    for option in [o.get_attribute("value") for o in pools.options][1:]:
        Select(driver.find_element(By.ID, "pool")).select_by_value(option)
        assert view().get_attribute("data-pool") == option
        assert column("τw") != before, "another pool has other numbers"
        assert column("n") != [], "n is shown"
    tasks = [o.get_attribute("value") for o in Select(driver.find_element(By.ID, "task")).options]
    Select(driver.find_element(By.ID, "task")).select_by_value(tasks[-1])
    assert view().get_attribute("data-task") == tasks[-1]
    assert driver.current_url.endswith("#" + view().get_attribute("id"))
    first = view().find_element(By.CSS_SELECTOR, "tbody th a")
    target = first.get_attribute("href").split("#")[1]
    first.click()
    cell = driver.find_element(By.ID, target)
    assert cell.get_attribute("open") is not None, "a followed link opens its number"
    time.sleep(1)
    cell.find_element(By.CSS_SELECTOR, ".copy-link").click()
    time.sleep(0.5)
    assert driver.find_element(By.ID, "said").text == "link copied", driver.find_element(By.ID, "said").text
    cell.find_element(By.CSS_SELECTOR, ".copy-bib").click()
    view().find_element(By.CSS_SELECTOR, ".save").send_keys(Keys.ENTER)
    time.sleep(2.5)
    saved = list(folder.glob("tebench-*.csv"))
    assert saved, "the table was saved"
    assert saved[0].read_text().startswith("metric,title,task"), saved[0].read_text()[:80]
    driver.get(page + "#" + target)
    driver.refresh()
    assert view().get_attribute("data-task") == tasks[-1], "a link to a number shows its table"


def main(page, folder):
    page, folder = Path(page).resolve().as_uri(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("tebench-*.csv"):
        old.unlink()
    for width, height, dark in ((1600, 1500, False), (1600, 1500, True), (360, 1900, False), (360, 1900, True)):
        driver = browser(folder, width, height, dark)
        try:
            driver.get(page)
            name = f"{width}-{'dark' if dark else 'light'}"
            driver.save_screenshot(str(folder / f"{name}.png"))
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"the page is {wide} wide in a window of {width}"
            if width == 1600 and not dark:
                interact(driver, page, folder)
                driver.save_screenshot(str(folder / "cell.png"))
            else:
                driver.execute_script("document.querySelector('.view figure, .cell').scrollIntoView()")
                driver.execute_script(
                    "document.querySelectorAll('.view:not([hidden]) .cell').forEach(c => c.open = true)"
                )
                time.sleep(1)
                driver.save_screenshot(str(folder / f"{name}-figure.png"))
            assert driver.get_log("browser") == [], "console messages"
            asked = requests(driver, page)
            assert asked == [], f"requests: {asked}"
        finally:
            driver.quit()
        print(name, "ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
