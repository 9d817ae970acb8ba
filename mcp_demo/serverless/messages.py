"""The words of what the user pool sends by mail and SMS: its custom-message trigger.

A message carries a code and no link, so that nobody gets used to following links in such mail. What people call
themselves goes into mail to addresses that need not be theirs: it is used only if it is nothing but a name.

Spec: Cognito docs › Custom message Lambda trigger.
"""

import os
import re
from html import escape
from typing import Any

_PURPOSES = {
    "SignUp": "confirm your account",
    "ResendCode": "confirm your account",
    "ForgotPassword": "set a new password",
    "UpdateUserAttribute": "confirm this address",
    "VerifyUserAttribute": "confirm this address",
    "Authentication": "sign in",
}
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[' -]){0,39}")
_UNASKED = "If you did not ask for this, do nothing, and pass the code on to nobody."


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Put our words into the event; of a kind that we have none for, Cognito's stay."""
    request = event["request"]
    kind, code = str(event["triggerSource"]).removeprefix("CustomMessage_"), request["codeParameter"]
    product, greeting = os.environ["PRODUCT"], _greeting(request["userAttributes"])
    if kind == "AdminCreateUser":
        user = request["usernameParameter"]
        subject, short = f"Your account at {product}", f"{product}: your name is {user}, your first password {code}"
        text = (
            f"You have an account at {escape(product)} now. Sign in as <b>{user}</b> with the password <b>{code}</b>, "
        )
        text += "then choose one of your own."
    elif purpose := _PURPOSES.get(kind):
        subject, short = f"Your code for {product}", f"{product}: {code} is your code to {purpose}."
        text = f"Your code to {purpose} at {escape(product)} is <b>{code}</b>. {_UNASKED}"
    else:
        return event
    mail = f"<p>{greeting}</p><p>{text}</p>"
    event["response"] |= {"emailSubject": subject, "emailMessage": mail, "smsMessage": short}
    return event


def _greeting(attributes: dict[str, str]) -> str:
    name = attributes.get("given_name") or attributes.get("name") or ""
    return f"Hello {escape(name)}," if _NAME.fullmatch(name) else "Hello,"
