"""The doctor at the bedside of planted bugs, dead ports and bad certificates. With a user pool: tests/integration."""

import json
import logging
import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from conformance import catalogue, doctor_illnesses, doctor_login
from conformance.doctor import examine
from conformance.doctor_findings import Diagnosis, Finding
from conformance.mutants import authz_matrix, authz_reference, matrix
from conformance.mutants.in_process import InProcess
from conformance.mutants.plant import Answer, Forward, Seen, around
from conformance.mutants.reference import Lab, Wrapper, served
from conformance.session import Session
from conformance.target import Target
from mcp_demo.cli import app

_RS = {mutant.name: mutant for mutant in matrix.MUTANTS}
_AS = {mutant.name: mutant for mutant in authz_matrix.MUTANTS}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _server(wrapper: Wrapper, *, host: str = "localhost") -> Diagnosis:
    """The diagnosis of the reference server, whose authorization server has hardly any metadata."""
    network = InProcess()
    try:
        with served(wrapper, host=host, network=network) as target:
            return examine(target, session=Session(target, transport=network))
    finally:
        network.end()


def _bridge(name: str) -> Diagnosis:
    """The diagnosis of the reference bridge with a planted bug; the server before it takes no token at all."""
    network, planted = InProcess(), _AS[name]
    try:
        with authz_reference.served(network, planted.wrap, prepare=planted.prepare, **planted.options) as target:
            return examine(target, session=Session(target, transport=network))
    finally:
        network.end()


def _states(found: Diagnosis) -> dict[str, str]:
    return {seen.layer: seen.state for seen in found.layers}


def _first(found: Diagnosis) -> Finding:
    assert found.exit_code == 1
    return found.findings[0]


@pytest.mark.parametrize(
    ("bug", "layer", "name"),
    [
        ("answers_200_with_an_error", "server", "The server lets everybody in"),
        ("forbids_without_token", "server", "Something in front of the server refuses the request"),
        ("sends_no_challenge", "server", "The 401 does not say how to get in"),
        ("guards_the_metadata", "resource metadata", "The metadata itself asks for a token"),
        ("serves_a_web_page", "resource metadata", "The metadata is not JSON"),
        ("has_no_metadata", "resource metadata", "There is no resource metadata"),
        ("names_a_relative_url", "resource metadata", "The metadata URL in the 401 is relative"),
        ("names_a_dead_url", "resource metadata", "The metadata URL in the 401 leads nowhere"),
        ("adds_a_slash_to_the_resource", "resource metadata", "The resource ends with a slash"),
        (
            "names_the_origin_as_resource",
            "resource metadata",
            "The metadata speaks of another resource than the URL that people use",
        ),
        ("names_no_server", "resource metadata", "The metadata names no authorization server"),
        ("lists_offline_access", "resource metadata", "The server asks for the scope offline_access"),
    ],
)
def test_the_first_layer_that_is_ill_is_named_first(bug: str, layer: str, name: str) -> None:
    found = _first(_server(_RS[bug].wrap))
    assert (found.layer, found.name) == (layer, name)


def test_one_cause_is_one_finding() -> None:
    found = _server(_RS["adds_a_slash_to_the_resource"].wrap)
    assert [item.check for item in found.findings if item.layer == "resource metadata"] == [
        "rs.metadata.no-trailing-slash"
    ]


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("asks_preflights_for_a_token", "OPTIONS is refused, so no web page gets in"),
        ("exposes_nothing", "Web pages cannot read the 401"),
        ("hides_metadata_from_pages", "Web pages cannot read the resource metadata"),
        ("forgets_the_new_headers", "Web pages may not send the headers of MCP, or not from this origin"),
    ],
)
def test_what_keeps_web_pages_out_is_the_browser_layer(bug: str, name: str) -> None:
    found = _server(_RS[bug].wrap)
    assert name in [item.name for item in found.findings if item.layer == "browser"]
    assert {item.layer for item in found.findings} == {"authorization server", "browser"}  # it has hardly any metadata


def test_a_server_without_cors_is_told_what_that_means() -> None:
    async def no_cors(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        if seen.method == "OPTIONS":
            return Answer(401, [(b"www-authenticate", b"Bearer")])
        answer = await forward(seen)
        return replace(answer, headers=[pair for pair in answer.headers if not pair[0].startswith(b"access-control")])

    network = InProcess()
    with served(around(no_cors), network=network) as target:
        for origin, state in ((None, "note"), ("http://localhost:6274", "wrong")):
            asked = replace(target, origin=origin)
            found = examine(asked, session=Session(asked, transport=network))
            assert _states(found)["browser"] == state
    network.end()


@pytest.mark.parametrize(
    ("bug", "check"),
    [
        ("has_no_metadata", "as.metadata.published"),
        ("no_pkce", "as.metadata.pkce"),
        ("issuer_with_slash", "as.metadata.issuer"),
        ("dead_endpoint", "as.metadata.truthful"),
        ("registration_not_deployed", "as.metadata.truthful"),
    ],
)
def test_what_is_wrong_with_the_authorization_server_is_named(bug: str, check: str) -> None:
    found = _bridge(bug)
    assert [item.check for item in found.findings if item.layer != "browser"] == [check]
    assert _states(found)["token"] == "unknown"


def test_what_depends_on_an_ill_layer_is_unknown_and_not_wrong() -> None:
    states = _states(_server(_RS["has_no_metadata"].wrap))
    assert states["resource metadata"] == "wrong"
    assert {states[layer] for layer in ("authorization server", "registration", "sign-in", "Cognito", "token")} == {
        "unknown"
    }


@pytest.mark.parametrize("status", [301, 404, 502])
def test_an_address_that_serves_something_else_is_told_apart(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"location": f"{request.url}/"})

    target = Target("http://localhost:1/mcp")
    found = examine(target, session=Session(target, transport=httpx.MockTransport(answer)))
    assert _first(found).layer == "server"
    assert _states(found)["resource metadata"] == "unknown"
    assert len(found.findings) == 1


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_wrong_clock_is_named_and_hides_nothing(skew: int) -> None:
    async def late(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        moved = datetime.now(UTC).timestamp() + skew
        return answer.with_header(b"date", formatdate(moved, usegmt=True).encode())

    found = [item for item in _server(around(late)).findings if item.name == "The clock is wrong"]
    assert [item.layer for item in found] == ["server"]
    assert ("ahead" if skew > 0 else "behind") in found[0].saw


def test_a_dead_port_is_a_network_matter() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody accepts
        found = examine(Target(f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"))
    assert (_first(found).layer, _first(found).name) == ("network", "Nobody listens there")
    assert set(list(_states(found).values())[1:]) == {"unknown"}


def test_an_authorization_server_that_does_not_answer_is_ill_and_not_unknown() -> None:
    async def elsewhere(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        servers = ["http://localhost:1/as"]
        return (
            answer.document(lambda found: found.update(authorization_servers=servers)) if seen.at_metadata else answer
        )

    found = _server(around(elsewhere))
    assert (_first(found).layer, _first(found).name) == ("authorization server", "Nobody listens there")
    assert "http://localhost:1/" in _first(found).saw
    assert _states(found)["sign-in"] == "unknown"


def test_plain_http_on_an_https_port_is_a_tls_matter() -> None:
    with served() as target:
        found = examine(replace(target, url=target.url.replace("http://", "https://")))
    assert (_first(found).layer, _first(found).name) == ("TLS", "The port does not speak TLS")


@pytest.mark.parametrize(
    ("names", "days", "own", "name"),
    [
        ("localhost", 10, True, "The certificate is self-signed"),
        ("localhost", -1, False, "The certificate has expired"),
        ("mcp.example", 10, False, "The certificate is for another name"),
        ("localhost", 10, False, "Nobody known vouches for the certificate"),
    ],
)
def test_a_bad_certificate_is_told_by_what_is_bad_about_it(
    names: str, days: int, own: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, chain = _certificates(tmp_path, names, days, own=own)
    if name != "Nobody known vouches for the certificate":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with _tls(chain) as port:
        found = examine(Target(f"https://localhost:{port}/mcp"))
    assert (_first(found).layer, _first(found).name) == ("TLS", name)
    assert names in _first(found).saw
    assert _states(found)["server"] == "unknown"


def test_every_row_of_the_table_is_of_a_check_that_can_be_explained() -> None:
    known = {check.id for check in catalogue.load() if check.judge is not None}
    assert {row.check for row in doctor_illnesses.ILLNESSES} <= known
    assert {name for row in doctor_illnesses.ILLNESSES for name in row.covers} <= known


def test_the_page_about_the_doctor_names_all_that_it_recognises() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    names = {row.name for row in doctor_illnesses.ILLNESSES} | {row[1] for row in doctor_login.ROWS.values()}
    assert [name for name in sorted(names) if f"| {name} |" not in page] == []


def test_the_terminal_says_the_layer_the_cure_and_where_to_read_on() -> None:
    with served(_RS["names_a_relative_url"].wrap) as target:
        run = CliRunner().invoke(app, ["doctor", target.url])
    assert run.exit_code == 1
    for words in ("✗ resource metadata", "Change", "MCP_DEMO_MCP_URL", "explain rs.metadata.named-url"):
        assert words in run.stdout
    assert "Mend this first: resource metadata." in run.stdout.splitlines()[-1]


def test_json_is_alone_on_stdout_and_has_every_layer() -> None:
    with served(_RS["guards_the_metadata"].wrap) as target:
        run = CliRunner().invoke(app, ["doctor", target.url, "--json"])
    document = json.loads(run.stdout)
    assert run.exit_code == document["verdict"]["exit_code"] == 1
    assert document["layers"][0]["layer"] == "network"
    assert len(document["layers"]) == 10
    assert document["findings"][0]["check"] == "rs.metadata.served"


def test_nothing_that_runs_is_an_environment_problem(tmp_path: Path) -> None:
    from mcp_demo.errors import SetupError

    run = CliRunner().invoke(app, ["doctor", "--state", str(tmp_path)])
    assert isinstance(run.exception, SetupError)  # `main` makes that exit code 4


@pytest.mark.parametrize("url", ["localhost:3001/mcp", "ftp://host/mcp", "not a url"])
def test_what_is_no_url_is_a_usage_error(url: str) -> None:
    assert CliRunner().invoke(app, ["doctor", url]).exit_code == 2


@contextmanager
def _tls(chain: Path) -> Generator[int]:
    """A port that shakes hands, and cuts whoever trusts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    with connection, context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(1)
                except OSError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _certificates(folder: Path, name: str, days: int, *, own: bool) -> tuple[Path, Path]:
    """An authority, and a certificate of it, or one that vouches for itself."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
    leaf = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)

    def build(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=30)).add_extension(names, critical=False)
        return builder.add_extension(x509.BasicConstraints(ca=subject == root, path_length=None), critical=True)

    authority = build(root, root, key.public_key()).not_valid_after(now + timedelta(days=9)).sign(key, SHA256())
    signed = build(leaf, leaf if own else root, other.public_key()).not_valid_after(now + timedelta(days=days))
    certificate = signed.sign(other if own else key, SHA256())
    pem = folder / "authority.pem"
    pem.write_bytes(authority.public_bytes(Encoding.PEM))
    chain = folder / "chain.pem"
    private = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return pem, chain
