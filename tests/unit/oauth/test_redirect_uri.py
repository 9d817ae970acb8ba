from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth.redirect_uri import is_loopback, is_registered, objection, with_parameters, without_port

ports = st.integers(min_value=1, max_value=65535)
hosts = st.sampled_from(["localhost", "127.0.0.1", "[::1]"])
tails = st.sampled_from(["", "/", "/cb", "/cb/", "/cb?a=b:1", "?x=:80", "/:80"])

HTTPS = "https://app.example/cb"


@pytest.mark.parametrize(
    "requested",
    [
        HTTPS + "x",
        "x" + HTTPS,
        HTTPS + "/more",
        HTTPS + "/",
        HTTPS + "?a=b",
        HTTPS + "#a",
        "https://APP.example/cb",
        "https://app.example/%63b",
        "https://app.example/a/../cb",
        "https://good@app.example/cb",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "http://app.example/cb",
        "https://app.example.evil.example/cb",
        "",
    ],
)
def test_an_https_uri_matches_byte_for_byte(requested: str) -> None:
    assert is_registered(HTTPS, ["https://other.example/", HTTPS])
    assert not is_registered(requested, [HTTPS])


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
        ("http://localhost/cb", "http://localhost:61023/cb"),
        ("http://[::1]/cb", "http://[::1]:1/cb"),
        ("http://localhost:8787/cb", "http://localhost:65535/cb"),
        ("http://localhost:8787/cb", "http://localhost/cb"),
        ("http://127.0.0.1:33418/", "http://127.0.0.1:33419/"),
        ("http://localhost", "http://localhost:5"),
    ],
)
def test_the_port_of_a_loopback_uri_may_vary(registered: str, requested: str) -> None:
    assert is_registered(requested, [registered])


@pytest.mark.parametrize(
    "requested",
    [
        "http://127.0.0.1:5/cb",
        "https://localhost:5/cb",
        "http://localhost:5/cb/",
        "http://localhost:5/CB",
        "http://localhost:5/cb?x",
        "http://localhost:5/cb#x",
        "http://localhost:5",
        "http://localhost.evil.example:5/cb",
        "http://localhost@evil.example:5/cb",
        "http://evil.example@localhost:5/cb",
        "http://localhost:5@evil.example/cb",
        "http://localhost:5\\@evil.example/cb",
        "http://localhost:/cb",
        "http://localhost:0/cb",
        "http://localhost:65536/cb",
        "http://localhost:999999999999/cb",
        "http://localhost:-1/cb",
        f"http://localhost:{'9' * 5000}/cb",
        "http://localhost:5x/cb",
        "http://localhost:٥/cb",
        "http://localhost:5\t/cb",
        "http://local\nhost:5/cb",
        " http://localhost:5/cb",
        "http://localhost:5/cb\n",
        "HTTP://localhost:5/cb",
        "http://[::1/cb",
    ],
)
def test_nothing_but_the_port_may_vary(requested: str) -> None:
    assert not is_registered(requested, ["http://localhost/cb"])


def test_a_malformed_registration_does_not_spoil_the_others() -> None:
    known = ["http://localhost:99999/cb", "http://[::1", "nonsense", "http://localhost/cb"]
    assert is_registered("http://localhost:5/cb", known)


@given(hosts, tails, ports, ports)
def test_any_two_ports_match_on_loopback_and_never_elsewhere(host: str, tail: str, one: int, other: int) -> None:
    assert is_registered(f"http://{host}:{one}{tail}", [f"http://{host}:{other}{tail}"])
    assert is_registered(f"https://{host}:{one}{tail}", [f"https://{host}:{other}{tail}"]) is (one == other)


@given(hosts, tails, ports)
def test_cutting_the_port_leaves_the_rest(host: str, tail: str, port: int) -> None:
    assert without_port(f"http://{host}:{port}{tail}") == f"http://{host}{tail}"
    assert without_port(f"http://{host}{tail}") == f"http://{host}{tail}"


def test_a_port_is_cut_once_and_at_its_place() -> None:
    assert without_port("http://a:80/a:80?a:80") == "http://a/a:80?a:80"
    assert without_port("http://u:80@a:80/") == "http://u:80@a/"
    assert without_port("com.example.app:/cb") == "com.example.app:/cb"
    with pytest.raises(ValueError, match="range"):
        without_port("http://a:65536/")


@given(st.text(), st.lists(st.text(), max_size=3))
def test_any_text_can_be_compared(requested: str, registered: list[str]) -> None:
    assert is_registered(requested, registered) is (requested in registered)


@pytest.mark.parametrize(
    "uri",
    ["http://user@localhost/cb", "http://@localhost/cb", "http://localhost/a b", "http://localhost/\\", "localhost/"],
)
def test_what_a_browser_may_read_otherwise_is_not_loopback(uri: str) -> None:
    assert not is_loopback(uri)


@given(st.text("htp:/localhost127.0[]@#?\\5\t "))
def test_what_counts_as_loopback_is_loopback_for_a_url_parser_too(uri: str) -> None:
    if is_loopback(uri):
        assert urlsplit(uri).hostname in {"localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "uri",
    [
        HTTPS,
        "https://app.example:8443/cb?x=y",
        "https://127.0.0.1/cb",
        "https://[2001:db8::1]/cb",
        "http://localhost:8787/callback",
        "http://127.0.0.1:33418/",
        "http://[::1]/cb",
        "http://LOCALHOST/cb",
        "cursor://anysphere.cursor-retrieval/oauth/user-mcp/callback",
        "com.example.app:/oauth2redirect/example-provider",
    ],
)
def test_a_uri_of_a_real_client_meets_no_objection(uri: str) -> None:
    assert objection(uri) is None


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("/relative", "absolute"),
        ("", "absolute"),
        ("app.example/cb", "absolute"),
        ("https://app.example/c b", "absolute"),
        ("https://app.example/cb\n", "absolute"),
        ("https://app.example/*\\", "absolute"),
        ("https://app.example/cb#x", "fragment"),
        ("https://app.example/cb#", "fragment"),
        ("javascript:alert(1)", "javascript"),
        ("JavaScript://%0aalert(1)", "javascript"),
        ("data:text/html,x", "data"),
        ("file:///etc/passwd", "file"),
        ("vbscript:x", "vbscript"),
        ("urn:ietf:wg:oauth:2.0:oob", "urn"),
        ("cursor:", "nothing else"),
        ("https:app.example/cb", "host"),
        ("https:///cb", "host"),
        ("https://:443/cb", "host"),
        ("https://app.example:/cb", "host"),
        ("https://app.example:0/cb", "host"),
        ("https://app.example:65536/cb", "host"),
        ("https://[::1/cb", "host"),
        ("https://app.example@evil.example/cb", "user information"),
        ("http://app.example/cb", "plain http"),
        ("http://localhost.evil.example/cb", "plain http"),
        ("http://10.0.0.1/cb", "plain http"),
    ],
)
def test_what_cannot_be_a_redirect_uri_is_named(uri: str, reason: str) -> None:
    assert reason in (objection(uri) or "")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://a.example/cb", "https://a.example/cb?code=x+y&state=%26"),
        ("https://a.example/cb?", "https://a.example/cb?code=x+y&state=%26"),
        ("https://a.example/cb?k&e=&p=%20+&x=y;z", "https://a.example/cb?k&e=&p=%20+&x=y;z&code=x+y&state=%26"),
        ("https://a.example/cb?a=b&", "https://a.example/cb?a=b&code=x+y&state=%26"),
        ("cursor://cb", "cursor://cb?code=x+y&state=%26"),
        ("com.example:/cb#f", "com.example:/cb?code=x+y&state=%26#f"),
    ],
)
def test_parameters_are_added_and_the_query_is_retained(uri: str, expected: str) -> None:
    assert with_parameters(uri, {"code": "x y", "state": "&"}) == expected
    assert with_parameters(uri, {}) == uri


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_parameters_are_read_back(parameters: dict[str, str]) -> None:
    url = with_parameters("https://a.example/cb?x=y", parameters)
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("x", "y"), *parameters.items()]
