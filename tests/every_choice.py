"""Each choice that `mcp-demo deploy --set` takes, other than as it comes. What is new there has to be added here."""

import hashlib

from company import SECRET

from mcp_demo.deploy.choices import CHOOSABLE, Choices
from mcp_demo.deploy.profile import Profile

DOMAIN = "demo.example"
TOKEN = "let-me-in"
"""Registering takes it."""
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"


def every_choice(aws: Profile, issuer: str) -> Choices:
    """Make what some choices need beside them, a zone and two secrets; `issuer` is an OpenID Connect provider."""
    zone = aws.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="all")["HostedZone"]["Id"]
    zone = zone.rpartition("/")[2]
    for name in ("mcp-demo-company", "mcp-demo-google"):
        aws.client("secretsmanager").create_secret(Name=name, SecretString=SECRET)
    chosen: Choices = {
        "endpoints": {"DomainName": DOMAIN, "HostedZoneId": zone, "LogRetentionDays": "14"},
        "identity": {
            "Mfa": "ON", "Sms": "on", "PoolDomainName": f"login.{DOMAIN}", "PoolCertificateArn": CERTIFICATE,
            "HostedZoneId": zone, "AccentColor": "0a5c36", "OidcIssuer": issuer, "OidcName": "Company",
            "OidcClientId": "the-pool", "OidcSecret": "mcp-demo-company", "GoogleSecret": "mcp-demo-google",
            "GoogleClientId": "1-a.apps.googleusercontent.com", "SamlMetadataUrl": "https://idp.example/metadata.xml",
            "SamlName": "Partner", "MailFrom": "no-reply@demo.example", "MailIdentity": DOMAIN, "Messages": "own",
            "ThreatProtection": "ENFORCED", "RefreshGraceSeconds": "10",
        },
        "registration": {
            "Strategy": "per-client", "PrivateSchemes": "cursor,vscode", "RedirectUris": "localhost", "Scopes": "read",
            "Approval": "administrator", "ApprovalEmail": "admin@demo.example", "ApiKeys": "on",
            "InitialAccessTokens": f"ci:{hashlib.sha256(TOKEN.encode()).hexdigest()}", "RegistrationsPerDay": "50",
            "DomainName": DOMAIN, "HostedZoneId": zone, "TruststoreUri": "s3://trust/ca.pem", "UnusedDays": "7",
            "MaxClients": "100", "RequestsPerSecond": "20", "Burst": "40", "ApiLogRole": "existing",
            "LogRetentionDays": "14",
        },
        "server": {
            "Architecture": "x86_64", "DocumentHosts": "localhost,*.demo.example", "Tracing": "Active",
            "KeyRotationDays": "60", "LogRetentionDays": "14",
        },
        "hardening": {
            "AlarmEmail": "admin@demo.example", "Registrations": "10", "RefusedTokens": "20", "Firewall": "on",
            "RequestsPerAddress": "500",
        },
    }  # fmt: skip
    assert {stack: set(values) for stack, values in chosen.items()} == {k: set(v) for k, v in CHOOSABLE.items()}
    return chosen
