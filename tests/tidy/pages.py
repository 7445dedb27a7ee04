"""The documentation as tests see it: pages, their fenced blocks with the mark above each, tables,
links, and a shell.

A mark is an HTML comment on the line above a block. `run`: the commands behind `$ ` are run, in
order, and must answer with the lines below them (`...` stands for anything). `run until`: the same,
again until it does. `serve`: a server is started and kept until the page ends. `file: PATH`: the
block is that file. `not run: WHY`: it cannot be run in a test.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20.0
QUIET_SECONDS = 0.3  # after which a server has said its first words
PORT_WRITTEN = "8600"  # in the pages; a test takes a free one

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>.*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_KEY_FILE = re.compile(r"^The owner's API key is in (\S+), for you alone\.$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    mark: str | None
    language: str
    text: str

    @property
    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command of a console block (continued lines too), and what it is to answer."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            count = 1
            while lines[count - 1].endswith("\\\n") or "".join(lines[:count]).count("'") % 2:
                count += 1
            yield "".join(lines[:count]).rstrip("\n"), "".join(lines[count:])


@dataclass(frozen=True)
class Page:
    """A page of the documentation."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(found["mark"], found["language"], found["text"])
            for found in _BLOCK.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """The text without its blocks."""
        return _BLOCK.sub("", self.text)

    @property
    def links(self) -> list[tuple[str, str]]:
        """The text and the target of every link."""
        return [(link[1], link[2]) for link in _LINK.finditer(self.prose)]

    @property
    def images(self) -> list[str]:
        """The target of every image."""
        return _IMAGE.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What can follow a `#` in a link to this page."""
        headings = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of every table row under a heading, without the tables' own headings."""
        part = re.split(r"^#+ ", self.text, flags=re.MULTILINE)
        [section] = [one for one in part if one.startswith(f"{heading}\n")]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        rules = {number for number, line in enumerate(lines) if re.fullmatch(r"[|\s:-]+", line)}
        kept = [
            line
            for number, line in enumerate(lines)
            if number not in rules and number + 1 not in rules
        ]
        return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in kept]


def page(name: str) -> Page:
    return Page(ROOT / name)


def pages() -> list[Page]:
    files = [
        *(ROOT / "README.md", ROOT / "CHANGELOG.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "src").rglob("README.md")),
    ]
    return [Page(path) for path in files]


def matches(expected: str, said: str) -> bool:
    """True if an answer is what a page says it is: `...` stands for anything on a line, or alone
    for any lines.

    How wide a column is does not matter.
    """
    pattern = ""
    for line in expected.rstrip("\n").splitlines():
        if line == "...":
            pattern += r"(?:.*\n)*"
        else:
            parts = [
                re.sub(r"(?:\\ ){2,}", " +", re.escape(part)) for part in line.rstrip().split("...")
            ]
            pattern += ".*".join(parts) + " *\\n"
    return re.fullmatch(pattern, said.rstrip("\n") + "\n" if said.strip() else "") is not None


class Shell:
    """A shell in a folder, as a reader has one open: what is exported stays, and so does a server
    in the background.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")
        }
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={
                **kept,
                "PATH": path,
                "CLEARANCE_URL": f"http://127.0.0.1:{self.port}",
                "NO_COLOR": "1",
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("kill $SERVER; wait $SERVER")
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()

    def run(self, command: str) -> tuple[str, int]:
        """What a command says, and how it ends."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        here = command.replace(PORT_WRITTEN, self.port)
        self.process.stdin.write(f"{{ {here}\n}} </dev/null\necho; echo @@@ $?\n")
        self.process.stdin.flush()
        said = ""
        for line in self.process.stdout:
            if line.startswith("@@@ "):
                return said.removesuffix("\n"), int(line[4:])
            said += line
        raise AssertionError(said)

    def serve(self, command: str) -> str:
        """Starts a server; its first words. The shell uses its owner's key from then on, from the
        file that they name.
        """
        listening = f"{command} --port {self.port} >served.txt 2>&1 & SERVER=$!"
        _, code = self.run(listening)
        ends = time.monotonic() + PATIENCE_SECONDS
        said, before = "", None
        while (
            f"/127.0.0.1:{self.port}" not in said or said != before
        ):  # it says more than its address
            assert time.monotonic() < ends, said
            time.sleep(QUIET_SECONDS)
            said, before = (self.folder / "served.txt").read_text(encoding="utf-8"), said
        assert code == 0
        if found := _KEY_FILE.search(said):
            self.run(f"export CLEARANCE_API_KEY=$(cat {found[1]})")
        return said

    def follow(self, block: Block) -> None:
        """Does what a block says, as its mark says."""
        assert block.mark, f"no mark says whether this block is run:\n{block.text}"
        if block.mark.startswith(("not run: ", "file: ")):
            return
        if block.language == "python":
            (self.folder / "example.py").write_text(block.text, encoding="utf-8")
            said, code = self.run("python example.py")
            assert code == 0, said
            return
        for command, expected in block.commands:
            self._follow(block.mark, command, expected)

    def _follow(self, mark: str, command: str, expected: str) -> None:
        ends = time.monotonic() + (PATIENCE_SECONDS if mark == "run until" else 0)
        wanted = expected.replace(PORT_WRITTEN, self.port)
        if mark == "serve":
            said, code = self.serve(command), 0
        else:
            said, code = self.run(command)
        while not matches(wanted, said) and time.monotonic() < ends:
            said, code = self.run(command)
        assert matches(wanted, said), f"$ {command}\n{said}\nis not\n{wanted}"
        assert code == 0, f"$ {command}\n{said}"
