"""The look of the sign-in pages: CSS from the pool, logo and colours from the settings."""

from collections.abc import Generator
from pathlib import Path

import pytest
from domain_harness import Browser, Harness, running_harness

from mcp_demo.errors import SetupError
from mcp_demo.settings import Branding

LOGO = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Generator[Harness]:
    with running_harness(tmp_path_factory.mktemp("aws")) as made:
        made.api.create_user_pool_domain(UserPoolId=made.settings.user_pool_id, Domain="a-domain")
        yield made


async def login_page(harness: Harness, branding: Branding | None = None) -> str:
    browser = Browser(harness.app(branding=branding), harness.public)
    await browser.authorize()
    return (await browser.follow()).text


async def test_the_pages_carry_the_css_of_the_pool(harness: Harness) -> None:
    css = ".submitButton-customizable { background-color: #123456; }"
    harness.api.set_ui_customization(UserPoolId=harness.settings.user_pool_id, CSS=css)
    page = await login_page(harness)
    assert css in page
    assert 'class="primary full submitButton-customizable"' in page
    other = ".submitButton-customizable { background-color: #654321; }"
    harness.api.set_ui_customization(UserPoolId=harness.settings.user_pool_id, ClientId=harness.public, CSS=other)
    assert other in await login_page(harness)


@pytest.mark.parametrize(
    "css",
    [
        "</style><script>alert(1)</script>",
        "input { background: url(https://evil.example/) }",
        "input { background: URL (https://evil.example/) }",
        "@import 'https://evil.example/';",
        "input { background: \\75rl(https://evil.example/) }",
    ],
)
async def test_css_that_loads_something_or_has_markup_is_left_out(harness: Harness, css: str) -> None:
    harness.api.set_ui_customization(UserPoolId=harness.settings.user_pool_id, ClientId=harness.public, CSS=css)
    page = await login_page(harness)
    assert "evil.example" not in page
    assert "<script>" not in page


async def test_logo_and_colours_come_from_the_settings(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text(LOGO)
    page = await login_page(harness, Branding(logo=tmp_path / "logo.svg", accent="#0a0b0c", background="#fefdfc"))
    assert 'src="data:image/svg+xml;base64,' in page  # in an img, where no script of an SVG runs
    assert "--accent: #0a0b0c" in page
    assert "--bg: #fefdfc" in page
    assert "Local stand-in" in page


@pytest.mark.parametrize(("name", "size"), [("logo.svg", 100_001), ("logo.txt", 10), ("missing.png", None)])
def test_a_logo_that_cannot_be_used_is_told_at_the_start(
    harness: Harness, tmp_path: Path, name: str, size: int | None
) -> None:
    if size is not None:
        (tmp_path / name).write_bytes(b"x" * size)
    with pytest.raises(SetupError, match="logo"):
        harness.app(branding=Branding(logo=tmp_path / name))
