"""How a page has to look: light and dark, wide and narrow, readable, labelled, titled, no wider than the screen."""

from playwright.sync_api import Page, ViewportSize, expect

_WIDE: ViewportSize = {"width": 1280, "height": 900}
_NARROW: ViewportSize = {"width": 390, "height": 844}

# What the usual checkers look at first: WCAG 2.2 1.1.1, 1.3.1, 1.4.3, 1.4.10, 2.4.2, 2.4.3, 3.1.1, 4.1.2.
PROBLEMS = """() => {
  const problems = [], all = query => [...document.querySelectorAll(query)];
  const named = e => (e.getAttribute("aria-label") || e.textContent || "").trim();
  if (!document.documentElement.lang) problems.push("no language");
  if (!document.title.trim()) problems.push("no title");
  if (all("h1").length !== 1) problems.push(`${all("h1").length} h1`);
  if (all("main").length !== 1) problems.push("no main");
  for (const e of all("input:not([type=hidden]), textarea, select"))
    if (!e.labels.length && !e.getAttribute("aria-label")) problems.push(`no label: ${e.name}`);
  for (const e of all("button, a[href], summary")) if (!named(e)) problems.push(`no name: ${e.outerHTML}`);
  for (const e of all("img")) if (!e.hasAttribute("alt")) problems.push("an image without alt");
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) problems.push("a tabindex above 0");
  const ids = all("[id]").map(e => e.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) problems.push(`id twice: ${id}`);
  for (const name of ["aria-labelledby", "aria-describedby"])
    for (const e of all(`[${name}]`))
      for (const id of e.getAttribute(name).split(/ +/))
        if (!ids.includes(id)) problems.push(`${name} leads nowhere: ${id}`);
  let level = 0;
  for (const e of all("h1, h2, h3, h4")) {
    const here = Number(e.tagName[1]);
    if (here > level + 1) problems.push(`heading level skipped: ${e.innerText}`);
    level = here;
  }
  const width = document.scrollingElement.scrollWidth;
  if (width > innerWidth) problems.push(`${width} wide on a screen of ${innerWidth}`);

  const parse = color => color.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const luminance = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = e => {
    const chain = [];
    for (let at = e; at; at = at.parentElement) chain.unshift(parse(getComputedStyle(at).backgroundColor));
    return chain.reduce((under, color) => over(color, under), [255, 255, 255]);
  };
  for (const e of all("body *")) {
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility()) continue;
    const style = getComputedStyle(e), behind = background(e), front = over(parse(style.color), behind);
    const [light, dark] = [luminance(front), luminance(behind)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (large ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${e.innerText.slice(0, 40)}`);
  }
  return problems;
}"""


def look(page: Page, heading: str) -> None:
    """Check a page in both colour schemes and on both screens."""
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        for size in (_NARROW, _WIDE):
            page.set_viewport_size(size)
            assert page.evaluate(PROBLEMS) == [], f"{heading}, {colours}, {size['width']}"
