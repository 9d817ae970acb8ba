"""A question to answer before looking: each option folds open to its verdict and its reason."""

from collections.abc import Mapping
from html import escape
from string import ascii_lowercase

from mcp_demo.lab.box import BAD, GOOD, QUIET_TEXT, STRONG, box, element, fold
from mcp_demo.lab.display import Shown


def predict(question: str, options: Mapping[str, str], answer: str) -> Shown:
    """Ask what will happen, before the next cell shows it. Choose an option to unfold why it is right or wrong.

    Args:
        question: The question.
        options: The possible answers, each with the reason why it is right or wrong.
        answer: The right one.

    Raises:
        ValueError: The answer is none of the options.
    """
    if answer not in options:
        raise ValueError(f"The answer {answer!r} is none of the options.")
    letters = dict(zip(options, ascii_lowercase, strict=False))
    folds = "".join(_option(letters[option], option, why, option == answer) for option, why in options.items())
    html = box(
        f"Predict: {question}",
        element("p", STRONG, f"Predict: {escape(question)}"),
        folds,
        element("p", f"{QUIET_TEXT};margin:6px 0 0", "Decide first, then open your answer."),
    )
    lines = [f"Predict: {question}", *(f"  ({letters[option]}) {option}" for option in options), ""]
    lines.append(f"Answer: ({letters[answer]}) {options[answer]}")
    lines += [f"  not ({letters[option]}): {why}" for option, why in options.items() if option != answer]
    return Shown(html, "\n".join(lines))


def _option(letter: str, option: str, why: str, right: bool) -> str:
    mood, verdict = (GOOD, "✓ Right.") if right else (BAD, "✗ Not this one.")
    words = element("p", "margin:6px 0 0", element("strong", mood, verdict) + " " + escape(why))
    return fold(f"({letter}) {escape(option)}", words)
