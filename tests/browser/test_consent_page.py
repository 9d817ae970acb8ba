"""The consent page in a real browser: what can be left out, how to say no, and no need for a mouse."""

from people import add_data, allow, demo, expect_data, expect_hello, granted, press, sign_in, to_sign_in
from playwright.sync_api import BrowserContext, Page, expect

from mcp_demo.local.state import Run

_FOCUSED = "(document.activeElement.labels?.[0] ?? document.activeElement).innerText.trim()"


def _logged_in(context: BrowserContext, stack: Run, kind: str = "static") -> Page:
    page = context.new_page()
    to_sign_in(page, stack.clients[kind])
    sign_in(page, demo(stack))
    expect_hello(page, demo(stack))
    return page


def test_who_unticks_write_keeps_what_they_had_and_is_told(context: BrowserContext, stack: Run) -> None:
    page = _logged_in(context, stack)
    add_data(page, "Unwanted", "never stored")
    write = page.get_by_role("checkbox", name="Add and change contexts")
    expect(write).to_be_checked()
    write.uncheck()
    allow(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"takes the scope {stack.server}/write, which you did not allow")
    assert granted(page) == {f"{stack.server}/read"}
    press(page, "Fetch MCP Data")
    expect_data(page)
    assert "never stored" not in page.locator(".plain").all_inner_texts()


def test_who_refuses_to_let_it_write_stays_signed_in(context: BrowserContext, stack: Run) -> None:
    page = _logged_in(context, stack)
    add_data(page, "Unwanted", "never stored")
    press(page, "Do not allow")
    expect(page.get_by_role("alert")).to_contain_text("access_denied")
    expect_hello(page, demo(stack))
    press(page, "Fetch MCP Data")
    expect_data(page)


def test_the_page_names_who_asks_and_where_it_leads(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    for kind, name in (("static", "Static client"), ("dcr", "Auto client"), ("cimd", "Metadata client")):
        client = stack.clients[kind]
        page.goto(client)
        press(page, "Log in")
        expect(page).to_have_title(f"Allow {name}?")
        expect(page.get_by_role("definition").filter(has_text=f"{client}/callback")).to_be_visible()
        expect(page.get_by_text("runs on your own computer")).to_be_visible()
        expect(page.get_by_text("See your contexts")).to_be_visible()
    expect(page.get_by_text(f"{stack.clients['cimd']}/client.json")).to_be_visible()


def test_a_whole_login_takes_no_mouse(context: BrowserContext, stack: Run) -> None:
    page = context.new_page()
    page.goto(stack.clients["static"])
    assert _tab(page) == "Skip to content"
    assert _tab(page) == "Log in"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Allow Static client")).to_be_visible()
    assert [_tab(page) for _ in range(2)] == ["Skip to content", "Allow"]
    page.keyboard.press("Enter")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(stack.user.username)
    assert _tab(page) == "Password"
    page.keyboard.type(stack.user.password)
    page.keyboard.press("Enter")
    expect_hello(page, demo(stack))


def test_the_choices_of_consent_come_before_its_buttons_and_each_can_be_reached(
    context: BrowserContext, stack: Run
) -> None:
    page = _logged_in(context, stack)
    add_data(page, "Typed", "without a mouse")
    expect(page.get_by_role("heading", name="Allow Static client")).to_be_visible()
    order = [_tab(page) for _ in range(4)]
    assert order[0] == "Skip to content"
    assert order[1].startswith("Add and change contexts")
    assert order[2:] == ["Allow", "Do not allow"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox")).not_to_be_checked()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("without a mouse").first).to_be_visible()


def _tab(page: Page) -> str:
    """Go one on with the keyboard; the words of what is reached."""
    page.keyboard.press("Tab")
    return page.evaluate(_FOCUSED)
