import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth.errors import InvalidTarget
from mcp_demo.oauth.resource import canonical, is_loopback_host, is_secure_url, is_uri


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp"),
        ("https://mcp.example.com", "https://mcp.example.com"),
        ("https://mcp.example.com:8443", "https://mcp.example.com:8443"),
        ("https://mcp.example.com/server/mcp", "https://mcp.example.com/server/mcp"),
        ("HTTPS://MCP.Example.COM:443/MCP", "https://mcp.example.com/MCP"),
        ("http://LOCALHOST:80/mcp/", "http://localhost/mcp/"),
        ("http://localhost:443/", "http://localhost:443/"),
        ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://[::1]:3001/a", "https://[::1]:3001/a"),
        ("https://a.example/mcp?", "https://a.example/mcp?"),
        ("https://a.example?x=%2F", "https://a.example?x=%2F"),
        ("https://a.example/a/../b//c", "https://a.example/a/../b//c"),
        ("myapi://Server/Path", "myapi://server/Path"),
    ],
)
def test_only_scheme_host_and_default_port_are_normalised(value: str, expected: str) -> None:
    assert canonical(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "mcp.example.com",
        "https://mcp.example.com#fragment",
        "https://mcp.example.com#",
        "https:///mcp",
        "/mcp",
        "",
        "urn:example:mcp",
        "https://user@a.example/mcp",
        "https://@a.example/mcp",
        "https://a.example:65536/mcp",
        "https://a.example:x/mcp",
        "https://a.example:0/mcp",
        "https://[::1/mcp",
        "https://a.example/m\tcp",
        " https://a.example/mcp",
        "https://a.example/mcp\n",
        "https://a.example\\@evil.example/",
        "https://bücher.example/mcp",
        "https://a.example/%zz",
    ],
)
def test_what_is_no_absolute_uri_is_no_target(value: str) -> None:
    with pytest.raises(InvalidTarget):
        canonical(value)


@given(st.text() | st.text("htps:/[]@.#?1a"))
def test_canonical_is_idempotent_and_raises_nothing_else(value: str) -> None:
    try:
        once = canonical(value)
    except InvalidTarget:
        return
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://a.example", True),
        ("HTTPS://a.example/token?x=y", True),
        ("https://a.example:65535/", True),
        ("http://localhost:3004/token", True),
        ("http://127.0.0.1/", True),
        ("http://[::1]:1/", True),
        ("http://a.example", False),
        ("http://127.0.0.2/", False),
        ("http://0.0.0.0/", False),
        ("http://localhost.evil.example/", False),
        ("http://localhost@evil.example/", False),
        ("https://good.example@evil.example/", False),
        ("https://a.example:65536/", False),
        ("https://a.example:port/", False),
        ("https://", False),
        ("https:a.example", False),
        ("ftp://a.example", False),
        ("javascript:alert(1)", False),
        ("//a.example", False),
        ("https://[::1", False),
        ("https://good.example\\@evil.example/", False),
        ("https://a.example/ x", False),
        ("\x00https://a.example", False),
        ("", False),
    ],
)
def test_credentials_travel_by_https_or_to_loopback(url: str, secure: bool) -> None:
    assert is_secure_url(url) is secure


@pytest.mark.parametrize("host", [None, "", "localhost.", "127.1", "::ffff:127.0.0.1", "example.com"])
def test_only_three_names_are_loopback(host: str | None) -> None:
    assert not is_loopback_host(host)


@given(st.text())
def test_a_uri_is_ascii_without_spaces(value: str) -> None:
    assert not is_uri(value) or (value.isascii() and not set(value) & set(' "<>\\^`{|}\r\n\t'))
