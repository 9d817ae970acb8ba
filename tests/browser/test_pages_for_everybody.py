"""Every page, light and dark, wide and narrow: readable, labelled, titled, and no wider than the screen."""

import pytest
from people import (
    add_data,
    allow,
    demo,
    enrol,
    expect_data,
    expect_hello,
    mailed_code,
    new_person,
    press,
    sign_in,
    sign_up,
    to_sign_in,
)
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from mcp_demo.deploy.profile import Profile
from mcp_demo.local.state import Run

_WIDE: ViewportSize = {"width": 1280, "height": 900}
_NARROW: ViewportSize = {"width": 390, "height": 844}

# What the usual checkers look at first: WCAG 2.2 1.1.1, 1.3.1, 1.4.3, 1.4.10, 2.4.2, 2.4.3, 3.1.1, 4.1.2.
_PROBLEMS = """() => {
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


def _look(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        for size in (_NARROW, _WIDE):
            page.set_viewport_size(size)
            assert page.evaluate(_PROBLEMS) == [], f"{heading}, {colours}, {size['width']}"


def test_the_checks_find_what_is_wrong(context: BrowserContext) -> None:
    page = context.new_page()
    page.set_content('<div style="width:3000px;color:#999"><input name=a><h3>x</h3><img src="data:,"><button></button>')
    found = " | ".join(page.evaluate(_PROBLEMS))
    for problem in ("language", "title", "0 h1", "main", "label: a", "name: <button", "alt", "level", "wide", "contr"):
        assert problem in found, problem


@pytest.mark.slow
def test_the_pages_of_the_clients_and_of_consent(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    for kind in ("static", "dcr", "cimd"):
        page.goto(stack.clients[kind])
        _look(page, "Not signed in")
        press(page, "Log in")
        _look(page, "Allow")
        press(page, "Do not allow")
        _look(page, "Not signed in")
        press(page, "Log in")
        allow(page)
        if page.get_by_label("Username").count():  # once signed in at the user pool, nobody asks again for an hour
            sign_in(page, demo(stack))
        press(page, "Fetch MCP Data")
        expect_data(page)
        for fold in page.locator("summary").all()[:2]:
            fold.click()
        _look(page, "Hello")
    add_data(page, "Seen", "by many")
    _look(page, "Allow")


def test_the_pages_of_the_user_pool(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    to_sign_in(page, stack.clients["static"])
    _look(page, "Sign in")
    sign_in(page, somebody)
    expect(page.get_by_role("alert")).to_be_visible()
    _look(page, "Sign in")
    page.get_by_role("link", name="Create an account").click()
    _look(page, "Create an account")
    page.get_by_role("link", name="Sign in").click()
    sign_up(page, stack, somebody)
    _look(page, "Set up a second factor")
    enrol(page, somebody)
    expect_hello(page, somebody)
    page.goto(f"{stack.domain}/mailbox")
    _look(page, "Local mailbox")


def test_the_pages_of_a_forgotten_password_lead_to_a_new_one(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    to_sign_in(page, stack.clients["static"])
    sign_up(page, stack, somebody, mfa=False)
    expect_hello(page, somebody)
    context.clear_cookies()
    to_sign_in(page, stack.clients["static"])
    page.get_by_role("link", name="Forgot your password?").click()
    _look(page, "Forgot your password?")
    page.get_by_label("Username").fill(somebody.username)
    press(page, "Send a code")
    _look(page, "Set a new password")
    somebody.password = "Another-horse-8-battery"
    page.get_by_label("Code from the email").fill(mailed_code(context, stack, somebody))
    page.get_by_label("New password", exact=True).fill(somebody.password)
    page.get_by_label("New password again").fill(somebody.password)
    press(page, "Set password")
    _look(page, "Password changed")
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, somebody)
    expect_hello(page, somebody)


def test_who_got_a_temporary_password_chooses_one(context: BrowserContext, stack: Run) -> None:
    somebody, page = new_person(), context.new_page()
    Profile.local(stack.aws).cognito().admin_create_user(
        UserPoolId=stack.issuer.rpartition("/")[2],
        Username=somebody.username,
        TemporaryPassword=somebody.password,
        UserAttributes=[{"Name": "email", "Value": somebody.email}],
        MessageAction="SUPPRESS",
    )
    to_sign_in(page, stack.clients["static"])
    sign_in(page, somebody)
    _look(page, "Choose a password")
    for words in ("New password", "New password again"):
        page.get_by_label(words, exact=True).fill("My-own-horse-9-battery")
    press(page, "Set password")
    expect_hello(page, somebody)


def test_the_pages_that_say_no(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    pages = {
        f"{stack.bridge}/authorize?client_id=nobody": "We do not know this application",
        f"{stack.bridge}/authorize?client_id={stack.server}/no.json": "We could not check this application",
        f"{stack.bridge}/callback?state=forged&code=x": "This sign-in cannot be finished",
        f"{stack.domain}/login?client_id=nobody": "This sign-in link does not work",
        f"{stack.clients['static']}/callback?state=forged&code=x": "This sign-in is not known here",
        f"{stack.clients['static']}/nowhere": "There is no such page",
    }
    for url, heading in pages.items():
        page.goto(url)
        _look(page, heading)
