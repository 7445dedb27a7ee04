"""What the documentation says is so: its links lead somewhere, its examples load, its names and
numbers are those of the code.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from clearance.configuration import file as configuration
from clearance.core import gate
from clearance.core.approval import RulingKind
from clearance.core.decision import Answer
from clearance.core.principal import PERMISSIONS, Permission
from clearance.core.record import STEPS, IntentStatus
from clearance.flow.requests import RulingRequest
from clearance.profiles.environment import Environment
from tests.crash.test_kill import POINTS
from tests.support.sample import APPROVER, task
from tests.support.world import World
from tests.tidy import layout
from tests.tidy.pages import ROOT, Page, page, pages

SOURCE = ROOT / "src" / "clearance"
ADMITTED = {"BLOCKED", "AWAITING_APPROVAL", "APPROVED"}
PLAN = (
    *(
        "ActionIntentV1",
        "AutonomyModeConfigV1",
        "AutoApprovalPolicyV1",
        "AutoApprovalPolicyEngine.evaluate",
    ),
    *(
        "AutonomyBudgetService.checkAndConsume",
        "ACTION_APPROVED",
        "auto_executed",
        "ActionOutcomeV1",
    ),
    *(
        "ExecutionAttempt",
        "ExecutionRecorder",
        "execution-starter",
        "tool-invoker",
        "execution-recorder",
    ),
    *(
        "auto-approval-gate-handler",
        "Status API",
        "EventBridge",
        "Step Functions",
        "Lambda",
        "Autopilot did X",
    ),
)
UNITS = {
    "KiB": 1024,
    "MiB": 1024**2,
    "s": 1,
    "h": 3600,
    **dict.fromkeys(("", "bytes", "levels", "characters", "days"), 1),
}

every_page = pytest.mark.parametrize("one", pages(), ids=lambda one: one.name)


def source_text(*suffixes: str) -> str:
    return "\n".join(
        path.read_text(encoding="utf-8")
        for folder in (SOURCE, ROOT / "examples")
        for path in sorted(folder.rglob("*"))
        if path.suffix in suffixes and "vendor" not in path.parts
    )


@every_page
def test_every_link_leads_somewhere(one: Page) -> None:
    for text, target in one.links:
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (one.path.parent / path).resolve() if path else one.path
        assert found.exists(), f"{one.name}: [{text}]({target})"
        if anchor:
            assert anchor in Page(found).anchors, f"{one.name}: [{text}]({target})"


@every_page
def test_every_image_is_there(one: Page) -> None:
    assert [image for image in one.images if not (one.path.parent / image).exists()] == []


@every_page
def test_every_test_that_is_named_is_there(one: Page) -> None:
    for text, target in one.links:
        named = re.fullmatch(r"`(?:(?P<file>\w+\.py)::)?(?P<name>(?:test_|Test)\w+)`", text)
        if not named:
            assert "tests/" not in target or not target.endswith(".py"), (
                f"{one.name}: [{text}]({target})"
            )
            continue
        path = (one.path.parent / target).resolve()
        assert named["file"] in {None, path.name}, f"{one.name}: {text} is not in {target}"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        names |= {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        assert named["name"] in names, f"{one.name}: {target} has no {named['name']}"


@every_page
def test_every_whole_configuration_loads(one: Page, tmp_path: Path) -> None:
    blocks = one.blocks
    for number, block in enumerate(blocks):
        if block.language != "yaml" or not block.text.startswith("version:"):
            continue
        policy = next(later for later in blocks[number:] if later.language == "cedar")
        (tmp_path / "clearance.yaml").write_text(block.text, encoding="utf-8")
        (tmp_path / "policy.cedar").write_text(policy.text, encoding="utf-8")
        variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", block.text), "something")
        assert configuration.load(tmp_path / "clearance.yaml", variables).tenant_id


@every_page
def test_every_variable_that_is_named_exists(one: Page) -> None:
    known = {f"CLEARANCE_{name.upper()}" for name in Environment.model_fields}
    known |= set(re.findall(r"\"(CLEARANCE_[A-Z_]+)\"", source_text(".py")))
    assert set(re.findall(r"\bCLEARANCE_[A-Z_]+\b", one.text)) <= known


def test_every_variable_of_the_process_is_explained() -> None:
    explained = " ".join(row[0] for row in page("docs/operate.md").rows("The process"))
    assert {
        name for name in Environment.model_fields if f"`CLEARANCE_{name.upper()}`" not in explained
    } == set()


@every_page
def test_every_code_that_is_named_exists(one: Page) -> None:
    written = "\n".join(
        block.text for block in one.blocks if block.language in {"yaml", "cedar", "python"}
    )
    known = source_text(".py", ".yaml", ".cedar", ".sql") + written
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", one.prose))
    named = {name for name in named if not name.startswith(("CLEARANCE_", "AWS_"))}
    assert {name for name in named if not re.search(rf"\b{name}\b", known)} == set()


def test_files_that_are_shown_are_the_files() -> None:
    shown = 0
    for one in pages():
        for block in one.blocks:
            if block.mark and block.mark.startswith("file: "):
                assert block.text == (ROOT / block.mark.removeprefix("file: ")).read_text(
                    encoding="utf-8"
                )
                shown += 1
    assert shown == len(list((ROOT / "examples" / "notes").iterdir()))


# The life of an intent


def test_the_diagram_has_exactly_the_steps_of_the_code() -> None:
    [diagram] = [
        block.text
        for block in page("docs/life-of-an-intent.md").blocks
        if block.language == "mermaid"
    ]
    drawn = set(re.findall(r"^ +(\S+) --> (\w+):", diagram, re.MULTILINE))
    steps = {(before.value, after.value) for before, afters in STEPS.items() for after in afters}
    assert drawn == steps | {("[*]", status) for status in ADMITTED}
    assert {name for edge in drawn for name in edge} - {"[*]"} == set(IntentStatus)


def test_every_table_of_the_store_is_on_the_page() -> None:
    schema = (SOURCE / "stores" / "sqlite" / "migrations" / "0001_first.sql").read_text(
        encoding="utf-8"
    )
    tables = re.findall(r"CREATE TABLE (\w+)", schema)
    assert [
        table for table in tables if f"`{table}`" not in page("docs/life-of-an-intent.md").prose
    ] == []


@pytest.mark.anyio
async def test_entries_have_the_fields_that_the_page_shows(world: World) -> None:
    await world.propose(task("quote-1"))
    await world.propose(task("mood-1", confidence_score=0.5))
    await world.control.rule(APPROVER, "mood-1.1", RulingRequest(RulingKind.APPROVE))
    await world.run("quote-1")
    real = {(entry["kind"], entry.get("approval_source")): entry for entry in await world.entries()}
    shown = [
        block for block in page("docs/life-of-an-intent.md").blocks if block.language == "json"
    ]
    assert len(shown) == 4
    for block in shown:
        assert block.mark
        entry = json.loads(block.text)
        like = real[entry["kind"], block.mark.removeprefix("entry: ")]
        assert _fields(entry) == _fields(like)


def _fields(entry: dict[str, Any]) -> set[str]:
    """The names of an entry, and of what is in it by name."""
    inner = {
        f"{name}.{part}"
        for name, value in entry.items()
        if isinstance(value, dict)
        for part in value
    }
    return {*entry, *inner}


def test_every_point_of_the_kill_test_has_its_row() -> None:
    rows = page("docs/life-of-an-intent.md").rows("`kill -9`")
    assert {row[0].strip("`") for row in rows} == set(POINTS)


# Architecture, limits, roles, plan


def test_the_layout_is_what_the_files_say_of_themselves() -> None:
    text = layout.PAGE.read_text(encoding="utf-8")
    assert text == layout.written(text), "run: python -m tests.tidy.layout"


def test_the_readme_shows_the_row_of_the_gate() -> None:
    rows = page("README.md").rows("The gate")
    assert [tuple(row[:2]) for row in rows] == [(check.title, check.question) for check in gate.ROW]


def test_every_code_of_the_gate_that_asks_or_blocks_fails_closed_in_the_table() -> None:
    tightening = {
        code.value
        for node in ast.walk(ast.parse(Path(gate.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Tuple)
        for code in ast.walk(node)
        if isinstance(code, ast.Constant)
        and isinstance(code.value, str)
        and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code.value)
    }
    tightening -= {
        "NOT_STOPPED",
        "NOT_EXPIRED",
        "KNOWN_ACTION",
        "ACCOUNT_KNOWN",
        "ACCOUNT_NEW",
        "UNKNOWN_ACCOUNT_ALLOWED",
        "ALLOWLISTED",
        "MODE_AUTO_EXECUTE",
        "NOT_REJECTED",
        "BUDGET_HELD",
        "NO_BUDGET_NEEDED",
        "LIMITS_HELD",
        *Answer,
    }
    rows = [
        row
        for row in page("docs/architecture.md").rows("What fails closed")
        if len(row) == 4 and row[2]
    ]
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row[2])}
    assert tightening <= listed
    for row in rows:
        files = re.findall(r"\]\((\S+?\.py)\)", row[3])
        shown = "".join((ROOT / "docs" / file).read_text(encoding="utf-8") for file in files)
        assert [code for code in re.findall(r"`(\w+)`", row[2]) if code not in shown] == [], row[0]


def test_the_limits_are_those_of_the_code() -> None:
    rows = [row for row in page("docs/operate.md").rows("Limits") if row[1]]
    assert len(rows) > 50
    for what, said, name in rows:
        module, _, constant = name.strip("`").rpartition(".")
        value = getattr(importlib.import_module(f"clearance.{module}"), constant)
        number, _, unit = said.partition(" ")
        factor = UNITS[unit]
        if constant.endswith("_MS") or "_MS_" in constant:
            factor *= 1000
        assert float(number.replace(",", "")) * factor == value, (what, said, name, value)


def test_the_roles_are_those_of_the_code() -> None:
    text = page("docs/operate.md").text.partition("## Keys and roles")[2]
    names = [
        cell.strip() for cell in re.findall(r"^\| role \|(.*)\|$", text, re.MULTILINE)[0].split("|")
    ]
    assert names == [permission.value for permission in Permission]
    rows = {
        row[0].strip("`"): {name for name, cell in zip(names, row[1:], strict=True) if cell}
        for row in page("docs/operate.md").rows("Keys and roles")
    }
    assert rows == {
        role.value: {permission.value for permission in allowed}
        for role, allowed in PERMISSIONS.items()
    }


def test_every_name_of_the_plan_has_its_place_and_every_demand_its_test() -> None:
    one = page("docs/plan.md")
    assert [name for name in PLAN if name not in one.text] == []
    for heading in re.findall(r"^## (.*)$", one.text, re.MULTILINE):
        for row in one.rows(heading):
            assert "::" in row[2], f"{heading}: {row[0]}"
