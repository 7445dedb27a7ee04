"""The parts of a URL, an address or a path: read if every program takes the text apart in the same
way, and otherwise not at all.
"""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic_core import Url, ValidationError

from clearance.core.parts import PARTS, may_be_like, parts_of, spelling

URLS: dict[str, tuple[str, str, int | None, str, str]] = {
    "https://Example.COM": ("https", "example.com", 443, "/", ""),
    "HTTP://example.com:8080/a/b?q=1#top": ("http", "example.com", 8080, "/a/b", "q=1"),
    "https://example.com/srv/./data/../x": ("https", "example.com", 443, "/srv/x", ""),
    "https://example.com/../../etc/passwd": ("https", "example.com", 443, "/etc/passwd", ""),
    "https://example.com/a/..": ("https", "example.com", 443, "/", ""),
    "https://example.com/100%25": ("https", "example.com", 443, "/100%25", ""),
    "https://bücher.example/ok": ("https", "xn--bcher-kva.example", 443, "/ok", ""),
    "https://BÜCHER.example": ("https", "xn--bcher-kva.example", 443, "/", ""),
    "https://xn--bcher-kva.example": ("https", "xn--bcher-kva.example", 443, "/", ""),
    "http://127.0.0.1:80/": ("http", "127.0.0.1", 80, "/", ""),
    "http://[2001:DB8:0::1]/": ("http", "[2001:db8::1]", 80, "/", ""),
    "https://example.com/a%20b": ("https", "example.com", 443, "/a%20b", ""),
    "https://example.com/?next=https://evil.net/@x": (
        *("https", "example.com", 443, "/"),
        "next=https://evil.net/@x",
    ),
    "s3://bucket/key": ("s3", "bucket", None, "/key", ""),
    "file:///etc/../srv/x": ("file", "", None, "/srv/x", ""),
}


@pytest.mark.parametrize("text", URLS)
def test_a_url_is_taken_apart(text: str) -> None:
    scheme, host, port, path, query = URLS[text]
    parts = {"raw": text, "scheme": scheme, "host": host, "path": path, "query": query}
    assert parts_of("url", text) == (parts if port is None else {**parts, "port": port})


NOT_URLS = {
    "a user part": "https://example.com@evil.net/",
    "a user part with a password": "https://example.com:443@evil.net/",
    "a backslash for a slash": "https://evil.net\\@example.com/",
    "a backslash in the path": "https://example.com/a\\..\\b",
    "a NUL": "https://example.com/\0",
    "a tab in the host": "https://exam\tple.com/",
    "a line break": "https://example.com/\nHost: evil.net",
    "a space before": " https://example.com/",
    "a space": "https://example.com/a b",
    "an escaped slash": "https://example.com/a%2fb",
    "an escaped dot": "https://example.com/%2e%2e/b",
    "an escaped backslash": "https://example.com/%5C..",
    "an escaped NUL": "https://example.com/%00",
    "an escape of a letter": "https://example.com/%61dmin",
    "an escape of an escape": "https://example.com/%2561dmin",
    "an escape of an escape of an escape": "https://example.com/%252561dmin",
    "two slashes": "https://example.com//admin",
    "two slashes farther on": "https://example.com/a//b/",
    "a parameter of a segment": "https://example.com/x/..;/admin",
    "a parameter in the middle": "https://example.com/a;v=1/b",
    "an escaped parameter": "https://example.com/x/..%3B/admin",
    "an escape that is none": "https://example.com/%zz",
    "an escape in the host": "https://example%2ecom/",
    "no scheme": "//example.com/",
    "no host": "https:///example.com/",
    "one slash": "https:/example.com/",
    "relative": "/a/b",
    "not hierarchical": "mailto:ada@example.com",
    "script": "javascript:alert(1)",
    "data": "data:text/html,x",
    "a number as host": "http://2130706433/",
    "a hexadecimal host": "http://0x7f000001/",
    "an octal address": "http://0177.0.0.1/",
    "a short address": "http://127.1/",
    "a mapped address": "http://[::ffff:127.0.0.1]/",
    "a mapped address in hexadecimal": "http://[::ffff:7f00:1]/",
    "a zone": "http://[fe80::1%25eth0]/",
    "a dot after the host": "https://example.com./",
    "an empty label": "https://example..com/",
    "a port without digits": "https://example.com:/",
    "a port beyond": "https://example.com:65536/",
    "a port with a zero": "https://example.com:0443/",
    "a full-width dot": "https://example。com/",
    "a full-width letter": "https://ｅxample.com/",
    "a soft hyphen": "https://exam\u00adple.com/",
    "a name in ASCII that is none": "https://xn--zzzzzz--a.example/",
    "letters in the path": "https://example.com/ü",
    "what was once another letter": "https://straße.example/",
    "a file on a host": "file://evil.net/share",
    "a drive": "file:///C:/Windows",
    "an unknown scheme with capitals": "s3://Bucket/key",
    "two questions in the host": "https://example.com?@evil.net/ x",
    "a bracket": "https://[example.com]/",
    "empty": "",
}


@pytest.mark.parametrize("text", NOT_URLS.values(), ids=NOT_URLS)
def test_what_two_readers_could_read_differently_has_no_parts(text: str) -> None:
    assert parts_of("url", text) is None


PIECES = st.sampled_from(
    [
        *(
            "http",
            "https",
            "HTTP",
            "ws",
            "ftp",
            "file",
            "s3",
            "://",
            ":/",
            "//",
            "/",
            "\\",
            ":",
            "@",
        ),
        *("example.com", "EXAMPLE.com", "evil.net", "bücher", "ß.de", "a", ".", "..", "。", "xn--"),
        *(
            "127.0.0.1",
            "0x7f",
            "1",
            "[::1]",
            "[::ffff:1.2.3.4]",
            "80",
            "443",
            "8080",
            "0",
            "-",
            "_",
        ),
        *("%2f", "%2e", "%41", "%20", "%zz", "%", "?", "#", "&", "=", "+", " ", "\t", "\n", "\0"),
        *("\u00ad", "\u200d", "\u0130", "K", "ﬀ", "ς", "א", "١", ";", "|", "^", "`", "{", '"', "'"),
    ]
)
WELL_FORMED = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["http://", "https://", "ws://", "ftp://", "s3://"]),
    st.lists(PIECES | st.characters(codec="utf-8"), max_size=3).map("".join),
    st.sampled_from(["", ":80", ":8443"]),
    st.lists(st.sampled_from(["/", ".", "..", "a", "%20", "B", "~", "@", ":"]), max_size=6).map(
        lambda parts: "".join(["/", *parts])
    ),
    st.sampled_from(["", "?", "?a=b&c=%20", "?a/../b", "#x", "?x#y"]),
)


def standard_path(text: str) -> str:
    """The path without dot segments, as WHATWG's parser has it for a scheme that it knows."""
    return Url("http://x" + (text or "/")).path or ""


@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WELL_FORMED | st.lists(PIECES, max_size=8).map("".join))
@example("http://a_b.example/")
def test_other_parsers_agree_where_parts_are_read(text: str) -> None:
    parts = parts_of("url", text)
    if parts is None or parts["scheme"] == "file":
        return
    whatwg, httpx, standard = Url(text), httpx2.URL(text), urlsplit(text)
    host, port = parts["host"], parts.get("port")
    assert parts["scheme"] == whatwg.scheme == httpx.scheme == standard.scheme
    assert host == whatwg.host
    assert host == (f"[{httpx.host}]" if ":" in httpx.host else httpx.raw_host.decode())
    if host in text.lower():
        assert standard.hostname == str(host).strip("[]")
    assert port == whatwg.port
    assert standard.port in {port, None}
    assert httpx.port in {port, None}
    assert parts["path"] == standard_path(standard.path)
    assert parts["query"] == (whatwg.query or "") == standard.query
    assert standard.username is None
    assert whatwg.username is None
    assert httpx.userinfo == b""


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join))
def test_nothing_raises(text: str) -> None:
    for declared in PARTS:
        parts = parts_of(declared, text)
        assert parts is None or set(parts) <= set(PARTS[declared])
    try:
        Url(text)
    except ValidationError:
        assert parts_of("url", text) is None


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["url", "email", "path"]),
    WELL_FORMED | st.sampled_from(["ada@example.com", "/srv//x/../é y", "http://[::1]:8/"]),
    st.lists(st.integers(0, 30), min_size=2, max_size=4),
)
def test_every_part_is_spelled_as_a_part_and_is_like_its_pieces(
    declared: str, text: str, cuts: list[int]
) -> None:
    for name, value in (parts_of(declared, text) or {}).items():
        if isinstance(value, str):
            part = f"{declared}.{name}"
            assert spelling(part, value) == value
            assert may_be_like(part, [value])
            ends = sorted(min(cut, len(value)) for cut in cuts)
            first, last = value[: ends[0]], value[ends[-1] :]
            assert may_be_like(part, [first, value[ends[0] : ends[1]], last])


EMAILS = {
    "ada@example.com": ("ada", "example.com"),
    "Ada.Lovelace+x@EXAMPLE.Com": ("Ada.Lovelace+x", "example.com"),
    "ada@bücher.example": ("ada", "xn--bcher-kva.example"),
}


@pytest.mark.parametrize("text", EMAILS)
def test_an_address_is_taken_apart(text: str) -> None:
    local, domain = EMAILS[text]
    assert parts_of("email", text) == {"raw": text, "local": local, "domain": domain}


@pytest.mark.parametrize(
    "text",
    [
        *("ada", "@example.com", "ada@", "ada@localhost", "a@b@c.example", "ada@example.com "),
        *("ada@ok.com,x@evil.com", "ada@ok.com;x@evil.com", "ada@ok.com\nBcc: x@evil.com"),
        *("Ada <ada@example.com>", '"ada"@example.com', "ada..x@example.com", ".ada@example.com"),
        *("x%evil.com@relay.com", "evil.com!x@relay.com", "ada@[127.0.0.1]", "ada@127.0.0.1"),
        *("ada@example.com.", "ada@-example.com", "ädä@example.com", "ada@exam\0ple.com", ""),
        "a" * 65 + "@example.com",
    ],
)
def test_what_is_no_single_plain_address_has_no_parts(text: str) -> None:
    assert parts_of("email", text) is None


PATHS = {
    "/srv/data/x": "/srv/data/x",
    "/srv/data/../../etc/passwd": "/etc/passwd",
    "/srv//data/./x/": "/srv/data/x",
    "/../..": "/",
    "/": "/",
    "/srv/Ünïcode name": "/srv/Ünïcode name",
}


@pytest.mark.parametrize("text", PATHS)
def test_a_path_is_normal(text: str) -> None:
    assert parts_of("path", text) == {"raw": text, "path": PATHS[text]}
    assert posixpath.normpath(text) == PATHS[text]


@pytest.mark.parametrize(
    "text",
    [
        *("srv/data", "./x", "../x", "~/x", "", ".", "//srv/x", "C:\\x", "C:/x", "/srv/\\..\\x"),
        *("/srv/\0", "/srv/x\n", "/srv/%2e%2e/x", "/srv/%2Fetc", "/srv/%5c", "file:///srv"),
    ],
)
def test_what_is_no_absolute_path_has_no_parts(text: str) -> None:
    assert parts_of("path", text) is None


# --- The usual mistakes of rules, which the page of the policy warns of ---

MISTAKES: list[tuple[str, str, str, Any]] = [
    # a rule on the raw text that lets it through, and what the part says instead
    (
        "url",
        "https://example.com",
        "https://example.com.evil.net/",
        ("host", "example.com.evil.net"),
    ),
    ("url", "https://example.com", "https://example.com@evil.net/", None),
    ("url", "https://example.com/", "https://example.com/../admin", ("path", "/admin")),
    ("path", "/srv/data/", "/srv/data/../../etc/passwd", ("path", "/etc/passwd")),
    ("email", "ada@ok.com", "ada@ok.com,x@evil.com", None),
]


@pytest.mark.parametrize(("declared", "prefix", "text", "part"), MISTAKES)
def test_the_parts_show_what_a_prefix_hides(
    declared: str, prefix: str, text: str, part: Any
) -> None:
    assert text.startswith(prefix)
    parts = parts_of(declared, text)
    assert (parts is None) if part is None else (parts is not None and parts[part[0]] == part[1])


@pytest.mark.parametrize(
    ("declared", "text", "part", "value"),
    [
        ("url", "HTTPS://EVIL.example/x", "host", "evil.example"),
        ("url", "https://evil.example:443/x", "port", 443),
        ("email", "x@EVIL.example", "domain", "evil.example"),
    ],
)
def test_the_parts_have_one_spelling(declared: str, text: str, part: str, value: Any) -> None:
    parts = parts_of(declared, text)
    assert parts is not None
    assert parts[part] == value
