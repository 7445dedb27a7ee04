"""What a tool server must not show is in no text that is kept: in whatever spelling, at whatever
cut, in names and numbers too; and what is no secret stays.
"""

import json
import time
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.catalog import ToolServer
from clearance.flow.ports.tools import ToolCallFailed
from clearance.flow.results import RESULT_BYTES_MAX, keep
from clearance.tools.masking import Mask, masked_everywhere
from clearance.tools.untrusted import ANSWER_BYTES_MAX, storable
from clearance.tools.variables import Secrets

TOKEN = 's3cr3t"é/\\+😀=value'
SECRET = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"], blacklist_characters="%"),
    min_size=8,
    max_size=30,
).filter(lambda text: len(text.replace("\\", "")) >= 4)


def every_unicode(text: str) -> str:
    units = text.encode("utf-16-be").hex(" ", 2).split()
    return "".join(f"\\u{unit}" for unit in units)


SPELLINGS = {
    "plain": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "json, not ascii": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text))[3:-3],
    "json, slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json, every character": every_unicode,
    "json, upper case": lambda text: every_unicode(text).upper().replace("\\U", "\\u"),
    "address": lambda text: quote(text, safe=""),
    "address in an address": lambda text: quote(quote(text, safe=""), safe=""),
    "page": lambda text: escape(text, quote=True),
    "page, every character": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "page, every character in hex": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "page in json": lambda text: json.dumps(escape(text))[1:-1],
    "address, lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(secret=SECRET, before=st.text("ab :\\n"), after=st.text("ab ,"))
def test_a_secret_is_found_in_every_spelling(
    spelling: str, secret: str, before: str, after: str
) -> None:
    text = f"{before}|{SPELLINGS[spelling](secret)}|{after}"
    masked = Mask([secret]).text(text)
    assert "***" in masked
    assert masked.count("|") >= 2 or "|" in secret
    assert masked.replace("\\", "").startswith(before.replace("\\", "") + "|") or secret in before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_stands_around_a_secret_stays(spelling: str) -> None:
    text = f'{{"token": "{SPELLINGS[spelling](TOKEN)}", "order": "\\"A-1\\" 50%"}}'
    assert Mask([TOKEN]).text(text) == '{"token": "***", "order": "\\"A-1\\" 50%"}'


@given(st.lists(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=4), st.text("ab "))
def test_of_secrets_that_overlap_nothing_is_left_and_of_the_rest_everything(
    secrets: list[str], text: str
) -> None:
    hidden: set[int] = set()
    for secret in secrets:
        for start in range(len(text)):
            if text.startswith(secret, start):
                hidden.update(range(start, start + len(secret)))
    shown = "".join(character for place, character in enumerate(text) if place not in hidden)
    assert Mask(secrets).text(text).replace("***", "") == shown


def secrets_of(server: ToolServer, **variables: str) -> Secrets:
    found = Secrets(server, variables)
    found.command(), found.environment(), found.headers()
    return found


def stdio(secrets: tuple[str, ...] | None = None, **environment: str) -> ToolServer:
    return ToolServer("shop", ("serve",), environment=environment, secrets=secrets)


def test_words_and_numbers_are_not_masked_out_of_sentences() -> None:
    server = stdio(MODE="${MODE}", PORT="8080", LEVEL="${LEVEL}", WRITTEN="written-out-here")
    found = secrets_of(server, MODE="error", LEVEL="8081")
    text = "The tool failed: error at 8080, 8081, written-out-here"
    assert found.sentence(text) == text


@pytest.mark.parametrize(
    ("secrets", "masked"),
    [
        (None, "*** *** short1 written-out"),
        ((), "long-value-1 long-value-2 short1 written-out"),
        (("A",), "*** long-value-2 short1 written-out"),
        (("SHORT", "LITERAL"), "long-value-1 long-value-2 *** ***"),
        (("OTHER",), "long-value-1 *** short1 written-out"),
    ],
)
def test_what_is_named_is_secret_and_until_then_every_variable_that_is_not_short(
    secrets: tuple[str, ...] | None, masked: str
) -> None:
    server = stdio(secrets, A="${A}", B="${OTHER}", SHORT="${SHORT}", LITERAL="written-out")
    found = secrets_of(server, A="long-value-1", OTHER="long-value-2", SHORT="short1")
    assert found.sentence("long-value-1 long-value-2 short1 written-out") == masked


def test_a_named_secret_that_cannot_be_masked_starts_nothing() -> None:
    server = stdio(("PIN",), PIN="${PIN}")
    with pytest.raises(ToolCallFailed, match="has fewer than 4 characters") as refused:
        secrets_of(server, PIN="123")
    assert refused.value.error.code == "TOOL_SERVER_SECRET_SHORT"
    assert "123" not in refused.value.error.sentence
    secrets_of(server, PIN="")  # a token that is optional


def test_headers_are_secret_whatever_is_named() -> None:
    headers = {
        "Authorization": "Bearer ${TOKEN}",
        "X-Basic": "Basic dXNlcjpwYXNzd29yZC0x",
        "X-Key": "k3y-12",
        "X-Port": "8080",
        "X-Mode": "error",
    }
    server = ToolServer("shop", url="https://shop.example/mcp", headers=headers, secrets=())
    found = secrets_of(server, TOKEN="abc-0123456789")
    text = "error 8080: abc-0123456789, Bearer abc-0123456789, password-1, k3y-12"
    assert found.sentence(text) == "error 8080: ***, ***, ***, ***"


def test_what_is_inherited_is_passed_as_it_is_and_a_password_in_it_is_secret() -> None:
    server = ToolServer(
        "shop", ("serve",), inherit=("HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"), secrets=()
    )
    proxy = "http://olga:p%40ssw0rd-1@proxy.example:3128"
    found = Secrets(server, {"HTTPS_PROXY": proxy, "NO_PROXY": "localhost,10.0.0.0/8"})
    assert found.environment() == {"HTTPS_PROXY": proxy, "NO_PROXY": "localhost,10.0.0.0/8"}
    text = f"407 of {proxy}: p@ssw0rd-1 or p%40ssw0rd-1; not for localhost,10.0.0.0/8"
    assert found.sentence(text) == "407 of ***: *** or ***; not for localhost,10.0.0.0/8"


def test_lines_of_a_secret_are_masked_alone() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
    found = secrets_of(stdio(KEY="${KEY}"), KEY=key)
    assert found.sentence(f"it is {key}") == "it is ***"
    for text in ("line MIIEvQIBADANBgkq", f"x {json.dumps(key)}", "hkiG9w0BAQEFAASC\r\n"):
        masked = found.sentence(text)
        assert "***" in masked
        assert not [line for line in key.split() if len(line) > 4 and line in masked], masked


def test_names_numbers_and_everything_nested_are_masked() -> None:
    mask = Mask(["s3cr3t-value", "12345678"])
    value: Any = {
        "s3cr3t-value": 1,
        "a s3cr3t-value": {"b": ["s3cr3t-value", {"c": "x=s3cr3t-value;"}]},
        "as3cr3t-value": 12345678,
        "n": [912345678.5, 1234567, True, None],
    }
    twice: Any = {"k-s3cr3t-value": 1, "k-12345678": 2, "k-***": 3}
    assert storable(value, mask).result == {
        "***": 1,
        "a ***": {"b": ["***", {"c": "x=***;"}]},
        "a***": "***",
        "n": ["***", 1234567, True, None],
    }
    assert storable(twice, mask).result == {"k-***": 1, "k-*** (2)": 2, "k-*** (3)": 3}


@pytest.mark.parametrize("place", [-1, 0, 1, 10, 11, 12])
@pytest.mark.parametrize("limit", [RESULT_BYTES_MAX, ANSWER_BYTES_MAX, 100_000])
def test_no_cut_leaves_a_part_of_a_secret(place: int, limit: int) -> None:
    mask = Mask(["s3cr3t-value"])
    for filling in ("x", " ", "\\"):
        text = filling * (limit - place) + "s3cr3t-value" + "y" * ANSWER_BYTES_MAX
        for value in (text, {"a": text, "b": [text]}):
            assert "s3cr" not in json.dumps(keep(storable(value, mask)).result)
        secrets = secrets_of(stdio(T="${T}"), T="s3cr3t-value")
        assert "s3cr" not in secrets.sentence(text)


@given(SECRET, st.data())
def test_a_line_that_was_cut_shows_no_beginning_of_a_secret(secret: str, data: Any) -> None:
    length = data.draw(st.integers(4, len(secret)))
    text = f"line {secret[:length]}"
    assert Mask([secret]).text(text, cut=True) in {"line ***", "***", "line***"} or " " in secret


def test_a_mask_in_use_hides_in_every_log_line() -> None:
    mask = Mask(["s3cr3t-of-a-living-one"])
    assert masked_everywhere("a s3cr3t-of-a-living-one b") == "a *** b"
    del mask
    assert masked_everywhere("a s3cr3t-of-a-living-one b") == "a s3cr3t-of-a-living-one b"


def test_hostile_text_costs_no_more_than_its_length() -> None:
    """8 MiB of what could be an escape, and a secret that overlaps itself. The bound is ten times
    what it takes: to try every place again would take hours.
    """
    mask = Mask(["a" * 40, "s3cr3t-value"])
    began = time.monotonic()
    for unit in ("\\", "%", "\\u0061", "a", "%6"):
        mask.text(unit * (1024 * 1024 // len(unit)))
    assert time.monotonic() - began < 30
