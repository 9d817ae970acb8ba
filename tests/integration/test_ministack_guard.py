"""The embedded AWS answers programs on this machine, not the web pages that somebody has open meanwhile."""

import json
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mcp_demo.local.ministack import ACCESS_KEY, SECRET_KEY, MiniStack, free_port, running_ministack

PAGE = {"origin": "https://page.example"}
LIST = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "AWSCognitoIdentityProviderService.ListUserPools",
}
KEYS = Credentials(ACCESS_KEY, SECRET_KEY)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[MiniStack]:
    with running_ministack(Path(tmp_path_factory.mktemp("guarded")), free_port()) as running:
        yield running


def call(aws: MiniStack, path: str = "/", **headers: str) -> httpx.Response:
    """A properly signed call of the user pools' API: the keys are known to everybody."""
    body = json.dumps({"MaxResults": 1})
    request = AWSRequest("POST", aws.endpoint + path, data=body, headers=LIST)
    SigV4Auth(KEYS, "cognito-idp", aws.region).add_auth(request)
    return httpx.post(aws.endpoint + path, content=body, headers={**dict(request.headers), **headers})


def test_a_program_is_answered(aws: MiniStack) -> None:
    assert call(aws).json() == {"UserPools": []}


@pytest.mark.parametrize(
    "headers",
    [PAGE, {"origin": "null"}, {"origin": "http://localhost:3000"}, {"sec-fetch-site": "cross-site"}],
)
@pytest.mark.parametrize("path", ["/", "/login", "/oauth2/token", "/_aws/execute-api/x/v1/register"])
def test_a_page_cannot_call_an_aws_api_whatever_path_it_takes(
    aws: MiniStack, path: str, headers: dict[str, str]
) -> None:
    assert call(aws, path, **headers).status_code == 403


def test_a_page_cannot_call_one_by_a_link_that_is_signed_beforehand(aws: MiniStack) -> None:
    request = AWSRequest("GET", f"{aws.endpoint}/?Action=ListUsers&Version=2010-05-08")
    SigV4QueryAuth(KEYS, "iam", aws.region).add_auth(request)
    signed = str(request.url)
    assert httpx.get(signed).status_code == 200
    for path in ("/", "/login"):
        url = signed.replace(f":{aws.port}/", f":{aws.port}{path}")
        assert httpx.get(url, headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/_ministack/ses/messages"])
def test_a_page_cannot_use_the_emulators_own_switches(aws: MiniStack, path: str) -> None:
    assert httpx.post(aws.endpoint + path, headers=PAGE).status_code == 403


@pytest.mark.parametrize(
    "host", ["page.example", "page.example:4566", "127.0.0.1.page.example", "localhost.page.example"]
)
def test_a_foreign_name_that_leads_here_is_refused(aws: MiniStack, host: str) -> None:
    assert call(aws, host=host).status_code == 403
    assert httpx.get(f"{aws.endpoint}/_ministack/ses/messages", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "path", ["/_aws/execute-api/none/v1/register", "/p_1/.well-known/jwks.json", "/oauth2/authorize"]
)
def test_what_is_made_for_browsers_stays_open_to_them(aws: MiniStack, path: str) -> None:
    answer = httpx.get(aws.endpoint + path, headers={**PAGE, "sec-fetch-site": "cross-site"})
    assert "does not answer web pages" not in answer.text
