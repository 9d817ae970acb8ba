from mcp_demo.web.pages import Pages

PAGES = Pages("mcp_demo.web", product="<b>demo</b>")


def test_text_of_strangers_stays_text() -> None:
    page = PAGES.render("error.html", heading="<script>alert(1)</script>", explanation="&", back="x")
    assert b"<script>" not in page.body and b"<b>demo" not in page.body


def test_a_page_runs_no_script_and_cannot_be_framed() -> None:
    policy = PAGES.render("error.html", heading="h", explanation="e").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
    assert "form-action 'self'" in policy


def test_each_page_has_a_nonce_of_its_own() -> None:
    first, second = (PAGES.render("error.html", heading="h", explanation="e") for _ in range(2))
    assert first.headers["content-security-policy"] != second.headers["content-security-policy"]


def test_a_form_that_redirects_anywhere_is_not_restricted() -> None:
    page = PAGES.render("error.html", heading="h", explanation="e", form_action=None)
    assert "form-action" not in page.headers["content-security-policy"]
