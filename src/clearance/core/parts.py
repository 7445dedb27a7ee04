"""The parts of a text that the owner declares to be a URL, a mail address or a file path.

Programs read the same URL in different ways, and a rule about a host is worth nothing if the tool
goes to another one. Only texts that every reader takes apart in the same way are read; of any other
text there are no parts. What a server or a file system makes of them is not seen here: redirects,
names that lead elsewhere, symbolic links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TypeAlias

import idna

PARTS: Mapping[str, Mapping[str, type]] = {
    "url": {"raw": str, "scheme": str, "host": str, "port": int, "path": str, "query": str},
    "email": {"raw": str, "local": str, "domain": str},
    "path": {"raw": str, "path": str},
}
"""The parts by what a text is declared to be; `raw` is the text itself."""

MISSING_PARTS = frozenset({"port"})
"""Parts that are not always there: of a scheme whose port is not known, the port."""

HOST_LENGTH_MAX = 253  # characters of a name in the domain name system
PORT_MAX = 65_535
LOCAL_LENGTH_MAX = 64  # characters before the @

Parts: TypeAlias = dict[str, str | int]

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/?#@:\[\]]*|\[[0-9A-Fa-f:]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>(?:/[^?#]*)?)(?:\?(?P<query>[^#]*))?(?:\#(?P<rest>.*))?"
)
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
# An escape that readers undo at different times: of a slash, a backslash, a control, or of what
# needs no escape.
_TELLING_ESCAPE = re.compile(
    r"%(?:[01][0-9A-Fa-f]|7[Ff]|2[DdEeFf]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaCcFf]|6[1-9A-Fa-f]|7[0-9AaEe])"
)
# Some servers join two slashes, cut a segment at `;` or undo escapes twice, and others do not.
_SERVERS_DIFFER = re.compile(r"//|;|%3[Bb]|%25[0-9A-Fa-f]{2}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL = re.compile(r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*")
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029]")


def parts_of(declared: str, text: str) -> Parts | None:
    """The parts of a text that is `declared` to be a url, an email or a path; None if readers could
    take it apart in different ways.
    """
    parts = _READERS[declared](text)
    return None if parts is None else {"raw": text, **parts}


def _url_parts(text: str) -> Parts | None:
    match = _URL.fullmatch(text)
    if match is None or not _PATH.fullmatch(match["rest"] or ""):
        return None
    scheme, query = match["scheme"].lower(), match["query"] or ""
    path = _normal_path(match["path"] or "/", _PATH)
    host = _url_host(scheme, match["host"])
    if path is None or host is None or not _QUERY.fullmatch(query):
        return None
    if scheme == "file" and (match["port"] or ":" in path):
        return None
    port = int(match["port"]) if match["port"] else _PORTS.get(scheme)
    if port is None:
        return {"scheme": scheme, "host": host, "path": path, "query": query}
    if port > PORT_MAX:
        return None
    return {"scheme": scheme, "host": host, "port": port, "path": path, "query": query}


def _url_host(scheme: str, host: str) -> str | None:
    if scheme == "file":
        return host if host == "" else None
    if host.startswith("["):
        return _ipv6_host(host)
    if scheme not in _PORTS and not (host.isascii() and host == host.lower()):
        return None  # hosts of a scheme that a reader does not know stay as they are written
    return _host(host)


def _ipv6_host(host: str) -> str | None:
    try:
        address = IPv6Address(host[1:-1])
    except AddressValueError:
        return None
    return f"[{address.compressed}]" if address.ipv4_mapped is None else None


def _host(text: str) -> str | None:
    """A host in lower case and ASCII; an address in its usual form."""
    try:
        labels = [_ascii(label) for label in text.lower().split(".")]
    except UnicodeError:
        return None
    host = ".".join(labels)
    if len(host) > HOST_LENGTH_MAX or not all(map(_is_label, labels)):
        return None
    if _NUMBER.fullmatch(labels[-1]):
        return host if _is_ipv4(host) else None
    return host


def _ascii(label: str) -> str:
    """A label in ASCII. UnicodeError if the standards of 2003 and of 2008 disagree about it."""
    if label.isascii():
        return label
    made = idna.alabel(label)
    if made != label.encode("idna"):
        raise UnicodeError
    return made.decode("ascii")


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    if label[2:4] != "--":
        return True
    try:
        return label.startswith("xn--") and _ascii(idna.ulabel(label)) == label
    except UnicodeError:
        return False


def _is_ipv4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _normal_path(path: str, written: re.Pattern[str]) -> str | None:
    """An absolute path without `.` and `..`; None if it cannot be told for certain."""
    if not path.startswith("/") or not written.fullmatch(path):
        return None
    if _TELLING_ESCAPE.search(path) or _SERVERS_DIFFER.search(path):
        return None
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _email_parts(text: str) -> Parts | None:
    local, _, domain = text.partition("@")
    if len(local) > LOCAL_LENGTH_MAX or not _LOCAL.fullmatch(local):
        return None
    host = _host(domain)
    if host is None or "." not in host or _is_ipv4(host):
        return None
    return {"local": local, "domain": host}


def _file_path_parts(text: str) -> Parts | None:
    if not text.startswith("/") or text.startswith("//") or _HIDDEN.search(text):
        return None
    if _TELLING_ESCAPE.search(text):
        return None
    kept: list[str] = []
    for segment in text.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return {"path": "/" + "/".join(kept)}


# --- Parts as a rule writes them ---


def spelling(part: str, text: str) -> str | None:
    """The text as it stands in a part such as `url.host`; None if nothing like it can stand
    there.
    """
    return _SPELLINGS[part](text) if part in _SPELLINGS else text


def may_be_like(part: str, pieces: Sequence[str]) -> bool:
    """True if a part could be these pieces with any text between them."""
    if part not in _PIECES or len(pieces) == 1:
        return spelling(part, pieces[0]) == pieces[0]
    first, last = pieces[0], pieces[-1]
    if not all(map(_PIECES[part].fullmatch, pieces)):
        return False
    if part == "url.host":
        return ":" not in last or last.endswith("]")
    if not part.endswith(".path"):
        return True
    if first and not first.startswith("/"):
        return False
    return part != "path.path" or not last.endswith("/") or "".join(pieces) == "/"


def _scheme_spelled(text: str) -> str | None:
    scheme = text.lower().partition(":")[0]
    return scheme if re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else None


def _host_spelled(text: str) -> str | None:
    bare = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://|[/?#].*$|(?<![:\[]):[0-9]*$", "", text)
    return bare if bare == "" else _url_host("https", bare)


def _path_spelled(text: str) -> str | None:
    return _normal_path(text if text.startswith("/") else f"/{text}", _PATH)


def _query_spelled(text: str) -> str | None:
    bare = text.removeprefix("?")
    return bare if _QUERY.fullmatch(bare) else None


def _local_spelled(text: str) -> str | None:
    bare = text.partition("@")[0]
    return bare if _LOCAL.fullmatch(bare) and len(bare) <= LOCAL_LENGTH_MAX else None


def _domain_spelled(text: str) -> str | None:
    parts = _email_parts(f"x@{text.rpartition('@')[2]}")
    return None if parts is None else str(parts["domain"])


def _file_path_spelled(text: str) -> str | None:
    parts = _file_path_parts(re.sub("/+", "/", f"/{text}"))
    return None if parts is None else str(parts["path"])


_SPELLINGS: Mapping[str, Callable[[str], str | None]] = {
    "url.scheme": _scheme_spelled,
    "url.host": _host_spelled,
    "url.path": _path_spelled,
    "url.query": _query_spelled,
    "email.local": _local_spelled,
    "email.domain": _domain_spelled,
    "path.path": _file_path_spelled,
}
_NO_STEP = r"(?!.*//)(?!.*/\.\.?/)"
_PIECES: Mapping[str, re.Pattern[str]] = {
    "url.scheme": re.compile(r"[a-z0-9+.-]*"),
    "url.host": re.compile(r"(?!.*\.\.)[a-z0-9_.-]*|\[?[0-9a-f:]*\]?"),
    "url.path": re.compile(_NO_STEP + r"[A-Za-z0-9._~!$&'()*+,=:@/%-]*"),
    "url.query": re.compile(r"[A-Za-z0-9._~!$&()*+,;=:@/?%-]*"),
    "email.local": re.compile(r"[A-Za-z0-9#$&'*+/=?^_`{|}~.-]*"),
    "email.domain": re.compile(r"(?!.*\.\.)[a-z0-9_.-]*"),
    "path.path": re.compile(_NO_STEP + r"[^\x00-\x1f\x7f-\x9f\\\u2028\u2029]*"),
}
"""What can stand somewhere in a part."""
SPELLED: Mapping[str, str] = {
    "url.scheme": "a scheme is in lower case, without ://",
    "url.host": "a host is in lower case and ASCII (xn--...), without a port",
    "url.path": "the path of a URL begins with /, without . and .., // and ;",
    "url.query": "a query is in ASCII, without the ? before it",
    "email.local": "it is what stands before the @",
    "email.domain": "a domain is in lower case and ASCII (xn--...), without the @",
    "path.path": "a path begins with /, without . and .., // and a / at its end",
}
"""How the parts are spelled, for a sentence."""

_READERS: Mapping[str, Callable[[str], Parts | None]] = {
    "url": _url_parts,
    "email": _email_parts,
    "path": _file_path_parts,
}
