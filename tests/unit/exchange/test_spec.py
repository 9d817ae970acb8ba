"""Every tag that the code base uses leads somewhere."""

import ast
from pathlib import Path

import pytest

import mcp_demo
from mcp_demo.exchange import spec

PACKAGE = Path(mcp_demo.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    ("tag", "url"),
    [
        ("RFC 9728 §3.1", "https://www.rfc-editor.org/rfc/rfc9728#section-3.1"),
        ("RFC 7636 §B", "https://www.rfc-editor.org/rfc/rfc7636#appendix-B"),
        ("RFC 8414", "https://www.rfc-editor.org/rfc/rfc8414"),
        (
            "OAuth 2.1 §4.1.3",
            "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13#section-4.1.3",
        ),
        (
            "MCP 2026-07-28 Authorization › Scope Challenge Handling",
            "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#scope-challenge-handling",
        ),
        (
            "MCP 2026-07-28 Client Registration",
            "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization/client-registration",
        ),
        (
            "Cognito docs › Token endpoint",
            "https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html",
        ),
    ],
)
def test_a_tag_resolves_to_its_section(tag: str, url: str) -> None:
    assert spec.url(tag) == url


@pytest.mark.parametrize("tag", ["RFC", "MCP 2026-07-28 Nowhere › X", "Cognito docs › Nothing", "ISO 8601 §2"])
def test_an_unknown_tag_is_an_error(tag: str) -> None:
    with pytest.raises(KeyError):
        spec.url(tag)


def spec_values(tree: ast.AST) -> list[str]:
    """The literal `spec=` arguments of calls."""
    return [
        keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "spec" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_tags_of_a_module_resolve(path: Path) -> None:
    source = path.read_text()
    for tag in (*spec.find_tags(source), *spec_values(ast.parse(source))):
        assert spec.url(tag).startswith("https://"), tag
