"""A bounded, repeatable part of the fuzzing: every member of a good input with every hostile value, and Hypothesis."""

import json
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsers import PARSERS, Parser

_VALUES = (
    *("null", "true", "false", "0", "-1", "1.5", "1e308", "1e999", "-1e999", "NaN", "9" * 400, "9" * 5000, "[]", "{}"),
    *('""', '"\\ud800"', '"\\u0000"', '"\\n"', '"\\u202e"', '" "', '"' + "x" * 9000 + '"', "[null]", "[[]]", "[1]"),
    *('{"a": 1}', '["\\ud800"]', '["a", "a"]', '"javascript:alert(1)"', '"https://a.example\\\\@b.example/"'),
    *('"https://a.example:99999/"', '"https://[::1/"', '"//a"', '"http://localhost/"', "[" * 900 + "]" * 900),
)
_HOSTILE = (
    *(
        b"",
        b"\x00",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b'"',
        b"'",
        b"\\",
        b"#",
        b"?",
        b"@",
        b"%00",
        b"%0a",
        b"//",
        b"..",
        b":",
    ),
    *(b"\\ud800", b"\xff", b"\xc3\xa9", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"null", b"true", b"-1", b"1e999", b"NaN"),
    *(
        b"[]",
        b"{}",
        b"[[",
        b'{"a":',
        b"9" * 400,
        b"[" * 3000,
        b"A" * 9000,
        b"=",
        b"&",
        b";",
        b",",
        b".",
        b"*",
        b"[::1]",
    ),
    *(b"localhost", b"127.0.0.1", b"http:", b"https:", b"javascript:", b"none", b"a@b", b"\xe3\x80\x82", b"\xc2\xad"),
)
_ANY = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
_PIECES = (b"a", b"=", b'"', b"\\", b",", b" ", b"a=", b'a="', b"[", b'{"a":', b"%", b".", b"a,", b"\n")


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_every_member_with_every_hostile_value(parser: Parser) -> None:
    number = 0
    for seed in parser.seeds:
        parser.read(seed)
        for data in _exchanged(seed):
            parser.read(data)
            number += 1
    assert number == 0 or number >= len(_VALUES)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_no_stranger_breaks_a_promise(parser: Parser) -> None:
    @settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=_ANY)
    @given(st.one_of(nearly_right(parser.seeds), st.binary(max_size=200)))
    def read(data: bytes) -> None:
        parser.read(data)

    read()


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_no_repetition_takes_long(parser: Parser) -> None:
    half = parser.seeds[0][: len(parser.seeds[0]) // 2]
    for data in (head + piece * (60_000 // len(piece)) for piece in _PIECES for head in (b"", half)):
        began = time.process_time()
        parser.read(data)
        assert time.process_time() - began < 1.0, data[:200]


@st.composite
def nearly_right(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed in which some stretches are replaced, by something hostile or by nothing."""
    data = draw(st.sampled_from(seeds))
    piece = st.one_of(st.sampled_from(_HOSTILE), st.binary(max_size=4))
    for place, length, new in draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), piece), max_size=4)):
        start = int(place * len(data))
        data = data[:start] + new + data[start + length :]
    return data


def _exchanged(seed: bytes) -> Iterator[bytes]:
    """The seed with one value of its JSON exchanged; nothing if it is no JSON."""
    lines = seed.split(b"\n")
    for number, line in enumerate(lines):
        try:
            document: Any = json.loads(line)
        except ValueError:
            continue
        mark = "@here@"
        for marked in _marked(document, mark):
            text = json.dumps(marked)
            for value in _VALUES:
                changed = text.replace(json.dumps(mark), value).encode()
                yield b"\n".join([*lines[:number], changed, *lines[number + 1 :]])


def _marked(value: Any, mark: str) -> Iterator[Any]:
    yield mark
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name, member in members.items():
            for changed in _marked(member, mark):
                yield {**members, name: changed}
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        for place, item in enumerate(items):
            for changed in _marked(item, mark):
                yield [*items[:place], changed, *items[place + 1 :]]
