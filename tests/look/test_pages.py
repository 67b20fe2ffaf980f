"""The report's page in a real browser: by day and by night, on a desk and on a telephone. Pictures in build/look."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import pages
from tests.support.browser import Scheme, browser

PICTURES = Path("build/look")
DESK, TELEPHONE = 1280, 390
LEAST_CONTRAST = 4.5
"""WCAG 2.2, level AA, for text of ordinary size."""
LEAST_CONTRAST_LARGE = 3.0
PAGES = {"drifted": pages.drifted_page, "quiet": pages.quiet_page, "silent": pages.silent_page}

CONTRASTS = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha));
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      layers.push(colour);
      if (colour.length === 3 || colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || ["STYLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const svg = element instanceof SVGElement;
    const below = ground(element);
    const a = light(over(parse(svg ? style.fill : style.color), below)), b = light(below);
    found.push({
      text: walker.currentNode.textContent.trim().slice(0, 40),
      contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
      large: parseFloat(style.fontSize) >= 24,
    });
  }
  return found;
})()
"""
CUT = """
[...document.querySelectorAll("h1, h2, p, dd, dt, li, td.name, .card, .coverage span")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline")
  .map((e) => e.textContent.trim().slice(0, 60))
  .concat([...document.querySelectorAll("svg text")]
    .filter((t) => t.getBBox().x + t.getBBox().width > t.ownerSVGElement.viewBox.baseVal.width)
    .map((t) => t.textContent))
"""
GROUND = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b) / 3"


@pytest.fixture(scope="session")
def pictures() -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES


@pytest.mark.parametrize("width", [DESK, TELEPHONE], ids=["desk", "telephone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", list(PAGES))
async def test_a_person_can_read_the_page(name: str, scheme: Scheme, width: int, tmp_path: Path, pictures: Path):
    file = tmp_path / f"{name}.html"
    file.write_text(PAGES[name]())
    async with browser(tmp_path) as running, running.page() as page:
        await page.open(file.as_uri(), scheme=scheme, width=width)
        picture = await page.picture()
        (pictures / f"{name}-{scheme}-{'desk' if width == DESK else 'telephone'}.png").write_bytes(picture)
        assert page.complaints == []
        assert page.loaded == [file.as_uri()], "the page stands alone"
        assert await page.ask("document.documentElement.scrollWidth") <= width, "nothing hangs over the edge"
        assert (await page.ask(GROUND) > 128) is (scheme == "light")
        faint = [text for text in await page.ask(CONTRASTS) if _too_faint(text)]
        assert faint == []
        assert await page.ask(CUT) == []


async def test_every_drawing_is_drawn(tmp_path: Path):
    file = tmp_path / "page.html"
    file.write_text(pages.drifted_page())
    async with browser(tmp_path) as running, running.page() as page:
        await page.open(file.as_uri(), scheme="light", width=DESK)
        sizes: list[list[float]] = await page.ask(
            "[...document.querySelectorAll('svg')].map((s) => [s.getBBox().width, s.getBBox().height])"
        )
        assert len(sizes) > 15
        assert all(width > 50 and height > 5 for width, height in sizes)
        over = "[...document.querySelectorAll('.meter')].filter((m) => {const [i, u] = [m.children[0], m.children[1]];"
        over += "return (i.offsetWidth > u.offsetLeft + 1) !== m.classList.contains('over')}).length"
        assert await page.ask(over.replace(".meter", ".meter:not(.long)")) == 0, "a bar is over its mark iff it drifted"


def _too_faint(text: dict[str, Any]) -> bool:
    return bool(text["contrast"] < (LEAST_CONTRAST_LARGE if text["large"] else LEAST_CONTRAST))
