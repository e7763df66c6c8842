"""Screenshots of a leaderboard page for looking at: wide and narrow, light and dark, print, and without JavaScript.

python tests/browser/screenshots.py leaderboard/index.html screenshots/
"""

import base64
import sys
import tempfile
from pathlib import Path

import chromium


def main(page, folder):
    page, folder = Path(page).resolve().as_uri(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        driver = chromium.start(Path(profile))
        try:
            for width, height, dark in ((1600, 1500, False), (1600, 1500, True), (360, 1900, False), (360, 1900, True)):
                name = f"{width}-{'dark' if dark else 'light'}"
                chromium.window(driver, width, height, dark=dark)
                driver.get(page)
                driver.save_screenshot(str(folder / f"{name}.png"))
                driver.execute_script("document.querySelector('.view figure, .cell').scrollIntoView()")
                driver.save_screenshot(str(folder / f"{name}-figure.png"))
                task = "const t = document.getElementById('task'); t.value = '1'; t.dispatchEvent(new Event('change'));"
                driver.execute_script(task)
                driver.execute_script("const c = document.querySelector('.cell'); c.open = true; c.scrollIntoView()")
                driver.execute_async_script("setTimeout(arguments[0], 300)")
                driver.save_screenshot(str(folder / f"{name}-cell.png"))
            chromium.window(driver, 1600, 1500)
            for name, script in (("print", True), ("print-without-script", False)):
                driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
                driver.get(page)
                made = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
                (folder / f"{name}.pdf").write_bytes(base64.b64decode(made["data"]))
            for width, height in ((1600, 1500), (360, 1900)):
                chromium.window(driver, width, height)
                driver.get(page)
                made = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                (folder / f"{width}-without-script.png").write_bytes(base64.b64decode(made["data"]))
        finally:
            driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
