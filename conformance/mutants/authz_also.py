"""The checks that rightly turn red beside the one that claims a bug: one defect can break several rules."""

from conformance import catalogue


def also(name: str) -> frozenset[str]:
    """The other checks that turn red with the bug of this name."""
    return _ALSO.get(name, frozenset())


def _everything(*but: str) -> frozenset[str]:
    """Every check that has a function; without metadata there is nothing to judge."""
    judged = (check.id for check in catalogue.load() if check.role == "authorization-server" and not check.excluded)
    return frozenset(judged) - set(but)


_ALSO: dict[str, frozenset[str]] = {
    "any_login": frozenset({"as.proxy.state-after-consent"}),
    "any_method": frozenset({"as.authorize.parameters"}),
    "any_redirect_uri": frozenset({"as.registration.errors"}),
    "appends_the_well_known_part": _everything("as.metadata.location"),
    "challenge_optional": frozenset({"as.authorize.pkce-required", "as.code.verifier"}),
    "early_cookie": frozenset({"as.proxy.state"}),
    "errors_as_200": frozenset(
        {
            "as.authorize.no-legacy-grants",
            "as.authorize.parameters",
            "as.code.client-bound",
            "as.code.redirect-bound",
            "as.code.verifier",
            "as.metadata.truthful",
            "as.token.client-auth",
        }
    ),
    "has_no_metadata": _everything("as.metadata.published", "as.metadata.location"),
    "hides_documents": frozenset({"as.documents.supported"}),
    "ignores_documents": frozenset(
        {
            "as.documents.auth-method",
            "as.documents.id-match",
            "as.documents.redirect",
            "as.documents.redirect-host",
            "as.documents.supported",
            "as.documents.url-form",
            "as.documents.valid",
            "as.documents.warnings",
            "as.fetching.cache",
            "as.fetching.failure",
            "as.fetching.limits",
            "as.fetching.no-cache-bad",
            "as.fetching.ssrf",
        }
    ),
    "inner_http": frozenset({"as.cors.endpoints"}),
    "issuer_with_slash": frozenset({"as.response.iss-identical"}),
    "kept_for_ever": frozenset({"as.documents.redirect"}),
    "native_refused": frozenset(
        {
            "as.proxy.consent-page",
            "as.registration.echo",
            "as.registration.errors",
            "as.registration.offered",
            "as.registration.privilege-cap",
            "as.registration.redirect-policy",
            "as.registration.response",
            "as.registration.unique",
        }
    ),
    "no_iss_on_refusal": frozenset({"as.response.iss-flag"}),
    "no_management_token": frozenset({"as.management.lifecycle"}),
    "one_client": frozenset(
        {
            "as.authorize.clickjacking",
            "as.authorize.no-legacy-grants",
            "as.authorize.parameters",
            "as.authorize.pkce-method",
            "as.authorize.pkce-required",
            "as.code.client-bound",
            "as.code.downgrade",
            "as.code.redirect-bound",
            "as.code.single-use",
            "as.code.verifier",
            "as.cors.not-authorize",
            "as.management.lifecycle",
            "as.metadata.truthful",
            "as.redirect.exact",
            "as.redirect.loopback-narrow",
            "as.redirect.loopback-port",
            "as.redirect.no-open",
            "as.redirect.untrusted",
            "as.refresh.bound",
            "as.refresh.rotation",
            "as.response.iss",
            "as.response.iss-flag",
            "as.response.iss-identical",
            "as.response.state",
            "as.token.audience",
            "as.token.client-auth",
            "as.token.client-types",
            "as.token.invalid-target",
            "as.token.no-store",
            "as.token.resource-case",
            "as.token.response",
            "as.token.scope",
            "as.token.short-lived",
        }
    ),
    "only_an_id": frozenset({"as.registration.auth-method", "as.token.client-types"}),
    "port_counts": frozenset({"as.documents.redirect"}),
    "prefix": frozenset({"as.documents.redirect"}),
    "refusal_unknown": frozenset({"as.proxy.consent"}),
    "registration_not_deployed": frozenset(
        {
            "as.cors.endpoints",
            "as.metadata.truthful",
            "as.proxy.consent-page",
            "as.registration.application-type",
            "as.registration.auth-method",
            "as.registration.echo",
            "as.registration.errors",
            "as.registration.privilege-cap",
            "as.registration.redirect-policy",
            "as.registration.response",
            "as.registration.unique",
            "as.token.client-auth",
            "as.token.client-types",
        }
    ),
    "secret_for_all": frozenset(
        {
            "as.metadata.truthful",
            "as.token.client-auth",
            "as.token.client-types",
        }
    ),
    "token_only_if_sent": frozenset(
        {
            "as.cors.endpoints",
        }
    ),
    "waits_long": frozenset({"as.fetching.failure"}),
    "unknown_code": frozenset(
        {
            "as.code.client-bound",
            "as.code.redirect-bound",
            "as.code.single-use",
            "as.code.verifier",
            "as.refresh.bound",
            "as.refresh.rotation",
        }
    ),
}
