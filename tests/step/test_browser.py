"""The page in a real browser: it moves, and every number it shows is the trace's."""

import functools
import json
import shutil
import time

import pytest

from avanet.step.page import notebook_html, view, write_gallery, write_page
from avanet.step.models import trace_model
from avanet.step.small import reduced, reduced_images, small_batched, small_model
from avanet.step.tracing import trace

selenium = pytest.importorskip("selenium", reason="selenium is not installed (extra 'test')")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("chromium and chromium-driver are not installed", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

RULES = ("printed", "exact", "as-run")
READ_NUMBERS = """
return [...document.querySelectorAll("[data-at]")].map(
  (node) => [node.dataset.at, node.textContent, node.dataset.digits || ""])"""
POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


@pytest.fixture(scope="module")
def traces():
    return [trace(small_model("ava5", rules=rules), reduced("orbit", 4), 4) for rules in RULES]


BATCHED = ("survey-vae", "gan")


@functools.cache
def batched(name):
    images, labels = reduced_images("digits", 4)
    return trace_model(small_batched(name), images, labels, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, traces):
    path = tmp_path_factory.mktemp("pages")
    write_page(traces, path / "ava5.html")
    for name in ("ava3", "ava-gan"):
        write_page(trace(small_model(name), reduced("orbit", 4), 2), path / f"{name}.html")
    write_page(trace(small_model("ava5", rules="letter"), reduced("orbit", 4), 2),
               path / "letter.html")
    write_page(trace(small_model("ava5", "36-12-4"), reduced("orbit", 36), 2), path / "large.html")
    for name in BATCHED:
        write_page(batched(name), path / f"{name}.html")
    write_gallery([trace(small_model(name), reduced("orbit", 4), 3)
                   for name in ("ava1", "ava5", "ava-vae", "ava-gan")], path / "gallery")
    (path / "notebook.html").write_text(
        "<!DOCTYPE html><meta charset=utf-8>" + notebook_html(traces[0]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, folder):
    """The driver at 1280 x 900, light; afterwards: no console message, no network request."""
    chromium.get("about:blank")
    chromium.get_log("browser"), chromium.get_log("performance")
    resize(chromium, 1280)
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    scheme(chromium, "light")
    yield chromium
    assert chromium.get_log("browser") == []
    for entry in chromium.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            assert message["params"]["request"]["url"].startswith(("file:", "about:", "data:"))


def resize(driver, width, height=900):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})


def scheme(driver, name):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": name}]})


def visit(driver, folder, address="", file="ava5.html"):
    driver.get("about:blank")
    driver.get((folder / file).as_uri() + address)


def state(driver):
    address = driver.execute_script("return location.hash.slice(1)")
    return dict(part.split("=") for part in address.split("&") if part)


def press(driver, key):
    driver.find_element(By.TAG_NAME, "body").send_keys(key)


def click(driver, identifier):
    driver.find_element(By.ID, identifier).click()


def title(driver):
    return driver.execute_script("return document.getElementById('equation-title').textContent")


def heard(driver):
    return driver.execute_script("return document.getElementById('announce').textContent")


def eventually(condition, seconds=6.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def settled(driver, script, wanted, seconds=6.0):
    """What a script returns, once it is what is wanted: a resized window lays out when it can."""
    end = time.monotonic() + seconds
    while (found := driver.execute_script(script)) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    return found


def shown(value: float, digits: str = "") -> str:
    """A number as the page should show it."""
    if digits:
        return f"{value + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: a ReLU's -0 is a 0
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.4f}".replace("-", "−")
    mantissa, power = f"{value:.2e}".split("e")
    return f"{mantissa.replace('-', '−')}×10^{int(power)}"


def look_up(data, path):
    negative, value = path.startswith("-"), data
    for key in path.removeprefix("-").split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return -value if negative else value


def check_numbers(driver, trace_, notes):
    """Every number on the page against the trace, to the last shown digit; returns how many."""
    data = {"steps": trace_.steps, "model": trace_.model, "notes": notes}
    found = driver.execute_script(READ_NUMBERS)
    for path, text, digits in found:
        head, mark, power = text.partition("×10")
        text = f"{head}×10^{power.translate(POWERS)}" if mark else text
        assert text == shown(look_up(data, path), digits), path
    return len(found)


@pytest.mark.parametrize("rules", RULES)
def test_every_number_of_every_phase_is_the_traces(browser, folder, traces, rules):
    t = traces[RULES.index(rules)]
    whole = view(t)
    visit(browser, folder, f"#rule={rules}&step=2&neuron=g-2-3")
    for phase in whole["phases"]:
        assert state(browser).get("phase", whole["phases"][0]["key"]) == phase["key"]
        assert check_numbers(browser, t, whole["notes"]) > 60
        click(browser, "next")
    assert state(browser)["step"] == "3"
    check_numbers(browser, t, whole["notes"])


@pytest.mark.parametrize("file, model, rules", [
    ("ava3.html", "ava3", "printed"), ("ava-gan.html", "ava-gan", "printed"),
    ("letter.html", "ava5", "letter")])
def test_other_models_too(browser, folder, file, model, rules):
    t = trace(small_model(model, rules=rules), reduced("orbit", 4), 2)
    whole = view(t)
    visit(browser, folder, file=file)
    for _ in range(len(whole["phases"]) + 2):
        check_numbers(browser, t, whole["notes"])
        press(browser, Keys.ARROW_RIGHT)


@pytest.mark.parametrize("name", BATCHED)
def test_every_number_of_a_batched_model_is_the_traces(browser, folder, name):
    told = view(batched(name))
    visit(browser, folder, file=f"{name}.html")
    for k, step in enumerate(told["phases"]):
        for phase in step:
            assert (state(browser) or {"phase": phase["key"]})["phase"] == phase["key"]
            for path, text, digits in browser.execute_script(READ_NUMBERS):
                head, mark, power = text.partition("×10")
                text = f"{head}×10^{power.translate(POWERS)}" if mark else text
                assert text == shown(look_up(told, path), digits), path
            assert browser.find_elements(By.CSS_SELECTOR, "#graph [data-at]")
            if (k, phase) != (1, step[-1]):
                press(browser, Keys.ARROW_RIGHT)
    assert not browser.find_elements(By.ID, "rule")
    assert "it fell, as it should" in browser.find_element(By.ID, "objective").text


def test_a_batched_model_s_neuron_player_and_answer(browser, folder):
    where = "#step=2&phase=decoder-update&player=decoder&neuron=decoder-2-3&predict=1"
    visit(browser, folder, where, file="survey-vae.html")
    record = batched("survey-vae").steps[1]["players"]["decoder"]
    after = shown(record["after"][-1]["W"][0][2])
    page = browser.find_element(By.ID, "equation")
    assert "output 3" in page.text and after not in page.text
    click(browser, "reveal")
    assert after in browser.find_element(By.ID, "equation").text
    node = browser.find_element(By.CSS_SELECTOR, '[data-node="decoder.1.0"]')
    ActionChains(browser).move_to_element(node).click().perform()
    assert state(browser)["neuron"] == "decoder-1-1"
    keys = [n.get_attribute("data-phase")
            for n in browser.find_elements(By.CSS_SELECTOR, "[data-phase]")]
    assert "encoder-update" not in keys and "decoder-update" in keys


def test_the_paper_s_own_loss_stands_beside_the_objective(browser, folder, traces):
    visit(browser, folder, "#rule=printed&step=1&phase=g-update")
    loss = traces[0].steps[0]["players"]["g"]["loss"]
    text = browser.find_element(By.ID, "loss").text
    assert shown(loss["before"]) in text and shown(loss["after"]) in text
    assert "as the paper says" in text if loss["after"] < loss["before"] else "other way" in text
    assert "Eq. 12, which Φ should lower" in browser.find_element(By.ID, "equation").text


def test_a_larger_network_is_drawn_at_every_phase(browser, folder):
    for phase in ("f-x", "sample", "g-decoder_error", "d-backward-x_", "g-update"):
        visit(browser, folder, f"#step=2&phase={phase}", file="large.html")
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg .node")) > 100


def test_the_result_of_equation_six(browser, folder, traces):
    visit(browser, folder, "#step=1&phase=g-decoder_error&neuron=g-2-4")
    event = next(e for e in traces[0].steps[0]["events"] if e["where"] == "decoder_error")
    result = browser.find_element(By.CSS_SELECTOR, '#equation .line [data-term="result"]').text
    assert result == shown(event["result"][0][3])
    numbers = {name: browser.find_element(
        By.CSS_SELECTOR, f'.terms [data-term="{name}"] .num').text for name in event["terms"]}
    assert numbers == {name: shown(row[0][3 if len(row[0]) > 1 else 0])
                       for name, row in event["terms"].items()}
    assert "Eq. 6" in browser.find_element(By.CSS_SELECTOR, "#equation .kicker").text


def test_next_and_back_by_button_and_key(browser, folder):
    visit(browser, folder)
    first = title(browser)
    click(browser, "next")
    assert title(browser) == "The code z is drawn"
    press(browser, Keys.ARROW_RIGHT)
    assert title(browser) == "decoder g on z"
    press(browser, Keys.ARROW_LEFT)
    click(browser, "back")
    assert title(browser) == first
    assert not browser.find_element(By.ID, "back").is_enabled()


def test_updates_by_button_key_and_slider(browser, folder):
    visit(browser, folder, "#step=1&phase=g-update")
    click(browser, "last")
    assert state(browser)["step"] == "2"
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT) \
        .perform()
    assert (state(browser)["step"], state(browser)["phase"]) == ("3", "g-update")
    browser.find_element(By.ID, "step").send_keys(Keys.ARROW_RIGHT)
    assert state(browser)["step"] == "4"
    assert not browser.find_element(By.ID, "last").is_enabled()
    click(browser, "first")
    assert browser.find_element(By.ID, "count").text == "3 of 4"


def test_play_moves_and_pause_stops(browser, folder):
    visit(browser, folder, "#step=1&phase=f-x")
    click(browser, "play")
    assert browser.find_element(By.ID, "play").get_attribute("aria-label") == "pause"
    eventually(lambda: title(browser) != "encoder f on x")
    press(browser, " ")
    at = title(browser)
    time.sleep(1.8)
    assert title(browser) == at
    assert "Play" in browser.find_element(By.ID, "play").text


def test_slow_motion_is_slower(browser, folder):
    visit(browser, folder, "#step=1&phase=f-x")
    click(browser, "slow")
    click(browser, "play")
    time.sleep(2.2)
    assert title(browser) == "encoder f on x"
    click(browser, "play")


def test_play_ends_at_the_end(browser, folder):
    visit(browser, folder, "#step=4&phase=D-update")
    click(browser, "play")
    eventually(lambda: "Play" in browser.find_element(By.ID, "play").text)
    assert state(browser)["phase"] == "D-update"


def test_one_player_at_a_time(browser, folder):
    visit(browser, folder)
    Select(browser.find_element(By.ID, "player")).select_by_value("d")
    keys = [node.get_attribute("data-phase")
            for node in browser.find_elements(By.CSS_SELECTOR, "[data-phase]")]
    assert "d-update" in keys and "g-update" not in keys and "g-z" in keys
    assert state(browser)["player"] == "d"
    press(browser, "p")
    assert state(browser)["player"] == "D"
    press(browser, "p")
    assert state(browser)["player"] == "all"


def test_a_neuron_is_chosen_by_mouse_key_and_list(browser, folder, traces):
    visit(browser, folder, "#step=1&phase=g-decoder_error&neuron=g-2-1")
    node = browser.find_element(By.CSS_SELECTOR, '[data-node="g.2.2"]')
    ActionChains(browser).move_to_element(node).click().perform()
    assert state(browser)["neuron"] == "g-2-3"
    assert "output 3" in browser.find_element(By.ID, "neuron-title").text
    after = traces[0].steps[0]["players"]["g"]["after"][1]["W"][0][2]
    row = browser.find_elements(By.CSS_SELECTOR, "#neuron tbody tr")[0]
    assert row.find_elements(By.TAG_NAME, "td")[-1].text == shown(after)
    press(browser, "n")
    assert state(browser)["neuron"] == "g-2-4"
    Select(browser.find_element(By.ID, "unit")).select_by_value("g-1-1")
    assert state(browser)["neuron"] == "g-1-2"
    assert "hidden unit 2" in browser.find_element(By.ID, "neuron-title").text


def test_the_rule_set_is_switched(browser, folder):
    visit(browser, folder, "#step=2&phase=g-update")
    printed = browser.find_element(By.ID, "cosine").text
    Select(browser.find_element(By.ID, "rule")).select_by_value("1")
    assert state(browser) | {"rule": "exact", "phase": "g-update", "step": "2"} == state(browser)
    assert browser.find_element(By.ID, "cosine").text == "1.0000" != printed
    press(browser, "u")
    assert state(browser)["rule"] == "as-run"


def test_a_link_leads_to_its_moment_and_back_returns(browser, folder):
    address = "#rule=exact&step=3&phase=d-backward-x_&player=d&neuron=d-1-2"
    visit(browser, folder, address)
    assert title(browser) == "Errors carried back through discriminator d, pass on x′"
    assert browser.find_element(By.ID, "count").text == "3 of 4"
    assert "hidden unit 2" in browser.find_element(By.ID, "neuron-title").text
    click(browser, "next")
    assert title(browser) == "Update of Ψ"
    browser.back()
    eventually(lambda: title(browser).startswith("Errors carried back"))
    browser.forward()
    eventually(lambda: title(browser) == "Update of Ψ")


def test_an_address_edited_in_place_is_followed(browser, folder):
    visit(browser, folder)
    browser.execute_script("location.hash = '#step=2&phase=g-update'")
    eventually(lambda: title(browser) == "Update of Φ")
    assert browser.find_element(By.ID, "count").text == "2 of 4"


@pytest.mark.parametrize("address", [
    "#rule=none&step=99&phase=x&player=q&neuron=z-9-9", "#step=-1", "#neuron=g-2-0", "#%%%", "#="])
def test_a_wrong_address_shows_the_start(browser, folder, address):
    visit(browser, folder, address)
    assert title(browser) == "encoder f on x"
    click(browser, "next")
    assert state(browser)["step"] == "1"


def test_predict_then_reveal(browser, folder, traces):
    visit(browser, folder, "#step=1&phase=g-decoder_error&neuron=g-2-4&predict=1")
    event = next(e for e in traces[0].steps[0]["events"] if e["where"] == "decoder_error")
    answer = event["result"][0][3]
    page = browser.find_element(By.ID, "app").get_attribute("outerHTML")
    assert shown(answer) not in page
    assert shown(answer) not in heard(browser)
    assert browser.find_element(By.CSS_SELECTOR, '#equation [data-term="result"]').text == "?"
    browser.find_element(By.CSS_SELECTOR, '[data-guess="positive"]').click()
    assert "It is negative, not positive" in browser.find_element(By.ID, "ask").text
    assert shown(answer) in browser.find_element(By.ID, "equation").text
    press(browser, Keys.ARROW_RIGHT)
    assert title(browser).startswith("Errors carried back")
    assert browser.find_element(By.ID, "reveal").is_displayed()
    press(browser, Keys.ARROW_RIGHT)
    assert title(browser).startswith("Errors carried back")
    assert not browser.find_elements(By.ID, "reveal")
    press(browser, "q")
    assert "predict" not in state(browser)


@pytest.mark.parametrize("phase", ["f-x", "sample", "f-variance_error", "d-backward-x", "g-update"])
def test_nothing_of_the_answer_is_left_while_hidden(browser, folder, traces, phase):
    visit(browser, folder, f"#step=2&phase={phase}&neuron=g-2-2&predict=1")
    hidden = {path for path, *_ in browser.execute_script(READ_NUMBERS)}
    markup = browser.find_element(By.ID, "app").get_attribute("outerHTML")
    press(browser, "v")
    revealed = {path for path, *_ in browser.execute_script(READ_NUMBERS)}
    news = revealed - hidden
    assert news
    for path in news:
        if ".b." in path:
            continue  # a bias moves by its unit's error, which was revealed before
        text = shown(look_up({"steps": traces[0].steps, "model": traces[0].model,
                              "notes": view(traces[0])["notes"]}, path))
        assert f">{text}<" not in markup or text == "0", path


def test_a_term_lights_up_its_place_and_a_place_its_term(browser, folder):
    visit(browser, folder, "#step=1&phase=g-decoder_error&neuron=g-2-2")
    term = browser.find_element(By.CSS_SELECTOR, '.terms [data-term="pull"]')
    ActionChains(browser).move_to_element(term).perform()
    lit = browser.find_elements(By.CSS_SELECTOR, ".node.lit")
    assert [node.get_attribute("data-node") for node in lit] == ["d.2.0"]
    assert browser.find_elements(By.CSS_SELECTOR, 'math mrow.lit[data-term="pull"]')
    node = browser.find_element(By.CSS_SELECTOR, '[data-node="f.0.1"]')
    ActionChains(browser).move_to_element(node).perform()
    names = {n.get_attribute("data-term")
             for n in browser.find_elements(By.CSS_SELECTOR, "#equation .lit")}
    assert names == {"x"}
    symbol = browser.find_element(By.CSS_SELECTOR, '#equation math mrow[data-term="x_"]')
    ActionChains(browser).move_to_element(symbol).perform()
    lit = {n.get_attribute("data-node") for n in browser.find_elements(By.CSS_SELECTOR, "#app .lit")
           if n.get_attribute("data-node")}
    assert lit == {"g.2.1", "d.0.1", "x_.1"}


def test_a_term_stays_lit_when_tapped_or_focused(browser, folder):
    visit(browser, folder, "#step=1&phase=g-decoder_error")
    term = browser.find_element(By.CSS_SELECTOR, '.terms [data-term="slope"]')
    term.click()
    assert term.get_attribute("aria-pressed") == "true"
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    browser.execute_script("document.activeElement.blur()")
    assert browser.find_elements(By.CSS_SELECTOR, '.node.lit[data-node="g.2.0"]')
    term.click()
    browser.execute_script("document.activeElement.blur()")
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert not browser.find_elements(By.CSS_SELECTOR, ".node.lit")
    browser.execute_script("arguments[0].focus()", browser.find_element(
        By.CSS_SELECTOR, '.terms [data-term="pull"]'))
    assert browser.find_elements(By.CSS_SELECTOR, '.node.lit[data-node="d.2.0"]')


def test_focus_stays_and_the_step_is_announced(browser, folder):
    visit(browser, folder, "#step=1&phase=g-decoder_error&neuron=g-2-1")
    button = browser.find_element(By.CSS_SELECTOR, '[data-focus="value-2"]')
    button.send_keys(Keys.ENTER)
    focused = browser.switch_to.active_element
    assert focused.get_attribute("data-focus") == "value-2"
    assert "equation 6" in heard(browser) and "Update 1" in heard(browser)
    node = browser.find_element(By.CSS_SELECTOR, '[data-node="g.2.3"]')
    browser.execute_script("arguments[0].focus()", node)
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert state(browser)["neuron"] == "g-2-4"


def test_help_opens_and_closes_by_key(browser, folder):
    visit(browser, folder)
    press(browser, "?")
    assert browser.find_element(By.ID, "help").is_displayed()
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not browser.find_element(By.ID, "help").is_displayed()


def test_light_and_dark(browser, folder):
    visit(browser, folder)
    back = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(back) == "rgb(255, 255, 255)"
    scheme(browser, "dark")
    eventually(lambda: browser.execute_script(back) == "rgb(20, 22, 27)")
    press(browser, "t")
    assert browser.execute_script(back) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(browser, folder, theme):
    scheme(browser, theme)
    visit(browser, folder)
    colours = browser.execute_script("""
      const probe = document.body.appendChild(document.createElement("i"));
      const read = (name) => { probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color.match(/\\d+/g).map(Number); };
      const names = ["surface", "raised", "text", "muted", "accent", "minus", "plus",
                     "t0", "t1", "t2", "t3", "t4"];
      const colours = Object.fromEntries(names.map((name) => [name, read(name)]));
      probe.remove();
      return colours;""")

    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
                  for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground in ("surface", "raised"):
        for name, rgb in colours.items():
            if name in ("surface", "raised"):
                continue
            low, high = sorted((luminance(rgb), luminance(colours[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


@pytest.mark.parametrize("file, phases", [
    ("ava5.html", ("f-x", "sample", "g-decoder_error", "f-assessed_mean_error", "D-backward-mu",
                   "g-update")),
    ("large.html", ("g-decoder_error", "g-update")),
    ("gallery/index.html", ("",)),
    ("survey-vae.html", ("pass-1", "losses", "decoder-backward", "decoder-update")),
])
def test_a_phone_needs_no_sideways_scrolling(browser, folder, file, phases):
    resize(browser, 360, 740)
    for phase in phases:
        visit(browser, folder, f"#step=2&phase={phase}", file)
        wide = settled(browser, """  // a phone zooms out over what is too wide
          return [innerWidth, document.documentElement.scrollWidth,
            ...[...document.querySelectorAll("#app *")].filter((node) =>
              node.getBoundingClientRect().right > 361 && !node.closest(".scroll, .line, .unseen"))
              .map((node) => node.outerHTML.slice(0, 90))]""", [360, 360])
        assert wide == [360, 360], wide


@pytest.mark.parametrize("file, phase", [
    ("ava5.html", "g-decoder_error"), ("ava5.html", "g-update"), ("ava5.html", "f-x"),
    ("ava5.html", "f-pull_D&predict=1"), ("gallery/index.html", ""),
    ("survey-vae.html", "decoder-update"), ("gan.html", "losses")])
def test_everything_has_a_name(browser, folder, file, phase):
    visit(browser, folder, f"#step=1&phase={phase}", file)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {"button", "combobox", "slider", "link", "img", "image", "checkbox", "dialog",
             "toolbar", "navigation", "region", "group", "table", "RootWebArea"} - {"table"}
    for node in tree:
        if not node.get("ignored") and node["role"]["value"] in named:
            assert node.get("name", {}).get("value"), node["role"]
    ids = browser.execute_script(
        "return [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(set(ids)) == len(ids)
    assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1
    assert browser.execute_script("return document.documentElement.lang") == "en"
    small = browser.execute_script("""
      return [...document.querySelectorAll("button, select")].filter((node) => {
        const box = node.getBoundingClientRect();
        return box.width > 0 && (box.width < 23.5 || box.height < 23.5); }).length""")
    assert small == 0


def test_the_update_is_compared_with_the_true_gradient(browser, folder, traces):
    visit(browser, folder, "#step=1&phase=g-update")
    player = traces[0].steps[0]["players"]["g"]
    assert browser.find_element(By.ID, "cosine").text == shown(player["cosine"])
    assert browser.find_element(By.ID, "ratio").text == shown(player["ratio"])
    bars = browser.find_elements(By.CSS_SELECTOR, "#compare .hit")
    assert len(bars) == 2 * 3 + 3 + 3 * 4 + 4
    ActionChains(browser).move_to_element(bars[1]).perform()
    numbers = [n.text for n in browser.find_elements(By.CSS_SELECTOR, "#readout .num")]
    assert numbers == [shown(player[key][0]["W"][0][1])
                       for key in ("update", "numerical", "true")]
    browser.find_element(By.CSS_SELECTOR, "#numbers summary").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "#numbers tbody tr")) == len(bars)
    browser.find_element(By.ID, "next").click()
    assert browser.find_element(By.ID, "numbers").get_attribute("open")


def test_the_note_on_unit_weights(browser, folder, traces):
    visit(browser, folder, "#step=1&phase=g-decoder_error")
    note = view(traces[0])["notes"][0]["g"]
    text = browser.find_element(By.ID, "note").text
    for value in [*note["row"], *note["real"], note["pull"], note["cosine"]]:
        assert shown(value) in text
    visit(browser, folder, "#step=1&phase=f-variance_error")
    assert not browser.find_elements(By.ID, "note")


def test_the_paper_s_own_loss_is_a_curve_too(browser, folder):
    traced = trace(small_model("ava5", rate=1.0), reduced("orbit", 4)[::4], 4)
    write_page(traced, folder / "curves.html")
    assert [wrong(step["players"]["g"]["loss"]) for step in traced.steps] == [False] * 3 + [True]
    for at, step in enumerate(traced.steps):
        visit(browser, folder, f"#step={at + 1}&phase=g-update", "curves.html")
        for player, told in step["players"].items():
            place = browser.find_element(By.CSS_SELECTOR, f'[data-curve="{player}-loss"]')
            assert f"Eq. {told['loss']['equation']}" in place.text
            for value in (told["loss"]["before"], told["loss"]["after"]):
                assert shown(value) in place.text
            assert bool(place.find_elements(By.CSS_SELECTOR, ".bad")) == wrong(told["loss"])
            points = place.find_element(By.CSS_SELECTOR, "path").get_attribute("d")
            assert points.count("L") == len(traced.steps) - 1


def wrong(loss):
    """Whether an update moved the paper's loss the wrong way."""
    return (loss["after"] - loss["before"]) * (1 if loss["direction"] == "up" else -1) < 0


def test_what_was_not_taken_numerically_is_not_drawn(browser, folder):
    images, labels = reduced_images("digits", 9)
    traced = trace_model(small_batched("survey-vae", "9-12-2"), images, labels, 1)
    write_page(traced, folder / "wide.html")
    visit(browser, folder, "#phase=encoder-update", "wide.html")
    told = traced.steps[0]["players"]["encoder"]
    drawn = browser.find_elements(By.CSS_SELECTOR, "#compare svg.bars line.numerical")
    assert len(drawn) == told["checked"] < len(
        browser.find_elements(By.CSS_SELECTOR, "#compare svg.bars rect.printed"))
    assert f"of {told['checked']} of the" in browser.find_element(By.ID, "compare").text
    assert "undefined" not in browser.find_element(By.TAG_NAME, "main").text


def test_a_curve_leads_to_its_update(browser, folder):
    visit(browser, folder, "#step=1&phase=g-update")
    curve = browser.find_elements(By.CSS_SELECTOR, "svg.curve")[1]
    ActionChains(browser).move_to_element_with_offset(
        curve, curve.size["width"] // 2 - 8, 0).click().perform()
    assert state(browser)["step"] == "4"


def test_without_scripts_there_is_a_table(browser, folder):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    visit(browser, folder)
    table = browser.find_element(By.CSS_SELECTOR, "noscript table, table")
    assert "Update 1" in table.text and "Eq" in table.text


def test_the_gallery_moves_all_models_together(browser, folder):
    visit(browser, folder, file="gallery/index.html")
    cards = browser.find_elements(By.CSS_SELECTOR, "[data-card]")
    assert [card.get_attribute("data-card") for card in cards] \
        == ["ava1", "ava5", "ava-vae", "ava-gan"]
    click(browser, "next")
    assert state(browser)["step"] == "2"
    for card in browser.find_elements(By.CSS_SELECTOR, "[data-card]"):
        t = trace(small_model(card.get_attribute("data-card")), reduced("orbit", 4), 3)
        for node in card.find_elements(By.CSS_SELECTOR, "[data-at]"):
            path = node.get_attribute("data-at")
            assert path.startswith("steps.1.")
            assert node.text == shown(look_up({"steps": t.steps}, path))
    click(browser, "play")
    eventually(lambda: state(browser)["step"] == "3")
    eventually(lambda: "Play" in browser.find_element(By.ID, "play").text)
    browser.find_element(By.CSS_SELECTOR, '[data-card="ava5"] a').click()
    eventually(lambda: browser.find_elements(By.ID, "count"))
    assert browser.find_element(By.ID, "count").text == "3 of 3"
    browser.back()


def test_the_page_works_in_a_notebooks_frame(browser, folder, traces):
    visit(browser, folder, file="notebook.html")
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    click(browser, "next")
    assert title(browser) == "The code z is drawn"
    assert check_numbers(browser, traces[0], view(traces[0])["notes"]) > 60
    browser.switch_to.default_content()
    assert "Update 1" in browser.find_element(By.CSS_SELECTOR, "details").get_attribute(
        "textContent")
