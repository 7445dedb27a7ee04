"""The result of a run as Markdown, and its place in docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import goals
from bench.fifteen_rules import RUN_OR_NOT_ALIKE, by_hand, questions
from bench.goals import ranged
from bench.run import Cell, Results, middle
from bench.variants import (
    CALLERS,
    GROWTH,
    HTTP,
    POLICIES,
    POSTGRES,
    SQLITE,
    TOOLS,
    WAITING,
    Variant,
)

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BETWEEN = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)
OVER_HTTP = (
    ("the yardstick: a constant, written at once to a kept-alive connection", "echo", "echo"),
    ("`GET /healthz`, to the yardstick", "healthz", "echo"),
    ("`GET /v1/whoami`, to the yardstick", "whoami", "echo"),
    (
        "a proposal that waits for a person, to the same in process",
        "proposal",
        "proposal in process",
    ),
    ("from a proposal to its outcome, to the same in process", "outcome", "outcome in process"),
)  # title, what was looked at, and what it is compared with
ACCOUNTS = {
    "spread": ", 1000 accounts",
    "hot": ", one account",
    "budget": ", 1000 accounts, their budgets alone",
}


def report(results: Results, machine: Sequence[str], pages: float, batches: str) -> str:
    """Everything that was found."""
    wrong = results.invalid()
    valid = (
        f"**Invalid:** {'; '.join(wrong)}."
        if wrong
        else "Valid: no yardstick varied more than 3 times."
    )
    many = (
        f"{results.rounds} round{'s' * (results.rounds != 1)} in {results.seconds / 60:.0f} minutes"
    )
    about = [*machine, f"{many}{results.cut and f' ({results.cut})'}. {valid}"]
    parts = [
        "\n".join(f"- {line}" for line in about),
        f"### Goals\n\n{goals.table(results, pages)}\n\n{batches}",
        f"### The disk\n\n{_disk(results)}",
        f"### SQLite\n\n{_loads(results, SQLITE)}",
        f"### PostgreSQL\n\n{_loads(results, POSTGRES)}",
        f"### Over HTTP\n\n{_over_http(results)}",
        f"### What a tool call takes more\n\n{_tools(results)}",
        f"### Policy alone\n\n{_policies(results)}",
        f"### 10,000 waiting approvals\n\n{_sizes(results, WAITING, 'waiting')}",
        f"### Growth\n\n{_growth(results)}",
    ]
    return "\n\n".join(parts) + "\n"


def write(text: str, page: Path = PAGE) -> None:
    """Puts the result between the page's marks. ValueError if it has none."""
    before = page.read_text(encoding="utf-8")
    after, count = BETWEEN.subn(lambda _: f"\n{text}\n", before)
    if count != 1:
        sentence = f"{page} needs one pair of <!-- bench --> marks"
        raise ValueError(sentence)
    page.write_text(after, encoding="utf-8")


def written(page: Path = PAGE) -> str:
    """What the page says now."""
    found = BETWEEN.search(page.read_text(encoding="utf-8"))
    return found[0] if found else ""


def _disk(results: Results) -> str:
    rounds = results.cells.get(("fsync", 1, "fsync"), [])
    cells = [f"{one.p50_ms:.2f} / {one.p99_ms:.2f}" for one in rounds]
    numbers = " | ".join(str(number) for number in range(1, len(cells) + 1))
    return "\n".join(
        [
            f"| round | {numbers} |",
            f"|---|{'---|' * len(cells)}",
            f"| 4 KiB and fdatasync, p50 / p99 ms | {' | '.join(cells)} |",
        ]
    )


def _loads(results: Results, variants: Sequence[Variant]) -> str:
    heads = [
        "",
        *(f"{callers} caller{'s' * (callers > 1)}" for callers in CALLERS),
        "p50 / p99 ms at 64",
    ]
    heads += ["p99 to raw's", "what survives"]
    rows = [row for variant in variants for row in _load_rows(results, variant)]
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows])


def _load_rows(results: Results, variant: Variant) -> Iterator[str]:
    reason = results.missing.get(variant.key)
    if reason:
        yield f"| {variant.title} | not measured: {reason} | | | | | {variant.keeps} |"
        return
    for name in dict.fromkeys(label for key, _, label in results.cells if key == variant.key):
        cells = [
            _rate(results, (variant.key, callers, name), (variant.beside, callers, "raw"))
            for callers in CALLERS
        ]
        yield (
            f"| {variant.title}{ACCOUNTS.get(name, '')} | {' | '.join(cells)} | "
            f"{_at_64(results, variant, name)} |"
        )


def _rate(results: Results, cell: Cell, other: Cell) -> str:
    if not results.has(cell):
        return ""
    rate = f"{middle([one.rate for one in results.cells[cell]]):,.0f}/s"
    if cell == other or not results.has(other):
        return f"{rate}, 1.00" if cell == other else rate
    return f"{rate}, {ranged(results.ratios(cell, other))}"


def _at_64(results: Results, variant: Variant, name: str) -> str:
    cell, raw = (variant.key, CALLERS[-1], name), (variant.beside, CALLERS[-1], "raw")
    if not results.has(cell):
        return f" | | {variant.keeps}"
    p50, p99 = (
        middle([getattr(one, what) for one in results.cells[cell]]) for what in ("p50_ms", "p99_ms")
    )
    to_raw = f"{middle(results.p99_ratios(cell, raw)):.2f}" if results.has(raw) else ""
    return f"{p50:.1f} / {p99:.1f} | {to_raw} | {variant.keeps}"


def _over_http(results: Results) -> str:
    return "\n\n".join(_served(results, variant) for variant in HTTP)


def _served(results: Results, variant: Variant) -> str:
    if variant.key in results.missing:
        return f"{variant.title}: not measured: {results.missing[variant.key]}"
    ends = (CALLERS[0], CALLERS[-1])
    heads = [variant.title, *(f"{callers} caller{'s' * (callers > 1)}" for callers in CALLERS)]
    heads += [f"p50 / p99 ms at {callers}" for callers in ends]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for title, mine, other in OVER_HTTP:
        cells = [
            _rate(results, (variant.key, callers, mine), (variant.key, callers, other))
            for callers in CALLERS
        ]
        cells += [_both(results, (variant.key, callers, mine)) for callers in ends]
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _tools(results: Results) -> str:
    said = {"function": "a Python function", "stdio": "MCP over stdio", "http": "MCP over HTTP"}
    heads = (
        "| the tool, which does nothing | store | direct, p50 / p99 ms | through Clearance, p50 / "
        "p99 ms | added, p50 |"
    )
    rows = []
    for variant in TOOLS:
        for kind, title in said.items():
            direct, through = ((variant.key, 1, f"{kind} {what}") for what in ("direct", "through"))
            if not results.has(through):
                continue
            cells = [_both(results, cell) for cell in (direct, through)]
            pairs = zip(results.cells[direct], results.cells[through], strict=True)
            added = [two.p50_ms - one.p50_ms for one, two in pairs]
            rows.append(
                f"| {title} | {variant.store} | {cells[0]} | {cells[1]} | {ranged(added)} ms |"
            )
    return "\n".join([heads, "|---|---|---|---|---|", *rows])


def _both(results: Results, cell: Cell) -> str:
    if not results.has(cell):
        return ""
    p50, p99 = (
        middle([getattr(one, what) for one in results.cells[cell]]) for what in ("p50_ms", "p99_ms")
    )
    return f"{p50:.2f} / {p99:.2f}"


def _policies(results: Results) -> str:
    rows = [
        "| 432 questions to 15 rules | us a decision | to rules by hand | what survives |",
        "|---|---|---|---|",
    ]
    hand: Cell = ("policy hand", 1, "policy")
    for variant in POLICIES:
        cell: Cell = (variant.key, 1, "policy")
        if not results.has(cell):
            rows.append(
                f"| {variant.title} | not measured: {results.missing.get(variant.key, '')} | | "
                f"{variant.keeps} |"
            )
            continue
        taken = middle([1e6 / one.rate for one in results.cells[cell]])
        times = ranged(results.ratios(hand, cell)) if results.has(hand) else ""
        rows.append(f"| {variant.title} | {taken:.1f} | {times} | {variant.keeps} |")
    asked = questions()
    runs = sum(by_hand(one)[0] == "AUTO_EXECUTE" for one in asked)
    note = (
        f"The toolkit's evaluator cannot express this policy: a rule of it is one condition on "
        f"one field, and there is no "
        f'answer "ask a person". It was given the nearest rules that it can say, and it agrees '
        f"on whether an action runs in "
        f"{RUN_OR_NOT_ALIKE} of {len(asked)} questions, of which {runs} may run; on which of the "
        f"others wait for a person it "
        f"has no answer."
    )
    return "\n".join(rows) + f"\n\n{note}"


def _sizes(results: Results, variants: Sequence[Variant], what: str) -> str:
    tables = [table for variant in variants if (table := _two_sizes(results, variant, what))]
    return "\n\n".join(tables) or "Not measured."


def _two_sizes(results: Results, variant: Variant, what: str) -> str:
    """The same looks at a small and a large store: p50 and p99 of each, and how many times the
    small one's median.
    """
    found = {
        label: ones[0] for (key, _, label), ones in results.cells.items() if key == variant.key
    }
    if not found:
        return (
            f"{variant.store}: not measured: {results.missing[variant.key]}"
            if variant.key in results.missing
            else ""
        )
    small, large = dict.fromkeys(label.partition(": ")[0] for label in found)
    rows = [
        f"| {variant.store}, p50 / p99 ms | {small} {what} | {large} {what} | p50, times |",
        "|---|---|---|---|",
    ]
    for label, one in found.items():
        size, _, look = label.partition(": ")
        if size == small and look != "load":
            other = found[f"{large}: {look}"]
            cells = f"{one.p50_ms:.2f} / {one.p99_ms:.2f} | {other.p50_ms:.2f} / {other.p99_ms:.2f}"
            rows.append(f"| {look} | {cells} | {other.p50_ms / one.p50_ms:.1f} |")
    return "\n".join(rows)


def _growth(results: Results) -> str:
    """What this run found, or what an earlier one wrote: growth is measured only when it is asked
    for.
    """
    if any(key == variant.key for variant in GROWTH for key, _, _ in results.cells):
        return _sizes(results, GROWTH, "intents")
    kept = re.search(r"### Growth\n\n(.*)", written() if PAGE.exists() else "", re.DOTALL)
    return kept[1].strip() if kept else "Not measured yet: `python -m bench --growth --write`."
