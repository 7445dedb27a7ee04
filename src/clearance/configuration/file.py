"""Configuration as code: one YAML file, and the policy file beside it, read into a settings
document.

Whatever is wrong is said with its file, its line, the field and what would be right, all at once;
nothing is applied in part. YAML is read strictly: what two readers could understand differently has
to be written more plainly. The values of variables that tool servers use are not read here, only
whether they are set. Nothing here knows what a setting does.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from clearance.configuration.document import parse_document
from clearance.configuration.shape import SettingsDocument
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, Problem, Refusal
from clearance.core.policy_text import TEXT_LENGTH_MAX
from clearance.core.suggestion import suggestion

FILE_BYTES_MAX = 4 * 1024 * 1024
POLICY_BYTES_MAX = 4 * TEXT_LENGTH_MAX  # a character has at most four
NODES_MAX = 250_000  # values in the file; what an alias stands for counts each time
TEXT_MAX = 2 * FILE_BYTES_MAX  # characters of all scalars, counted in the same way
DEPTH_MAX = 64  # levels of nesting
VERSION = 1

KEYS = ("version", "tenant", "tool_servers", "catalog", "autonomy", "policy")

FieldPath: TypeAlias = tuple[str | int, ...]

_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
# YAML reads the braces of `{KEY: ${NAME}}` as its own, so a variable is carried past it by two
# characters of private use.
_WRITTEN_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OPENING, _CLOSING = "\ue000", "\ue001"
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_POLICY_LINE = re.compile(r" \(line (\d+)\)$")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})")
_DECIMAL = re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?")
_EXPONENT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?[eE][-+]?[0-9]+")
_HALVES = re.compile(r"[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


class ConfigurationError(InvalidInput):
    """A configuration file cannot be used; the sentence has a line for each problem."""

    code = "INVALID_CONFIGURATION"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says: whose settings, and the whole settings document, which is valid."""

    tenant_id: str
    document: SettingsDocument
    _file: _File = field(repr=False, compare=False)
    _policy: Path | None = field(repr=False, compare=False)

    def located(self, problem: Problem) -> str:
        """A problem of the document with its file and line."""
        return self._file.in_words(problem, self._policy)

    def refused(self, refusal: Refusal) -> Refusal:
        """A refusal of the document with the file and line of each problem."""
        if not refusal.problems:
            return refusal
        self._file.problems = list(refusal.problems)
        return self._file.error(self._policy, refusal.code)


def load(
    path: Path,
    environment: Mapping[str, str] = os.environ,
    *,
    secrets_elsewhere: bool = False,
    without_policy: bool = False,
) -> Configuration:
    """Reads a file and its policy file. ConfigurationError with every problem.

    `secrets_elsewhere`: the variables of tool servers are set where these are called, and need not
    be set here. `without_policy`: the policy is left out, whatever is in it.
    """
    file = _File(path)
    value = file.read()
    tenant_id = value.get("tenant")
    document = {key: value[key] for key in KEYS[2:] if key in value}
    file.problems += _heading_problems(value)
    file.problems += _variable_problems(document, environment, secrets_elsewhere=secrets_elsewhere)
    document = _resolved(document, environment)
    policy = document.pop("policy", None)
    policy_path = None
    if without_policy:
        pass
    elif isinstance(policy, str):
        policy_path = path.parent / policy
        document["policy"] = file.read_policy(policy_path)
    elif "policy" in value:
        file.problems.append(Problem(("policy",), "must be the name of a file with Cedar policies"))
    try:
        parsed = parse_document(document)
    except InvalidInput as refusal:
        file.problems += refusal.problems
    if file.problems:
        raise file.error(policy_path)
    return Configuration(str(tenant_id), parsed, file, policy_path)


@dataclass(slots=True)
class _File:
    """One file on its way to a value, the lines of its fields, and what is wrong with it."""

    path: Path
    lines: dict[FieldPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    merging: list[yaml.Node] = field(default_factory=list)
    nodes: int = 0
    characters: int = 0

    def read(self) -> dict[str, Json]:
        """The file's value.

        Problems of YAML end the reading: after them, every other one might be an echo.
        """
        root = self._composed(_read_text(self.path, FILE_BYTES_MAX, self._refused))
        value = self._value(root, ())
        if not self.problems and not isinstance(value, dict):
            self.problems.append(Problem((), f"must be a mapping with the keys {', '.join(KEYS)}"))
        if self.problems:
            raise self.error(None)
        return dict(value)

    def read_policy(self, path: Path) -> str:
        """The text of the policy file; empty, and a problem more, if it cannot be read."""
        try:
            return _read_text(
                path,
                POLICY_BYTES_MAX,
                lambda sentence: ValueError(f"the policy file {path} {sentence}"),
            )
        except ValueError as error:
            self.problems.append(Problem(("policy",), str(error)))
            return ""

    def error(self, policy_path: Path | None, code: str | None = None) -> ConfigurationError:
        """All problems, in the order of the file."""
        problems = sorted(
            dict.fromkeys(self.problems), key=lambda problem: self._line(problem.path)
        )
        sentence = "\n".join(self.in_words(problem, policy_path) for problem in problems)
        return ConfigurationError(sentence, code=code, problems=tuple(problems))

    def in_words(self, problem: Problem, policy_path: Path | None) -> str:
        """One problem, with its file and line."""
        in_policy = policy_path is not None and problem.path[:1] == ("policy",)
        if in_policy and (line := _POLICY_LINE.search(problem.sentence)):
            clause = Problem(problem.path[1:], _POLICY_LINE.sub("", problem.sentence))
            return f"{policy_path}:{line[1]}: {clause}"
        return f"{self.path}:{self._line(problem.path)}: {problem}"

    def _line(self, path: FieldPath) -> int:
        """The line of a field, or of the closest one around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def _refused(self, sentence: str, line: int = 1) -> ConfigurationError:
        self.lines[()] = line
        self.problems = [Problem((), sentence)]
        return self.error(None)

    def _composed(self, text: str) -> yaml.Node:
        if _OPENING in text or _CLOSING in text:
            sentence = "has a character for private use"
            raise self._refused(sentence)
        try:
            root = yaml.compose(
                _WRITTEN_VARIABLE.sub(f"{_OPENING}\\1{_CLOSING}", text), Loader=_Loader
            )
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            sentence = f"is not YAML: {error.problem}"
            raise self._refused(sentence, mark.line + 1 if mark else 1) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            sentence = "has a character that YAML does not allow"
            raise self._refused(sentence, line) from None
        except RecursionError:
            sentence = "is nested too deeply"
            raise self._refused(sentence) from None
        if root is None:
            sentence = "is empty"
            raise self._refused(sentence)
        return root

    def _value(self, node: yaml.Node, path: FieldPath) -> Json:
        """The plain value of a node.

        Aliases are followed, so everything is counted each time that it is used.
        """
        self.nodes += 1
        self.characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if self.nodes > NODES_MAX or self.characters > TEXT_MAX:
            sentence = "says too much, once its aliases are written out"
            raise self._refused(sentence, node.start_mark.line + 1)
        if len(path) > DEPTH_MAX:
            sentence = f"is nested more than {DEPTH_MAX} levels deep"
            raise self._refused(sentence, node.start_mark.line + 1)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            for position, child in enumerate(node.value):
                self.lines[*path, position] = child.start_mark.line + 1
            return [
                self._value(child, (*path, position)) for position, child in enumerate(node.value)
            ]
        if path[:1] == ("catalog",) and path[2:3] == ("parameters",) and _is_exponent(node):
            kind = "float"  # a schema is JSON, in which this is a number
        try:
            return _scalar(kind, _text_of(node))
        except ValueError as error:
            self.problems.append(Problem(path, str(error)))
            return None

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Json]:
        """The mapping's own keys, over those that it merges."""
        merged: dict[str, Json] = {}
        own: dict[str, Json] = {}
        merges = [pair for pair in node.value if pair[0].tag == _MERGE]
        for key, child in reversed(merges):
            merged |= self._merged(child, node, path, key.start_mark.line + 1)
        for key, child in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                continue
            if key.tag != f"{_TAG}str":
                written = key.value if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
                self.problems.append(
                    Problem(
                        path, f"the key {written} in line {line} must be text; put it in quotes"
                    )
                )
                continue
            try:
                name = _whole_characters(key.value)
            except ValueError as error:
                self.problems.append(Problem(path, f"the key in line {line} {error}"))
                continue
            here = (*path, name)
            if name in own:
                self.problems.append(Problem(here, f"is written twice; again in line {line}"))
                continue
            self.lines[here] = line
            own[name] = self._value(child, here)
        return {**merged, **own}

    def _merged(
        self, merged: yaml.Node, into: yaml.Node, path: FieldPath, line: int
    ) -> dict[str, Json]:
        """What `<<` brings into a mapping: a mapping, or a list of them in which the first wins."""
        if into in self.merging or len(self.merging) > DEPTH_MAX:
            sentence = "is merged into itself, or too deeply"
            raise self._refused(sentence, line)
        value: dict[str, Json] = {}
        self.merging.append(into)
        parts = merged.value if isinstance(merged, yaml.SequenceNode) else [merged]
        for part in reversed(parts):  # so that the lines of what wins are kept
            if isinstance(part, yaml.MappingNode):
                value |= self._value(part, path)
            else:
                sentence = f"<< in line {line} must be followed by a mapping or a list of mappings"
                self.problems.append(Problem(path, sentence))
        self.merging.pop()
        return value


class _Loader(yaml.SafeLoader):
    """Stops at a file with too many values, before they take up the memory."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > 2 * NODES_MAX:  # a value of a mapping has a key
            problem = "it has too many values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        return super().compose_node(parent, index)


def _is_exponent(node: yaml.Node) -> bool:
    """True for a number such as `1e-05`, which YAML 1.1 reads as text."""
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return plain and _EXPONENT.fullmatch(node.value) is not None


def _text_of(node: yaml.Node) -> Json:
    if not isinstance(node, yaml.ScalarNode):
        return node.value
    return _whole_characters(node.value.replace(_OPENING, "${").replace(_CLOSING, "}"))


def _whole_characters(text: str) -> str:
    r"""The text with its characters whole: JSON writes those beyond U+FFFF in two halves
    (`\\ud83d\\ude00`), and YAML reads each half as a character. ValueError for a half alone.
    """
    if not _HALVES.search(text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        sentence = "has half of a character (a surrogate without its other half)"
        raise ValueError(sentence) from None


def _scalar(kind: str, text: Json) -> Json:
    """A scalar of YAML 1.1 as JSON; ValueError for what not
    everybody would read in the same way.
    """
    if kind in {"str", "timestamp", "value"} and isinstance(text, str):
        return text
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if kind == "bool":
        sentence = f"{text} can be read in two ways: write true or false, or put the word in quotes"
        raise ValueError(sentence)
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    written = _DECIMAL.fullmatch(text) or _EXPONENT.fullmatch(text)
    if kind == "float" and written and math.isfinite(float(text)):
        return float(text)
    if kind in {"int", "float"}:
        sentence = f"{text} is no decimal number: write one, or put the text in quotes"
        raise ValueError(sentence)
    sentence = f"the tag {kind} is not for this file"
    raise ValueError(sentence)


def _read_text(path: Path, bytes_max: int, refused: Callable[[str], Exception]) -> str:
    try:
        with path.open("rb") as opened:
            content = opened.read(bytes_max + 1)
    except OSError as error:
        sentence = f"cannot be read: {error.strerror}"
        raise refused(sentence) from None
    except ValueError:
        sentence = "has no name that a file can have"
        raise refused(sentence) from None
    if len(content) > bytes_max:
        sentence = f"has more than {bytes_max} bytes"
        raise refused(sentence)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sentence = f"is not UTF-8 text (byte {error.start})"
        raise refused(sentence) from None


# --- Beside the document ---


def _heading_problems(value: Mapping[str, Json]) -> Iterator[Problem]:
    for key in value:
        if key not in KEYS:
            hint = suggestion(key, KEYS) or f"; the keys are {', '.join(KEYS)}"
            yield Problem((key,), f"is not a key here{hint}")
    if type(value.get("version")) is not int or value["version"] != VERSION:
        yield Problem(("version",), f"must be {VERSION}")
    tenant_id = value.get("tenant")
    if not isinstance(tenant_id, str) or not _TENANT.fullmatch(tenant_id):
        yield Problem(("tenant",), "must be 1 to 64 characters of A-Z a-z 0-9 _ - .")


def _variable_problems(
    document: Mapping[str, Json], environment: Mapping[str, str], *, secrets_elsewhere: bool
) -> Iterator[Problem]:
    for path, text in _texts_with_variables(document):
        for match in _VARIABLE.finditer(text):
            name = match[1]
            if not _VARIABLE_NAME.fullmatch(name) or not match[0].endswith("}"):
                yield Problem(path, "${...} must hold the name of an environment variable")
            elif name not in environment and not (secrets_elsewhere and path[0] == "tool_servers"):
                yield Problem(path, f"the environment variable {name} is not set")


def _texts_with_variables(document: Mapping[str, Json]) -> Iterator[tuple[FieldPath, str]]:
    for name, server in _entries(document, "tool_servers"):
        for key in ("command", "environment", "headers"):
            yield from _texts(server.get(key), ("tool_servers", name, key))
    for name, action in _entries(document, "catalog"):
        yield from _texts(action.get("arguments"), ("catalog", name, "arguments"))
        undo = action.get("undo")
        if isinstance(undo, dict):
            yield from _texts(undo.get("arguments"), ("catalog", name, "undo", "arguments"))


def _entries(document: Mapping[str, Json], section: str) -> Iterator[tuple[str, dict[str, Json]]]:
    content = document.get(section)
    if isinstance(content, dict):
        yield from ((name, entry) for name, entry in content.items() if isinstance(entry, dict))


def _texts(value: Json, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(part, (*path, key))


def _resolved(document: Mapping[str, Json], environment: Mapping[str, str]) -> dict[str, Json]:
    """The document with the variables in the catalog's arguments filled in.

    Those of tool servers stay as they are.
    """

    def filled(value: Json) -> Json:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: environment.get(match[1], ""), value)
        if isinstance(value, dict):
            return {name: filled(part) for name, part in value.items()}
        return [filled(part) for part in value] if isinstance(value, list) else value

    def with_arguments(entry: Json) -> Json:
        if not isinstance(entry, dict):
            return entry
        return {name: filled(part) if name == "arguments" else part for name, part in entry.items()}

    catalog = document.get("catalog")
    if not isinstance(catalog, dict):
        return dict(document)
    actions = {
        name: with_arguments(
            {**action, "undo": with_arguments(action["undo"])} if "undo" in action else action
        )
        if isinstance(action, dict)
        else action
        for name, action in catalog.items()
    }
    return {**document, "catalog": actions}
