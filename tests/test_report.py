"""The page: true to its JSON, the same bytes, safe with hostile names, usable by keyboard."""

from __future__ import annotations

import copy
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import drive, needs_chromium, run

import blackbox_xai as bx
from blackbox_xai._format import number, signed
from blackbox_xai.errors import InputError
from blackbox_xai.report import charts, html
from blackbox_xai.report.audit import Audit
from blackbox_xai.report.features import as_columns
from blackbox_xai.report.pictures import overlay_picture, photo_picture

TEMPLATES = Path(html.__file__).parent / "templates"
CORPUS = [
    "</script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "\"><svg onload=document.title='pwned'>",
    "';document.title='pwned';//",
    "{{7*7}}",
    "{% raw %}{{ doc }}",
    "javascript:document.title='pwned'",
    "<!--<script>",
    "a\u202egnp.exe",
    "nul\x00byte",
    "half \ud800 character",
    "line\u2028end\u2029",
    "long " * 2000,
    "=cmd|' /C calc'!A0",
]


def model(X):
    p = 1 / (1 + np.exp(-np.asarray(X, dtype=float)[:, :3] @ [3.0, -2.0, 1.0]))
    return np.column_stack([1 - p, p])


def made(names=None, outputs=("no", "yes"), d=4, skip=("gates", "agreement"), **about):
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(50, d)), rng.normal(size=(60, d))
    y = (rng.random(50) < model(X)[:, 1]).astype(int)
    black_box = bx.as_model(model, output_names=outputs, scale="probability")
    return bx.audit(
        black_box,
        X,
        y,
        background=background,
        feature_names=names,
        n_explain=6,
        explainer=bx.KernelShap(budget=1 + 100 * 60 * 2) if d < 20 else bx.Occlusion(),
        masker=None if names is None else bx.TabularMasker(background[:20], feature_names=names),
        skip=skip,
        about=about,
    )


@pytest.fixture(scope="module")
def report():
    return made(names=["age", "income", "debt", "noise"], title="Credit", date="2020-01-01")


@pytest.fixture(scope="module")
def page(report):
    return report.to_html()


@pytest.fixture(scope="module")
def hostile():
    """An audit in which every text that others control is an attack."""
    names = CORPUS[:12]
    found = made(
        names=names,
        outputs=("</title><script>document.title='pwned'</script>", CORPUS[1]),
        d=12,
        title=CORPUS[0],
        model={"name": CORPUS[1], "sha256": CORPUS[2]},
        data=CORPUS[3],
        date=CORPUS[6],
        command=" ".join(CORPUS),
    )
    document = copy.deepcopy(found.document)
    document["limits"]["warnings"] = list(CORPUS)
    document["limits"]["assumptions"] += CORPUS
    document["ledger"]["stopped"] = [{"stage": CORPUS[0], "why": CORPUS[1]}]
    document["surrogate"]["message"] = CORPUS[0]
    for record, attack in zip(document["rows"]["items"], CORPUS, strict=False):
        record["true"] = record["features"][0]["value"] = attack
        record["text"] = {
            "pieces": [[text, i % 9 - 4] for i, text in enumerate(CORPUS)],
            "hidden": 0,
        }
    return Audit(document)


class Outline(HTMLParser):
    """Collects what accessibility and safety rules speak about."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.headings, self.attributes, self.text = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        self.text.append(data)


# -- bytes and sizes ------------------------------------------------------------------------------


def test_the_same_json_gives_the_same_bytes(report, page, tmp_path):
    again = Audit.from_json(report.to_json())
    assert again.to_html() == page
    again.save(tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_bytes() == page.encode()


def test_the_page_keeps_to_its_size_budget(report, page):
    style, script = ((TEMPLATES / name).read_bytes() for name in ("style.css", "report.js"))
    assert len(script) <= 8 * 1024
    bare = bx.audit(model, np.zeros((3, 4)), background=np.zeros((9, 4)), sections=["answers"])
    assert len(bare.to_html().encode()) <= 40 * 1024
    assert len(style) + len(script) <= 20 * 1024
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    points = len(data["map"]["points"]) + len(data["map"]["labels"])
    assert points <= 10 * report.document["map"]["n"] + 8
    for row in data["rows"]:
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        assert len(text.encode()) <= 700 + 50 * len(row["bars"])
    assert len(page.encode()) <= 1 << 20


def test_pictures_are_small():
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 255, size=(8, 8, 3)), np.ones((32, 32, 1))).astype(np.uint8)
    labels = np.kron(np.arange(64).reshape(8, 8), np.ones((32, 32), dtype=int))
    pair = photo_picture(smooth) + overlay_picture(rng.normal(size=64), labels, 2.0)
    assert len(pair) <= 40 * 1024
    small = photo_picture(smooth, 64) + overlay_picture(rng.normal(size=64), labels, 2.0, 64)
    assert len(small) <= 4 * 1024


def test_a_page_too_large_is_refused_with_the_way_out(report, monkeypatch):
    monkeypatch.setattr(html, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="Lower n_explain"):
        report.to_html()


def test_a_large_report_stays_within_its_nodes():
    d = 60
    names = [f"feature {i}" for i in range(d)]
    found = made(names=names, d=d, skip=["gates", "agreement", "surrogate", "trust", "map"])
    outline = Outline(found.to_html())
    assert len(outline.tags) <= 5000
    assert "13 other features" not in "".join(outline.text)
    assert "48 other features" in "".join(outline.text)


# -- numbers --------------------------------------------------------------------------------------


def test_numbers_on_the_page_are_those_of_the_json(report, page):
    text = " ".join("".join(Outline(page).text).split())
    document = report.document
    truth, total = document["truth"], document["ledger"]["total"]
    assert f"{total['rows']:,} model rows in {total['calls']:,} calls" in text
    assert number(truth["majority"]) in text
    for bin_ in truth["calibration"]["bins"]:
        assert number(bin_["confidence"]) in text
    first = document["rows"]["items"][0]
    assert f"Row {first['row']}: {number(first['score'])} {first['unit']}" in text
    for feature in first["features"]:
        assert f"{feature['name']} = {feature['value']}" in text
        assert signed(feature["phi"], feature["se"]) in text
    for feature in document["drivers"]["features"]:
        assert feature["name"] in text
    for row in document["unusual"]["rows"]:
        assert number(row["p_value"]) in text
    for stage in document["ledger"]["stages"]:
        assert not stage["rows"] or f"{stage['rows']:,}" in text


def test_bars_stand_where_their_numbers_say(report):
    for record in report.document["rows"]["items"]:
        drawn = charts.bar_rows(record)
        at = drawn["anchors"][0]
        for bar in drawn["bars"]:
            start, end = bar["x"], bar["x"] + bar["width"]
            assert min(abs(at - start), abs(at - end)) <= 2
            at = end if bar["raises"] else start
            if bar["half"]:
                assert bar["low"] <= at + 2
                assert bar["high"] >= at - 2
        assert abs(at - drawn["anchors"][1]) <= 12  # numbers are rounded as shown


def test_effects_that_do_not_add_up_begin_at_zero():
    masker = bx.TabularMasker(np.zeros((1, 2)))
    why = bx.Occlusion().explain(lambda X: X[:, 0] * X[:, 1], np.array([2.0, 3.0]), masker)
    from blackbox_xai.report.rows import row_record

    record = row_record(why, 0)
    assert not record["adds_up"]
    drawn = charts.bar_rows(record)
    assert {bar["x"] for bar in drawn["bars"]} == {drawn["anchors"][0]}


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 12.1), (1e-9, 2e-9), (0, 1e12), (5, 5)])
def test_ticks_are_round_and_inside(low, high):
    found = charts.ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-9 * abs(low) <= t <= high + 1e-9 * abs(high) for t in found)


# -- safety ---------------------------------------------------------------------------------------


def test_nothing_is_loaded_and_nothing_runs_but_our_script(hostile, page):
    for text in (page, hostile.to_html()):
        outline = Outline(text)
        assert outline.tags.count("script") == 2
        assert not {"iframe", "object", "embed", "link", "base", "form"} & set(outline.tags)
        for tag, name, value in outline.attributes:
            assert not name.startswith("on"), (tag, name)
            if name == "href":
                assert re.fullmatch(r"#[a-z-]+", value)
            if name == "src":
                assert value.startswith("data:image/")
            if name == "style":
                assert re.fullmatch(r"left:[\d.]+%", value)
        policy = next(v for _, n, v in outline.attributes if n == "content" and "default-src" in v)
        assert "default-src 'none'" in policy
        assert (
            "http"
            not in text.replace("http-equiv", "")
            .replace("http://www.w3.org/2000/svg", "")
            .replace("&#39;", "'")
            .split('id="data"')[0]
        )


def test_the_script_never_makes_markup_of_text():
    script = (TEMPLATES / "report.js").read_text()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in script
    for template in TEMPLATES.glob("*.html"):
        assert "|safe" not in template.read_text().replace(" ", "")


def test_characters_that_act_are_shown_as_such(hostile):
    text = hostile.to_html()
    text.encode("utf-8")
    assert not set("\x00\u202e\u2028\u2029") & set(text)
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>&") & set(data)
    assert json.loads(data)["rows"]


@needs_chromium
def test_hostile_names_do_not_run(hostile, tmp_path):
    page = tmp_path / "hostile.html"
    page.write_text(hostile.to_html(), encoding="utf-8")
    dom, console = run(page, tmp_path / "profile", "--dump-dom")
    assert not console
    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]
    assert title.startswith("&lt;/script&gt;")
    assert 'class="js"' in dom


@needs_chromium
@pytest.mark.parametrize("attack", CORPUS[:3])
def test_the_attacks_work_without_protection(attack, tmp_path):
    page = tmp_path / "open.html"
    page.write_text(
        f'<!doctype html><title>calm</title><script>var x = "{attack}";</script>'
        f'<p title="{attack}">{attack}</p><script>setTimeout(() => 0, 50)</script>',
        encoding="utf-8",
    )
    dom, _ = run(page, tmp_path / "profile", "--dump-dom", "--virtual-time-budget=2000")
    assert "<title>pwned</title>" in dom


# -- structure ------------------------------------------------------------------------------------


def test_the_outline_is_in_order(page):
    outline = Outline(page)
    assert outline.headings.count(1) == 1
    assert outline.headings[0] == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    assert len(outline.ids) == len(set(outline.ids))
    assert {"main", "nav", "header", "footer"} <= set(outline.tags)
    assert ("html", "lang", "en") in outline.attributes
    targets = {v[1:] for _, n, v in outline.attributes if n == "href"}
    assert targets <= set(outline.ids)
    tables = outline.tags.count("table")
    assert tables == outline.tags.count("caption") > 4


def test_sections_without_content_are_absent():
    found = bx.audit(model, np.zeros((3, 4)), background=np.zeros((9, 4)), sections=["answers"])
    text = found.to_html()
    assert "What drives the model?" not in text
    assert "No labels were given" in text
    assert 'id="map"' not in text


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_both_themes_have_contrast(theme):
    style = (TEMPLATES / "style.css").read_text()
    block = re.findall(r":root\{(.*?)\}", style, re.DOTALL)[theme]
    colours = {
        name: value if len(value) == 6 else "".join(2 * c for c in value)
        for name, value in re.findall(r"--([\w]+):#([0-9a-f]{3,6})", block)
    }
    for ground in ("ground", "card"):
        for text in ("text", "soft", "pass", "fail", "warn", "lowers"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for mark in ("raises", "faint", *(f"c{i}" for i in range(8))):
            assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)


# -- in a browser ---------------------------------------------------------------------------------

USE = """
const text = id => document.getElementById(id).textContent;
const rows = JSON.parse(text("data")).rows;
out.before = document.getElementById("row-bars").innerHTML;
out.head = text("row-head");
document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
out.status = text("status"); out.hash = location.hash; out.second = rows[1].head;
out.secondRow = rows[1].row;
document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}));
out.back = text("row-head");
const select = document.getElementById("row-select");
select.value = "2"; select.dispatchEvent(new Event("change"));
out.third = text("row-head"); out.wanted = rows[2].head;
const head = document.querySelector("th[aria-sort] button");
head.click();
const table = head.closest("table");
out.sort = head.parentNode.getAttribute("aria-sort");
out.column = [...table.tBodies[0].rows].map(r => Number(r.cells[0].getAttribute("data-v")));
out.nodes = document.querySelectorAll("*").length;
out.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
out.canvas = [...document.getElementById("map").getContext("2d")
  .getImageData(0, 0, 300, 300).data].some(v => v > 0);
"""


@needs_chromium
def test_the_page_can_be_used_by_keyboard(page, tmp_path):
    out = drive(page, USE, tmp_path)
    assert out["status"] == out["second"]
    assert out["hash"] == f"#row={out['secondRow']}"
    assert out["back"] == out["head"]
    assert out["third"] == out["wanted"]
    assert out["sort"] == "ascending"
    assert out["column"] == sorted(out["column"])
    assert out["nodes"] <= 5000
    assert out["wide"] <= 0
    assert out["canvas"]


@needs_chromium
def test_script_and_template_draw_the_same_bars(page, tmp_path):
    from_template = re.search(r'<tbody id="row-bars">(.*?)</tbody>', page, re.DOTALL)[1]
    from_script = drive(page, USE, tmp_path)["before"]

    def marks(text):
        return sorted(re.findall(r'\s(x|x1|x2|width|class|title)="([^"]*)"', text))

    def words(text):
        return "".join("".join(Outline(text).text).split())

    assert marks(from_template) == marks(from_script) != []
    assert words(from_template) == words(from_script) != ""


@needs_chromium
def test_a_narrow_screen_does_not_scroll_sideways(hostile, tmp_path):
    # Chromium makes no window this narrow: a frame of 320 px around the page does
    driver = "document.body.style.width = '320px'; document.body.style.overflow = 'visible';\n"
    driver += "out.wide = Math.max(...[...document.querySelectorAll('main, header, h1, h3, p, dl, "
    driver += ".bars, .cards')].map(e => e.getBoundingClientRect().right));"
    assert drive(hostile.to_html(), driver, tmp_path)["wide"] <= 321


@needs_chromium
def test_the_page_prints_without_blank_pages(page, tmp_path):
    source, target = tmp_path / "a.html", tmp_path / "a.pdf"
    source.write_text(page, encoding="utf-8")
    run(source, tmp_path / "profile", f"--print-to-pdf={target}", "--no-pdf-header-footer")
    content = target.read_bytes()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 2 <= pages <= 12


@needs_chromium
@pytest.mark.parametrize("scheme", [0, 1])
def test_axe_finds_nothing(page, scheme, tmp_path):
    place = os.environ.get("AXE_CORE")
    if not place:
        pytest.skip("AXE_CORE does not name axe.min.js: accessibility rules are not run")
    axe = Path(place).read_text(encoding="utf-8")
    driver = axe + (
        "\nout.wait = true; axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})"
        ".then(r => { document.getElementById('driver').textContent = JSON.stringify("
        "{found: r.violations.map(v => v.id + ': ' + v.nodes[0].html)}); });"
    )
    flags = (f"--blink-settings=preferredColorScheme={scheme}", "--virtual-time-budget=20000")
    assert drive(page, driver, tmp_path, *flags)["found"] == []


# -- features of what is no table -----------------------------------------------------------------


def test_texts_and_images_become_columns():
    texts = ["a good film", "a bad film", "good good", "bad", ""]
    found = as_columns(texts)(texts)
    assert found.shape[0] == 5
    assert np.isfinite(found).all()
    assert as_columns(["", ""])(["a b"]).tolist() == [[3.0, 2.0]]
    images = np.zeros((3, 20, 30), dtype=np.uint8)
    images[1] = 255
    assert as_columns(images)(images).tolist()[1] == [255.0] * 256
    assert as_columns(np.zeros((3, 2))) is None
