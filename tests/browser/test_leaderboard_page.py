"""The leaderboard page as a reader has it, in a real browser; after every test: no request, no word on the console."""

import csv
import sys
import time
from dataclasses import replace
from pathlib import Path

import chromium
import pytest

sys.path.append(str(Path(__file__).parents[1] / "reporting"))
import leaderboard_world
import pandas as pd

from tebench.cli.jobs.cite import cite
from tebench.evaluation.pools import Pool
from tebench.publication import leaderboard_page, publish
from tebench.publication.boards import Board
from tebench.publication.page_data import view_id

pytestmark = pytest.mark.browser
METRICS = ("grtd", "lbtc", "grtd_lbtc", "leep")
HOSTILE = "=1+1</script><script>alert('x')</script><img src=x onerror=alert(1)>\"&_%${\\input{x}}"
# What a reader sees of one table: heading, facts, cells, strips.
SEEN = """
return Array.from(document.querySelectorAll('.view')).map(view => [view.id,
  Array.from(view.querySelectorAll('h2, .facts, caption, :scope > table th, :scope > table td'))
    .map(node => node.textContent.split(/\\s+/).join(' ').trim()),
  Array.from(view.querySelectorAll('.strip')).map(node => node.outerHTML)]);
"""

# The least contrast of any visible piece of text against what lies behind it (WCAG 2.2), and that text.
CONTRAST = """
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const found = parts(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) { return found; }
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const node = text.parentElement;
  if (!text.data.trim() || !node.checkVisibility() || ["SCRIPT", "STYLE", "title"].includes(node.tagName)) { continue; }
  const style = getComputedStyle(node), ink = parts(node.closest("svg") ? style.fill : style.color);
  const [a, b] = [light(ink), light(behind(node))].sort((x, y) => x - y);
  found.push([(b + 0.05) / (a + 0.05), text.data.trim().slice(0, 40)]);
}
return [found.length, ...found.sort((x, y) => x[0] - y[0])[0]];
"""


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory):
    """A leaderboard folder with simulated rows: two protocols, two pools, four metrics, two tasks."""
    folder = tmp_path_factory.mktemp("site")
    rows, truth = leaderboard_world.rows_and_truth()
    truth = pd.concat([truth, leaderboard_world.frozen(truth)])
    leaderboard_world.write(folder, rows[rows["metric"].isin(METRICS)], truth)
    boards = [replace(board, pools=board.pools[:2]) for board in publish.boards(folder)]
    publish.write(folder, publish.render(boards, {"rows": "0"}, draw=False))
    return folder, boards


@pytest.fixture(name="driver", scope="module")
def _driver(tmp_path_factory):
    driver = chromium.start(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture(name="page")
def _page(site, driver):
    """The page, freshly opened at 1600 pixels; afterwards it must have asked for nothing and complained of nothing."""
    page = (site[0] / "index.html").as_uri()
    chromium.requests(driver, page)
    chromium.window(driver, 1600, 1200)
    driver.get("about:blank")
    driver.get(page)
    yield page
    assert driver.get_log("browser") == []
    assert [address for address in chromium.requests(driver, page) if address != "about:blank"] == []


def one(driver, selector):
    return driver.find_element("css selector", selector)


def choose(driver, name, words):
    """Choose the entry of a switch that is, or else begins with, `words`, as a reader does."""
    from selenium.webdriver.support.ui import Select

    select = Select(one(driver, f"#{name}"))
    texts = [option.text for option in select.options]
    (text,) = [words] if words in texts else [text for text in texts if text.startswith(words)]
    select.select_by_visible_text(text)


def column(driver, label):
    """Sort values of a column, in the order of the rows; rows without a number are left out."""
    cells = driver.find_elements("css selector", f".view > table tr:not(.absent) td[data-label='{label}']")
    return [float(cell.get_attribute("data-v")) for cell in cells]


def test_the_script_shows_what_the_page_shows_without_it(site, driver, page):
    with chromium.without_script(driver):
        driver.get(page)
        plain = {name: seen for name, *seen in driver.execute_script(SEEN)}
        assert one(driver, "noscript p").is_displayed() and not one(driver, "#switches").is_displayed()
    assert set(plain) == {view_id(board.name, "zoo", task) for board in site[1] for task in ("mean", *board.tasks)}
    driver.get(page)
    for name, seen in plain.items():
        driver.execute_script(f"location.hash = '{name}'")
        driver.execute_async_script("setTimeout(arguments[0], 30)")
        assert driver.execute_script(SEEN) == [[name, *seen]]
        assert len(seen[1]) == 3


def test_columns_sort_both_ways_by_mouse_and_key_and_say_so(driver, page):
    from selenium.webdriver.common.keys import Keys

    head = next(th for th in driver.find_elements("css selector", "thead th") if th.text.startswith("p"))
    button = head.find_element("css selector", "button")
    button.click()
    assert column(driver, "p") == sorted(column(driver, "p")) != sorted(column(driver, "p"), reverse=True)
    assert head.get_attribute("aria-sort") == "ascending"
    assert one(driver, "#said").text == "sorted by p, ascending"
    button.send_keys(Keys.ENTER)
    assert column(driver, "p") == sorted(column(driver, "p"), reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    rows = [row.get_attribute("class") for row in driver.find_elements("css selector", ".view > table > tbody > tr")]
    assert rows.index("absent") == len(rows) - 1  # no number: last in either direction
    assert len(driver.find_elements("css selector", ".view > table [aria-sort]")) == 1


def test_another_pool_protocol_or_task_shows_the_numbers_computed_for_it(site, driver, page):
    choose(driver, "task", "tissues")
    for board in reversed(site[1]):
        choose(driver, "board", f"{board.name}")
        for result in board.results:
            choose(driver, "pool", f"{result.pool.name} (")
            for task in ("mean", *board.tasks):
                choose(driver, "task", "mean over" if task == "mean" else task)
                frame = result.frame[(result.frame["task"] == task) & result.frame["tau_w"].notna()]
                assert sorted(column(driver, "τw")) == pytest.approx(sorted(frame["tau_w"]), rel=1e-5, abs=1e-9)
                assert sorted(column(driver, "ceiling")) == pytest.approx(sorted(frame["ceiling"]), abs=0.005 + 1e-9)
                assert set(column(driver, "n")) == {len(result.pool)}
                shown = view_id(board.name, result.pool.name, task)
                assert driver.current_url == f"{page}#{shown}" and one(driver, ".view").get_attribute("id") == shown
    choose(driver, "board", site[1][1].name)  # pool and task stay when the protocol changes
    assert driver.current_url.endswith(view_id(site[1][1].name, board.pools[1].name, board.tasks[-1]))


def test_a_number_has_its_picture_its_influence_a_link_and_the_entry_that_the_command_cites(site, driver, page):
    folder, (board, _) = site
    anchor = view_id(board.name, "third_party", "tissues", "grtd")
    driver.get(f"{page}#{anchor}")  # a link from elsewhere opens its pool, task and number
    cell = one(driver, f"[id='{anchor}']")
    assert cell.get_attribute("open") is not None
    assert driver.switch_to.active_element.tag_name == "summary"
    result = next(result for result in board.results if result.pool.name == "third_party")
    assert len(cell.find_elements("css selector", ".plot circle, .plot .open")) == len(result.pool)
    effect = result.influence[(result.influence["metric"] == "grtd") & (result.influence["task"] == "tissues")]
    rows = {row.text.split()[0]: row.text.split()[-2] for row in cell.find_elements("css selector", "tbody tr")}
    assert rows == {row.left_out: "-" if row.tau_w != row.tau_w else f"{row.tau_w:.2f}" for row in effect.itertuples()}
    driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    taken = {}
    for kind in ("link", "bib"):
        cell.find_element("css selector", f".copy-{kind}").click()
        driver.execute_async_script("setTimeout(arguments[0], 100)")
        assert one(driver, "#said").text == {"link": "link copied", "bib": "BibTeX copied"}[kind]
        taken[kind] = driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    entry, _, link = cite(folder, board.name, metric="grtd", task="tissues", pool="third_party").rpartition("\n")
    assert taken == {"link": f"{page}#{anchor}", "bib": entry}
    assert link.endswith(f"#{anchor}")


def test_tables_are_saved_as_csv(site, driver, page):
    _press(driver, ".save")
    _press(driver, ".save-all")
    board = site[1][0]
    mean = view_id(board.name, "zoo", "mean")
    header, *rows = _saved(driver, f"tebench-{mean}.csv")
    assert header[:5] == ["metric", "title", "task", "group", "tau_w"]
    frame = board.results[0].frame
    frame = frame[frame["task"] == "mean"].set_index("metric")
    assert {row[0] for row in rows} == set(METRICS)
    for row in rows:
        tau = frame.loc[row[0], "tau_w"]
        assert row[4] == "" if tau != tau else float(row[4]) == pytest.approx(tau, rel=1e-5)
    header, *rows = _saved(driver, f"tebench-{board.name}.csv")
    assert header[:3] == ["board", "pool", "metric"]
    assert len(rows) == len(board.pools) * 3 * len(METRICS)


def _press(driver, selector):
    """Click it in the middle of the window, where the line that says what was done does not lie over it."""
    button = one(driver, selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def _saved(driver, name):
    path = Path(driver.downloads) / name
    for _ in range(200):
        if path.is_file():
            return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        time.sleep(0.05)
    raise AssertionError(f"{name} was not saved; there are {[p.name for p in path.parent.glob('*.csv')]}")


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window_and_narrow_tables_become_cards(driver, page, width, dark):
    chromium.window(driver, width, 1200, dark=dark)
    driver.get(page)
    choose(driver, "task", "tissues")
    driver.execute_script("document.querySelectorAll('.cell').forEach(cell => { cell.open = true; })")
    driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert driver.execute_script("return document.querySelectorAll('.cell .plot').length") == len(METRICS) - 1
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert one(driver, ".view > table > thead").is_displayed() == (width == 1600)
    assert one(driver, "#sort").is_displayed() == (width == 360)
    if width == 360:
        choose(driver, "sort", "regret")
        assert column(driver, "regret") == sorted(column(driver, "regret"))
    texts, least, words = driver.execute_script(CONTRAST)
    print(f"{texts} pieces of text, least contrast {least:.2f} ({words})")
    assert texts > 100 and least >= 4.5
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_every_control_is_reached_by_key_in_the_order_of_the_page_with_a_visible_focus(driver, page):
    from selenium.webdriver.common.keys import Keys

    reached = []
    for _ in range(22):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(
            driver.execute_script(
                "const e = document.activeElement, s = getComputedStyle(e);"
                "return [e.id || e.className || e.textContent.trim(), e.tagName, parseFloat(s.outlineWidth),"
                "s.outlineStyle]"
            )
        )
    names = [name for name, *_ in reached]
    assert names[:5] == ["skip", "How to read this", "board", "pool", "task"]
    assert [tag for _, tag, *_ in reached[5:16]] == ["BUTTON"] * 11  # the heads that sort
    assert [tag for _, tag, *_ in reached[16:20]] == ["A"] * 4 and names[20] == "save"
    assert all(width >= 2 and style != "none" for _, _, width, style in reached)


def test_print_keeps_tables_and_leaves_controls_out(driver, page):
    chromium.window(driver, 1040, 760, media="print")  # A4, landscape
    assert one(driver, ".view > table > thead").is_displayed()
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 1040
    assert one(driver, ".view > table").is_displayed() and one(driver, ".truth table").is_displayed()
    for selector in ("#switches", ".save", ".skip", ".cell"):
        assert not one(driver, selector).is_displayed()
    chromium.window(driver, 1600, 1200)


def test_words_of_a_hostile_row_stay_text_and_an_unknown_address_changes_nothing(site, driver, page, tmp_path):
    board = site[1][0]
    encoder = board.rows["encoder"].iloc[0]
    hostile = {"encoder": {encoder: HOSTILE}, "task": {"tissues": HOSTILE}}
    rows = board.rows.replace({"metric": {"lbtc": HOSTILE}, **hostile})
    rows = rows[rows["metric"].isin([HOSTILE, "grtd", "leep"])].reset_index(drop=True)
    rows["title"] = HOSTILE
    rows["reason"] = rows["reason"].where(rows["reason"] == "", HOSTILE)
    truth = board.truth.replace({"encoder": {encoder: HOSTILE}, "task": {"tissues": HOSTILE}})
    pool = Pool(HOSTILE, tuple(sorted(set(rows["encoder"]))))
    hostile = Board(HOSTILE, HOSTILE, rows, truth, (pool,))
    path = Path(driver.downloads) / "hostile.html"
    path.write_text(leaderboard_page.render([hostile], version=HOSTILE, source="0"), encoding="utf-8")
    driver.get(path.as_uri() + '#"><img src=x onerror=alert(1)>')
    choose(driver, "task", HOSTILE)
    driver.execute_script("document.querySelectorAll('.cell').forEach(cell => { cell.open = true; })")
    driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert driver.execute_script("return document.querySelectorAll('img, .view script').length") == 0
    assert one(driver, "tbody th a").text == HOSTILE
    assert "\\input{" not in one(driver, ".cell .bib").get_attribute("textContent")
    name = driver.execute_script("return document.querySelector('.view').id")
    _press(driver, ".save")
    cells = [cell for row in _saved(driver, f"tebench-{name}.csv") for cell in row]
    assert f"'{HOSTILE}" in cells and not any(cell.startswith("=") for cell in cells)
    asked = chromium.requests(driver, path.as_uri())
    assert [address for address in asked if address not in ("about:blank",) and not address.startswith(page)] == []
