"""What has to be right before a deployment to AWS: clock, credentials, Region, certificates, quotas, permissions.

Whatever AWS does not tell is `unknown`, never `ok`.
"""

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mcp_demo.deploy.profile import Profile, aws_failures
from mcp_demo.deploy.templates import policy
from mcp_demo.errors import SetupError

State = Literal["ok", "wrong", "unknown", "note"]

MOST_SKEW = 300
"""Seconds that a clock may be off: a signature of Signature Version 4 is good for five minutes."""

SERVICES = (
    "cloudformation", "cognito-idp", "lambda", "apigateway", "apigatewayv2", "dynamodb", "secretsmanager", "logs",
    "events", "s3",
)  # fmt: skip
"""What every deployment uses, as boto3 calls it."""

_FEW_FUNCTIONS_AT_ONCE = 50
_ASK_FOR_MORE = "Ask for more under Service Quotas, in this Region."


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing looked at.

    Attributes:
        topic: What it is about.
        state: `ok`, `wrong`, `unknown` (AWS does not say), `note` (worth knowing).
        text: What was found.
        cure: What to do about it.
    """

    topic: str
    state: State
    text: str
    cure: str = ""


def examine(profile: Profile) -> list[Fact]:
    """All of it, in the order in which a deployment would stumble."""
    region = profile.session.region_name or ""
    facts = [clock(_skew(profile)), _region(profile, region)]
    try:
        with aws_failures():
            who: dict[str, str] = profile.client("sts").get_caller_identity()
    except SetupError as error:
        refused = Fact("credentials", "wrong", error.problem, error.cure)
        rest = ("certificates", "user pools", "app clients", "functions at once", "permissions")
        return [*facts, refused, *(Fact(topic, "unknown", "not asked without credentials") for topic in rest)]
    facts.append(_credentials(who))
    facts.append(certificates(region, _certificates(profile)))
    facts += _quotas(profile)
    facts.append(permissions(who["Arn"], _denied(profile, who)))
    return facts


def clock(skew: float | None) -> Fact:
    """Whether signatures made here are good there (Signature Version 4).

    Args:
        skew: Seconds by which the clock of AWS is ahead of ours; None if it did not say.
    """
    if skew is None:
        return Fact("clock", "unknown", "AWS gave no answer with a date")
    text = f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} AWS"
    if abs(skew) > MOST_SKEW:
        return Fact("clock", "wrong", text, "Set the clock of this machine (NTP, chrony): AWS refuses its signatures.")
    return Fact("clock", "ok", text)


def region_of(region: str, offered: Mapping[str, Collection[str]]) -> Fact:
    """Whether a Region has what is needed.

    Args:
        region: Its name.
        offered: The Regions of each service, as boto3 knows them.
    """
    if not any(region in regions for regions in offered.values()):
        cure = "Check AWS_REGION; for a new Region, upgrade boto3."
        return Fact("region", "wrong", f"{region} is no Region that boto3 knows", cure)
    missing = [service for service, regions in offered.items() if region not in regions]
    if missing:
        return Fact("region", "wrong", f"{region} lacks {', '.join(missing)}", "Choose another one with AWS_REGION.")
    return Fact("region", "ok", f"{region} has all {len(offered)} services")


def certificates(region: str, issued: Collection[str] | None) -> Fact:
    """Whether a sign-in domain of one's own can be had: CloudFront serves it, with a certificate of us-east-1.

    Args:
        region: Where the stacks go. The certificates of the APIs are made there, by the stacks.
        issued: The domains of certificates in us-east-1; None if they are not known.
    """
    if issued is None:
        return Fact("certificates", "unknown", "ACM does not say which there are in us-east-1")
    if issued:
        return Fact("certificates", "ok", f"in us-east-1, for a sign-in domain of yours: {', '.join(sorted(issued))}")
    text = "none in us-east-1; only a sign-in domain of yours needs one there"
    more = "" if region == "us-east-1" else f", not in {region}"
    return Fact("certificates", "note", text, f"For such a domain: request it in us-east-1{more}.")


def quota(topic: str, used: int | None, most: float | None) -> Fact:
    """Whether there is room for one more."""
    if used is None or most is None:
        known = "" if used is None else f"{used} in use; "
        return Fact(topic, "unknown", f"{known}Service Quotas does not say how many there may be")
    text = f"{used} of {most:.0f} in use"
    if used >= most:
        return Fact(topic, "wrong", text, f"Remove one. {_ASK_FOR_MORE}")
    return Fact(topic, "note", text, _ASK_FOR_MORE) if used >= 0.9 * most else Fact(topic, "ok", text)


def functions_at_once(most: int | None) -> Fact:
    """How many calls the functions of an account answer at the same time; a new account may have ten."""
    if most is None:
        return Fact("functions at once", "unknown", "Lambda does not say")
    few = most < _FEW_FUNCTIONS_AT_ONCE
    return Fact("functions at once", "note" if few else "ok", f"{most} in the whole account", _ASK_FOR_MORE * few)


def permissions(arn: str, denied: Collection[str] | None) -> Fact:
    """Whether the caller may do what the deployment calls itself; what CloudFormation calls is not simulated."""
    if arn.endswith(":root"):
        return Fact("permissions", "note", "root may do everything", "Use a role with infrastructure/policies instead.")
    if denied is None:
        return Fact("permissions", "unknown", "iam:SimulatePrincipalPolicy gives no answer")
    if denied:
        cure = "Attach infrastructure/policies/deploy*.json to it."
        return Fact("permissions", "wrong", f"not allowed: {', '.join(sorted(denied))}", cure)
    return Fact("permissions", "ok", "to make stacks and upload code; what CloudFormation then does is not simulated")


def _skew(profile: Profile) -> float | None:
    """Asked without a signature, which a wrong clock would spoil."""
    unsigned = profile.config.merge(Config(signature_version=UNSIGNED))
    sts: Any = profile.session.client("sts", endpoint_url=profile.endpoint, config=unsigned)  # pyright: ignore[reportUnknownMemberType]
    try:
        answer: Any = sts.get_caller_identity()
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        return None
    stamp = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(stamp).timestamp() - time.time() if stamp else None


def _region(profile: Profile, region: str) -> Fact:
    partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
    known = {one: profile.session.get_available_regions(one, partition_name=partition) for one in SERVICES}
    return region_of(region, known)


def _credentials(who: Mapping[str, str]) -> Fact:
    return Fact("credentials", "ok", f"{who['Arn']} in account {who['Account']}")


def _certificates(profile: Profile) -> list[str] | None:
    session: Any = profile.session
    acm = session.client("acm", region_name="us-east-1", endpoint_url=profile.endpoint, config=profile.config)
    pages = acm.get_paginator("list_certificates").paginate(CertificateStatuses=["ISSUED"])
    found = _ask(pages.build_full_result)
    return None if found is None else [one["DomainName"] for one in found["CertificateSummaryList"]]


def _quotas(profile: Profile) -> list[Fact]:
    cognito: Any = profile.cognito()
    limits = _limits(profile)
    pools = _ask(cognito.get_paginator("list_user_pools").paginate(MaxResults=60).build_full_result)
    used = None if pools is None else len(pools["UserPools"])
    ours = [pool["Id"] for pool in pools["UserPools"] if pool["Name"].startswith("mcp-demo")] if pools else []
    counted = [_app_clients(cognito, pool) for pool in ours]
    fullest = None if pools is None or None in counted else max((one for one in counted if one), default=0)
    settings = _ask(profile.client("lambda").get_account_settings)
    return [
        quota("user pools", used, _limit(limits, r"user pools( per .*)?")),
        quota("app clients", fullest, _limit(limits, r"app clients per user pool")),
        functions_at_once(settings["AccountLimit"].get("ConcurrentExecutions") if settings else None),
    ]


def _app_clients(cognito: Any, pool: str) -> int | None:
    pages = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
    found = _ask(pages.build_full_result)
    return None if found is None else len(found["UserPoolClients"])


def _limits(profile: Profile) -> dict[str, float]:
    """The quotas of Cognito, by name; empty if they are not told."""
    pages = profile.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="cognito-idp")
    found = _ask(pages.build_full_result)
    return {one["QuotaName"]: one["Value"] for one in found["Quotas"]} if found else {}


def _limit(limits: Mapping[str, float], name: str) -> float | None:
    return next((value for known, value in limits.items() if re.fullmatch(name, known, re.IGNORECASE)), None)


def _denied(profile: Profile, who: Mapping[str, str]) -> list[str] | None:
    """What of the caller's own calls IAM would refuse; None if it does not say."""
    iam: Any = profile.iam()
    source = _source(who["Arn"])
    denied: list[str] = []
    for statement in policy("deploy")["Statement"]:
        if "Condition" in statement:  # those are about tags and services, which a simulation has to be told
            continue
        actions, resources = _list(statement["Action"]), _list(statement["Resource"])
        concrete = [_concrete(one, profile.session.region_name or "", who["Account"]) for one in resources]
        found = _ask(iam.simulate_principal_policy, PolicySourceArn=source, ActionNames=actions, ResourceArns=concrete)
        if found is None:
            return None
        allowed = {one["EvalActionName"] for one in found["EvaluationResults"] if one["EvalDecision"] == "allowed"}
        denied += [action for action in actions if action not in allowed]
    return denied


def _source(arn: str) -> str:
    """The role of an assumed role, for policies belong to that; one with a path is not found, for sessions hide it."""
    match = re.fullmatch(r"(arn:aws[a-z-]*):sts::(\d+):assumed-role/([^/]+)/.*", arn)
    return f"{match[1]}:iam::{match[2]}:role/{match[3]}" if match else arn


def _concrete(pattern: str, region: str, account: str) -> str:
    """An example of what a pattern of ARNs means, for IAM to simulate."""
    if pattern == "*":
        return pattern
    filled = re.sub(r"^arn:aws:([a-z0-9-]+):\*:\*:", rf"arn:aws:\1:{region}:{account}:", pattern)
    return filled.replace("*", "x")


def _ask(call: Callable[..., Any], **arguments: Any) -> Any:
    """An answer of AWS; None if it has none for us."""
    try:
        return call(**arguments)
    except (ClientError, BotoCoreError):
        return None


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
