import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_demo.oauth.challenge import Challenge, build_bearer, parse, parse_bearer

names = st.from_regex(r"[a-z0-9_!#$&'*+.^`|~-]{1,12}", fullmatch=True)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'))


NOTHING: dict[str, str] = {}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param(
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [
                ("Basic", {"realm": "simple"}),
                ("Newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
            ],
            id="RFC 9110 §11.6.1, two challenges in one field",
        ),
        pytest.param('Bearer realm="example"', [("Bearer", {"realm": "example"})], id="RFC 6750 §3"),
        pytest.param(
            'Bearer realm="example",\n                       error="invalid_token"'.replace("\n", " "),
            [("Bearer", {"realm": "example", "error": "invalid_token"})],
            id="RFC 6750 §3, unfolded",
        ),
        pytest.param(
            'Bearer resource_metadata="https://resource.example.com/.well-known/oauth-protected-resource"',
            [("Bearer", {"resource_metadata": "https://resource.example.com/.well-known/oauth-protected-resource"})],
            id="RFC 9728 §5.1",
        ),
        pytest.param("Negotiate", [("Negotiate", NOTHING)], id="a scheme alone"),
        pytest.param("Negotiate a87421000492aa874209af8bc028==", [("Negotiate", NOTHING)], id="token68"),
        pytest.param(
            'Negotiate abc=, Bearer realm="x"',
            [("Negotiate", NOTHING), ("Bearer", {"realm": "x"})],
            id="token68 and more",
        ),
        pytest.param(
            'Negotiate, Bearer realm="x"', [("Negotiate", NOTHING), ("Bearer", {"realm": "x"})], id="bare and more"
        ),
        pytest.param(
            'Bearer scope="a, b", Basic', [("Bearer", {"scope": "a, b"}), ("Basic", NOTHING)], id="quoted comma"
        ),
        pytest.param('Bearer x="Basic realm=y"', [("Bearer", {"x": "Basic realm=y"})], id="a challenge in quotes"),
        pytest.param(', ,Bearer  a="b",, ,\tc=d , ', [("Bearer", {"a": "b", "c": "d"})], id="empty elements"),
        pytest.param('Bearer , realm="x"', [("Bearer", {"realm": "x"})], id="first element empty"),
        pytest.param('Bearer a = "b" , C\t=\td', [("Bearer", {"a": "b", "c": "d"})], id="bad white space"),
        pytest.param("Bearer REALM=x", [("Bearer", {"realm": "x"})], id="names in lower case"),
        pytest.param('Bearer realm=""', [("Bearer", {"realm": ""})], id="empty value"),
        pytest.param('Bearer realm="grüße"', [("Bearer", {"realm": "grüße"})], id="obs-text"),
        pytest.param('Bearer a=1, A=2, Basic realm="x"', [("Basic", {"realm": "x"})], id="repeated parameter"),
        pytest.param("", [], id="empty"),
        pytest.param(" ,, ", [], id="nothing but separators"),
        pytest.param('realm="x"', [], id="no scheme"),
        pytest.param('realm ="x"', [], id="no scheme, bad white space"),
        pytest.param('Bearer realm="x', [("Bearer", NOTHING)], id="open quote"),
        pytest.param('Bearer realm="x" Basic', [("Bearer", NOTHING)], id="no comma between challenges"),
        pytest.param("Bearer Basic realm=x", [("Bearer", NOTHING)], id="two schemes and no comma"),
        pytest.param(
            'Bearer realm="x", error_description=The token expired, scope="a"',
            [("Bearer", {"realm": "x"})],
            id="unquoted words end the reading",
        ),
        pytest.param('Bearer realm="a\x00b"', [("Bearer", NOTHING)], id="control character in quotes"),
        pytest.param('Bearer realm="a"\n', [("Bearer", NOTHING)], id="a line break is no end"),
    ],
)
def test_a_field_is_read_by_its_grammar(field: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(challenge.scheme, challenge.parameters) for challenge in parse([field])] == expected


def test_bearer_is_found_in_any_field_and_any_case() -> None:
    assert parse_bearer(['Basic realm="x"', 'DPoP algs="ES256", bEaReR scope="a b a"']) == Challenge(
        "bEaReR", {"scope": "a b a"}
    )
    assert parse_bearer(['Basic realm="Bearer"']) is None
    assert parse_bearer([]) is None


def test_scopes_are_split_at_spaces_and_named_once() -> None:
    assert Challenge("Bearer", {"scope": " a  b a "}).scopes == ("a", "b")
    assert Challenge("Bearer").scopes == ()


def test_a_challenge_without_parameters_is_the_scheme_alone() -> None:
    assert build_bearer({}) == "Bearer"
    assert build_bearer({"realm": "x", "scope": "a b"}) == 'Bearer realm="x", scope="a b"'


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\r\nSet-Cookie: x", "é", "\x7f"])
def test_a_value_that_could_break_out_is_not_built(value: str) -> None:
    with pytest.raises(ValueError, match="character"):
        build_bearer({"error_description": value})


@pytest.mark.parametrize("name", ["", "a b", 'a"', "a=b", "a,b"])
def test_a_name_that_is_no_token_is_not_built(name: str) -> None:
    with pytest.raises(ValueError, match="character"):
        build_bearer({name: "x"})


@given(st.dictionaries(names, values, max_size=6))
def test_what_is_built_is_read_back(parameters: dict[str, str]) -> None:
    assert parse([build_bearer(parameters)]) == (Challenge("Bearer", parameters),)


@given(st.dictionaries(names, values, max_size=3), st.dictionaries(names, values, max_size=3))
def test_two_challenges_in_one_field_are_read_apart(one: dict[str, str], other: dict[str, str]) -> None:
    assert [challenge.parameters for challenge in parse([f"{build_bearer(one)} , {build_bearer(other)}"])] == [
        one,
        other,
    ]


@given(st.lists(st.text() | st.text('Bearer ,="\\a\t\n'), max_size=3))
def test_any_text_can_be_read(fields: list[str]) -> None:
    assert all(challenge.scheme for challenge in parse(fields))


def test_a_long_hostile_field_is_read_in_linear_time() -> None:
    for piece in ('a="\\"', "a=b, ", "Bearer ", "a \t", ", ", "=", '"'):
        parse([piece * 20_000])
