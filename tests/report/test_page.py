"""The page in a real browser: sorting, filters, overlays, records, and text that stays text."""

import json
import shutil
import time

import numpy as np
import pytest

from bench.report import write

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium with chromedriver on this machine"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",  # containers often have 64 MB there
    "--window-size=1200,1000",
)
HOSTILE = (
    "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    "<!-- {{ 7*7 }} \u2028 &lt;b&gt; a red cat"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def site(tmp_path_factory, frame_of):
    run = tmp_path_factory.mktemp("run")
    frame = frame_of(prompts=30, run_dir=run, hostile=HOSTILE)
    first = frame[frame.method == "ast"].key.iloc[0]
    frame.loc[frame.key == first, "value"] = 0.0
    base = frame[(frame.layout_id == "layout-0") & (frame.method == "baseline")].key.iloc[0]
    frame.loc[frame.key == base, "value"] = 1.0
    return frame, write(frame, run, run / "report", title="a <b>run</b>")


@pytest.fixture
def page(browser, site):
    browser.get("about:blank")
    browser.get(site[1].as_uri())
    wait(browser, lambda: browser.find_element(By.TAG_NAME, "body").get_attribute("data-ready"))
    yield browser
    bad = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert bad == []


def wait(browser, condition):
    return WebDriverWait(browser, 10).until(lambda _: condition())


def cards(page):
    return page.find_elements(By.CSS_SELECTOR, "#cards .card")


def titles(page):
    return [text_of(e) for e in page.find_elements(By.CSS_SELECTOR, "#cards h3")]


def text_of(element):
    """The text as it stands in the page, spaces and all."""
    return element.get_attribute("textContent")


def press(page, element):
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def test_sorting_orders_rows_and_says_so(page):
    heads = page.find_elements(By.CSS_SELECTOR, "#leaderboard table:first-of-type thead th")
    table = page.find_element(By.CSS_SELECTOR, "#leaderboard table")

    def column(index):
        return [
            float(row.find_elements(By.CSS_SELECTOR, "th, td")[index].get_attribute("data-value"))
            for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
        ]

    head = heads[1]
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert column(1) == sorted(column(1), reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.find_element(By.TAG_NAME, "button").click()
    assert column(1) == sorted(column(1)) and head.get_attribute("aria-sort") == "ascending"
    heads[0].find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") is None
    names = [e.text for e in table.find_elements(By.CSS_SELECTOR, "tbody th")]
    assert names == ["ast", "baseline"]


def test_every_category_has_its_own_sortable_column(page, site):
    frame, _ = site
    part = page.find_element(By.ID, "categories")
    part.find_element(By.TAG_NAME, "summary").click()
    table = part.find_element(By.CSS_SELECTOR, "[aria-label='blip_vqa by category'] table")
    heads = [e.text for e in table.find_elements(By.CSS_SELECTOR, "thead button")]
    assert heads == ["method", "color", "numeracy", "spatial"]
    table.find_elements(By.CSS_SELECTOR, "thead button")[2].click()
    rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    shown = [float(r.find_elements(By.TAG_NAME, "td")[1].get_attribute("data-value")) for r in rows]
    chosen = frame[(frame.score == "blip_vqa") & (frame.category == "numeracy")]
    means = chosen.groupby("method").value.mean()
    assert shown == pytest.approx(sorted(means, reverse=True))
    size = len(chosen) // 2
    assert all(f"n {size}" in r.find_elements(By.TAG_NAME, "td")[1].text for r in rows)


def test_worst_regression_comes_first(page):
    def losses():
        changes = page.find_elements(By.CSS_SELECTOR, "#cards .shot:last-child .value span")
        return [float(text_of(e).replace("−", "-").replace("±", "")) for e in changes]

    assert titles(page)[0] == HOSTILE and losses()[0] == -1
    assert losses() == sorted(losses())
    Select(page.find_element(By.ID, "order")).select_by_value("gains")
    assert losses() == sorted(losses(), reverse=True)


def test_filters_narrow_the_gallery(page, site):
    frame, _ = site
    status = page.find_element(By.ID, "status")
    assert status.text == "60 of 60 layouts × seeds"
    Select(page.find_element(By.ID, "category")).select_by_value("color")
    assert status.text == "20 of 60 layouts × seeds"
    assert all("color" in e.text for e in page.find_elements(By.CSS_SELECTOR, "#cards .meta"))
    Select(page.find_element(By.ID, "count")).select_by_value("2")
    expected = frame[(frame.category == "color") & (frame.n_instances == 2)]
    assert len(cards(page)) == expected.groupby(["layout_id", "seed"]).ngroups
    Select(page.find_element(By.ID, "category")).select_by_value("")
    Select(page.find_element(By.ID, "count")).select_by_value("")
    page.find_element(By.ID, "search").send_keys("prompt 17 bus")
    wait(page, lambda: status.text.startswith("0 of") or status.text.startswith("2 of"))
    hits = frame[frame.prompt.str.contains("prompt 17") & frame.prompt.str.contains("bus")]
    assert len(cards(page)) == hits.groupby(["layout_id", "seed"]).ngroups
    page.find_element(By.ID, "search").clear()
    page.find_element(By.ID, "search").send_keys(frame.key.iloc[0])
    wait(page, lambda: status.text == "1 of 60 layouts × seeds")


def test_methods_can_be_hidden(page):
    assert len(cards(page)[0].find_elements(By.CSS_SELECTOR, ".shot")) == 2
    box = page.find_element(By.CSS_SELECTOR, "#methods input[value='1']")
    press(page, box)
    who = cards(page)[0].find_elements(By.CSS_SELECTOR, ".shot .who")
    assert [e.text for e in who] == ["ast"]


def test_overlays_switch_and_stand_where_the_boxes_are(page, site):
    frame, _ = site
    page.find_element(By.ID, "search").send_keys("layout-3")
    wait(page, lambda: page.find_element(By.ID, "status").text == "2 of 60 layouts × seeds")
    card = cards(page)[0]
    target = card.find_element(By.CSS_SELECTOR, ".wanted rect:not(.halo)")
    found = card.find_element(By.CSS_SELECTOR, ".found rect:not(.halo)")
    assert target.is_displayed() and not found.is_displayed()
    image = card.find_element(By.TAG_NAME, "img").rect
    x0, y0, x1, y1 = frame[frame.layout_id == "layout-3"].details.iloc[0]["targets"][0]["box"]
    edges = page.execute_script(
        "const r = arguments[0].getBoundingClientRect(), p = arguments[1].getBoundingClientRect();"
        "return [r.left - p.left, r.top - p.top, r.right - p.left, r.bottom - p.top]",
        target,
        card.find_element(By.TAG_NAME, "img"),
    )
    size = [image["width"], image["height"]] * 2
    assert edges == pytest.approx(
        [v * s for v, s in zip((x0, y0, x1, y1), size, strict=True)], abs=4
    )
    press(page, page.find_element(By.ID, "detections"))
    press(page, page.find_element(By.ID, "targets"))
    assert found.is_displayed() and not target.is_displayed()
    assert found.value_of_css_property("stroke-dasharray") != "none"


def test_hostile_texts_stay_text(page):
    assert page.execute_script("return window.pwned") is None
    assert page.title == "a <b>run</b> · leaderboard"
    assert page.find_element(By.TAG_NAME, "h1").text == "a <b>run</b>"
    assert titles(page)[0] == HOSTILE
    page.execute_script("location.hash = arguments[0]", 'x"><img src=x onerror=window.pwned=1>')
    page.execute_script("location.hash = '%E0%A4%A'")
    press(page, page.find_element(By.CSS_SELECTOR, "#cards a.open"))
    assert text_of(page.find_element(By.ID, "record-title")) == HOSTILE
    assert page.execute_script("return window.pwned") is None
    page.find_element(By.ID, "close").click()


def test_a_link_opens_one_sample_with_its_whole_record(page, site):
    frame, path = site
    row = frame[(frame.layout_id == "layout-7") & (frame.method == "ast")].iloc[0]
    page.get("about:blank")
    page.get(f"{path.as_uri()}#{row.key}")
    dialog = page.find_element(By.ID, "record")
    wait(page, dialog.is_displayed)
    assert row.prompt in dialog.text and row.key in dialog.text and "seed 42" in dialog.text
    table = dialog.find_element(By.CSS_SELECTOR, "[aria-label=Instances] table")
    lines = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    placed = row.details["instances"]
    assert len(lines) == len(placed) == 4
    for line, instance in zip(lines, placed, strict=True):
        cell = line.find_elements(By.TAG_NAME, "td")[1].text
        assert cell.startswith("✓ right" if instance["success"] else "✗ absent")
    scores = dialog.find_element(By.CSS_SELECTOR, "[aria-label=Scores]").text
    assert f"{row.value:.3f}" in scores


def test_the_keyboard_is_enough(page):
    link = page.find_element(By.CSS_SELECTOR, "#cards a.open")
    link.send_keys(Keys.ENTER)
    dialog = page.find_element(By.ID, "record")
    wait(page, dialog.is_displayed)
    first = page.current_url
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    wait(page, lambda: page.current_url != first)
    page.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    wait(page, lambda: page.current_url.split("#")[0] == first.split("#")[0])
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(page, lambda: not dialog.is_displayed())
    assert page.current_url.endswith("#") or "#" not in page.current_url


def test_everything_has_a_name_for_screen_readers(page):
    nameless = page.execute_script(
        "return [...document.querySelectorAll('button, a, input, select, img, svg[role=img]')]"
        ".filter(e => !(e.textContent.trim() || e.ariaLabel || e.alt || e.labels?.length))"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
    images = page.find_elements(By.CSS_SELECTOR, "#cards img")
    assert all(i.get_attribute("loading") == "lazy" for i in images)
    assert "instances right" in images[0].get_attribute("alt")


def luminance(css):
    values = [int(v) / 255 for v in css[css.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(page, scheme):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    ground = luminance(
        page.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    )
    assert (ground < 0.1) == (scheme == "dark")
    for selector in (".sentence", ".faint", ".note", "nav a", ".tag", ".s0", ".s1"):
        ink = luminance(page.find_element(By.CSS_SELECTOR, selector).value_of_css_property("color"))
        low, high = sorted([ink, ground])
        assert (high + 0.05) / (low + 0.05) >= 4.5, selector


def test_the_theme_button_switches(page):
    body = page.find_element(By.TAG_NAME, "body")
    before = body.value_of_css_property("background-color")
    page.find_element(By.ID, "theme").click()
    assert body.value_of_css_property("background-color") != before
    page.find_element(By.ID, "theme").click()
    assert body.value_of_css_property("background-color") == before


def test_a_phone_sees_whose_row_it_is_and_never_scrolls_the_page_sideways(page):
    narrow = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        wide, seen = page.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= seen
        table = page.find_element(By.CSS_SELECTOR, "#leaderboard .scroll")
        moved = page.execute_script(
            "arguments[0].scrollLeft = 300; return arguments[0].scrollLeft", table
        )
        assert moved > 100
        for name in table.find_elements(By.CSS_SELECTOR, "thead th.name, tbody th"):
            assert 0 <= name.rect["x"] - table.rect["x"] < 5
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_two_thousand_images_are_seen_within_three_seconds(browser, frame_of, tmp_path):
    frame = frame_of(prompts=500, run_dir=tmp_path, size=16)
    path = write(frame, tmp_path, tmp_path / "report")
    assert frame.key.nunique() == 2000
    start = time.perf_counter()
    browser.get(path.as_uri())
    image = browser.find_element(By.CSS_SELECTOR, "#cards img")
    wait(browser, lambda: image.get_attribute("complete") == "true")
    assert time.perf_counter() - start < 3
    assert len(browser.find_elements(By.CSS_SELECTOR, "#cards .card")) < 100
    document = browser.find_element(By.ID, "data").get_attribute("textContent")
    assert len(json.loads(document)["samples"]) == 1000
    browser.execute_script("document.getElementById('more').scrollIntoView()")
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, "#cards .card")) > 24)
