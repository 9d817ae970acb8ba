"""A person's browser without a browser: forms and redirects, in this process."""

from urllib.parse import urlencode, urljoin

import httpx

from conformance.journey import Journey, Stop
from conformance.mutants.in_process import InProcess
from conformance.views.answers import response
from conformance.views.forms import form_of, leads_to, new_cookies, text_of
from mcp_demo.exchange import model


class PlainTraveller:
    """A person whose browser shows forms only, and keeps its cookies for the whole run."""

    def __init__(self, network: InProcess) -> None:
        self._http = httpx.Client(transport=network)
        self._cookies: dict[str, dict[str, str]] = {}

    def __call__(self, authorization_url: str, redirect_uri: str) -> str:
        """Agree to everything."""
        return self.travel(authorization_url, redirect_uri).returned or ""

    def travel(self, url: str, redirect_uri: str, *, approve: bool = True) -> Journey:
        """From form to form, from redirect to redirect."""
        hops, stops = [url], list[Stop]()
        exchange = self._open("GET", url, b"")
        for _ in range(8):
            answered = response(exchange)
            target = answered.header("location")
            if answered.status // 100 == 3 and target:
                target = urljoin(exchange.request.url, target)
                hops.append(target)
                if leads_to(target, redirect_uri):
                    return Journey(target, tuple(hops), tuple(stops))
                exchange = self._open("GET", target, b"")
                continue
            form = form_of(exchange)
            sent = form.pressed(approve=approve) if form else None
            if form is None or sent is None:
                break
            page = answered.body.decode()
            stops.append(Stop(exchange.request.url, text_of(page), page))
            exchange = self._open("POST", form.action, urlencode(sent).encode())
        return Journey(None, tuple(hops), tuple(stops), f"The pages lead no further than {exchange.request.url[:60]}.")

    def _open(self, method: str, url: str, body: bytes) -> model.Exchange:
        host = httpx.URL(url).netloc.decode()
        jar = self._cookies.setdefault(host, {})
        headers = {"accept": "text/html", "content-type": "application/x-www-form-urlencoded"}
        if jar:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        self._http.cookies.clear()
        answer = self._http.request(method, url, content=body, headers=headers, follow_redirects=False)
        fields = tuple((name, value) for name, value in answer.headers.multi_items())
        request, found = model.Request(method, url), model.Response(answer.status_code, fields, answer.content)
        exchange = model.Exchange("", "", "", "browser", "", request, found)
        jar.update(new_cookies(exchange))
        return exchange
