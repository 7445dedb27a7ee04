"""The configuration file: what it becomes, and what is said of everything that is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings, parse_document
from clearance.configuration.file import Configuration, ConfigurationError, load
from clearance.core.decision import SettingsVersion

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"

POLICY = """\
@id("tasks") @reason("TASKS_ALLOWED") @explanation("Tasks may be created.")
permit(principal, action == Action::"CREATE_CRM_TASK", resource);
"""

FILE = """\
version: 1
tenant: northwind
tool_servers:
  crm:
    command: [python, -m, clearance.demo.crm]
    environment: {CRM_DB: "${CRM_DB}"}
catalog:
  CREATE_CRM_TASK:
    tool: crm.create_task
    risk_level: LOW
    effect: keyed
    idempotency_argument: request_id
    parameters:
      type: object
      required: [title]
      properties: {title: {type: string}, due: {type: string, format: date, default: 2026-11-24}}
      additionalProperties: false
    arguments: {source: "${SOURCE}/tasks"}
    sentence: "created the task '{title}' for {account_id}"
autonomy:
  allowlist: [CREATE_CRM_TASK]
  modes:
    - {mode: APPROVAL_REQUIRED}
    - {account: acme, mode: AUTO_EXECUTE}
  budgets:
    - max_per_day: 50
policy: policy.cedar
"""
ACTION = "catalog.CREATE_CRM_TASK"
SECRET = "hunter2-hunter2"
ENVIRONMENT = {"CRM_DB": SECRET, "SOURCE": "/srv"}


def read(
    folder: Path, text: str = FILE, policy: str = POLICY, environment: dict[str, str] = ENVIRONMENT
) -> Configuration:
    (folder / "policy.cedar").write_text(policy)
    file = folder / "clearance.yaml"
    file.write_text(text)
    return load(file, environment)


def refused(
    folder: Path, text: str = FILE, policy: str = POLICY, environment: dict[str, str] = ENVIRONMENT
) -> list[str]:
    """The lines of the refusal, without the folder."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, policy, environment)
    assert caught.value.code == "INVALID_CONFIGURATION"
    assert SECRET not in caught.value.sentence
    return caught.value.sentence.replace(f"{folder}/", "").splitlines()


def test_a_file_becomes_a_document_with_the_policy_in_it_and_the_servers_variables_by_name(
    tmp_path: Path,
) -> None:
    found = read(tmp_path)
    assert found.tenant_id == "northwind"
    document = found.document.as_json()
    assert document["policy"] == POLICY
    assert document["tool_servers"]["crm"]["environment"] == {"CRM_DB": "${CRM_DB}"}
    action = document["catalog"]["CREATE_CRM_TASK"]
    assert action["arguments"] == {"source": "/srv/tasks"}
    assert action["parameters"]["properties"]["due"]["default"] == "2026-11-24"
    assert parse_document(document) == found.document


def test_every_problem_is_said_at_once_with_its_file_and_line(tmp_path: Path) -> None:
    text = (
        FILE.replace("risk_level: LOW", "risk_level: low")
        .replace("tool: crm.create_task", "tool: crn.create_task")
        .replace("max_per_day: 50", "max_per_day: 50.5")
        .replace("{account: acme, mode", "{acount: acme, mode")
        .replace("version: 1", "version: 2")
        + "polycy: x\n"
    )
    assert refused(tmp_path, text, environment={"SOURCE": "x"}) == [
        "clearance.yaml:1: version: must be 1",
        (
            "clearance.yaml:6: tool_servers.crm.environment.CRM_DB: the environment variable "
            "CRM_DB "
            "is not set"
        ),
        f"clearance.yaml:9: {ACTION}.tool: there is no tool server crn; did you mean crm?",
        (
            f"clearance.yaml:10: {ACTION}.risk_level: must be one of MINIMAL, LOW, MEDIUM, HIGH; "
            f"did "
            f"you mean LOW?"
        ),
        "clearance.yaml:24: autonomy.modes.1.acount: is not a key here; did you mean account?",
        (
            "clearance.yaml:26: autonomy.budgets.0.max_per_day: must be an integer from 0 to "
            "1000000000"
        ),
        "clearance.yaml:28: polycy: is not a key here; did you mean policy?",
    ]


def test_a_problem_of_the_policy_names_the_line_of_the_policy_file(tmp_path: Path) -> None:
    wrong = (
        POLICY
        + '\n@id("tasks2") @reason("R") @explanation("E")\npermit(principal, action, resource) '
        "when { 1 };\n"
    )
    [line] = refused(tmp_path, policy=wrong)
    assert line.startswith("policy.cedar:4: tasks2: ")
    [line] = refused(tmp_path, FILE.replace("policy.cedar", "gone.cedar"))
    assert (
        line
        == "clearance.yaml:27: policy: the policy file gone.cedar cannot be read: No such file "
        "or directory"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "tenant: northwind",
            "tenant: a\ntenant: b",
            "clearance.yaml:2: tenant: is written twice; again in line 3",
        ),
        (
            "max_per_day: 50",
            "max_per_day: yes",
            "yes can be read in two ways: write true or false, or put the word in",
        ),
        ("max_per_day: 50", "max_per_day: 1:30", "1:30 is no decimal number"),
        ("max_per_day: 50", "max_per_day: 010", "010 is no decimal number"),
        ("max_per_day: 50", "max_per_day: .nan", ".nan is no decimal number"),
        ("max_per_day: 50", "max_per_day: 1.0e+999", "1.0e+999 is no decimal number"),
        (
            "max_per_day: 50",
            "max_per_day: !!python/object:os.system x",
            "the tag python/object:os.system is not for this file",
        ),
        ("max_per_day: 50", "max_per_day: !!binary eA==", "the tag binary is not for this file"),
        (
            "account: acme,",
            "no: acme,",
            "clearance.yaml:24: autonomy.modes.1: the key no in line 24 must be text",
        ),
        ("allowlist: [", "allowlist: [[", "clearance.yaml:22: is not YAML: "),
        (
            "tenant: northwind",
            "tenant: north/wind",
            "clearance.yaml:2: tenant: must be 1 to 64 characters of",
        ),
        (
            "${SOURCE}",
            "${SOURCE",
            "clearance.yaml:18: catalog.CREATE_CRM_TASK.arguments.source: ${...} must hold the",
        ),
        ("${CRM_DB}", "${CRM-DB}", "${...} must hold the name of an environment variable"),
        (
            '{CRM_DB: "${CRM_DB}"}',
            '{CRM_DB: "${CRM_DB}"}\n    secrets: [CRM_DBB]',
            "clearance.yaml:7: tool_servers.crm.secrets.0: must name a ${NAME} of this tool server, "
            "or an entry of its environment, inherit or headers; did you mean CRM_DB?",
        ),
        (
            'environment: {CRM_DB: "${CRM_DB}"}',
            "inherit: HTTPS_PROXY",
            "clearance.yaml:6: tool_servers.crm.inherit: must be a list",
        ),
        (
            'environment: {CRM_DB: "${CRM_DB}"}',
            "inherit: [HTTPS-PROXY]",
            "clearance.yaml:6: tool_servers.crm.inherit.0: must be the name of an environment",
        ),
        (
            "policy: policy.cedar",
            "policy: [x]",
            "clearance.yaml:27: policy: must be the name of a file",
        ),
        (
            "policy: policy.cedar",
            "stop_switches: []",
            "clearance.yaml:27: stop_switches: is not a key here; the keys are",
        ),
        (
            "tenant: northwind",
            "tenant: northwind\n---\na: 1",
            "clearance.yaml:3: is not YAML: but found another document",
        ),
        (
            "tenant: northwind",
            "tenant: \x07",
            "clearance.yaml:2: has a character that YAML does not allow",
        ),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in FILE
    [line] = refused(tmp_path, FILE.replace(old, new))
    assert said in line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "just text",
        "{}",
        "[" * 5_000,
        "a: &a [*a]",
        "a: &a {b: *a}",
        "? [x]\n: 1",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(
            f"{c}: &{c} [{','.join(['*' + p] * 9)}]"
            for p, c in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 40_000)}]",
        "version: " + "9" * 10_000,
        "a: " + "x" * 2_000_000,
    ],
    ids=range(12),
)
def test_hostile_yaml_is_refused_in_bounded_time_and_memory(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text)


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, said in [
        ("gone.yaml", "No such file"),
        (".", "Is a directory"),
        ("binary.yaml", "is not UTF-8 text"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            load(tmp_path / name, {})


def test_the_examples_of_the_reference_are_valid_and_every_key_is_in_it(tmp_path: Path) -> None:
    text = DOCS.read_text()
    blocks = dict(
        re.findall(r"^`(\w+\.\w+)`:\n\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    )
    assert set(blocks) == {"clearance.yaml", "policy.cedar"}
    for name, block in blocks.items():
        (tmp_path / name).write_text(block)
    found = load(
        tmp_path / "clearance.yaml",
        {"CRM_DB": "x", "BILLING_TOKEN": "x", "REPOSITORY": "/srv/repository"},
    )
    settings = compile_settings(
        found.tenant_id, StoredSettings(SettingsVersion(1, 0), found.document.as_json(), {})
    )
    assert settings.policy is not None
    schema = parse_document({}).model_json_schema()
    keys = {key for shape in [schema, *schema["$defs"].values()] for key in shape["properties"]}
    undocumented = {
        key
        for key in keys
        - {"tool_pins", "tool_descriptions", "stop_switches", "subject", "scope", "level", "reason"}
        - {"set_by", "set_at", "lifted_by"}  # a file has no switches
        if f"`{key}`" not in text
    }
    assert undocumented == set()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{NOTES_DB: ${NOTES_DB}}", {"NOTES_DB": "${NOTES_DB}"}),
        ('{NOTES_DB: "${NOTES_DB}"}', {"NOTES_DB": "${NOTES_DB}"}),
        ("{A: x${NOTES_DB}y, B: 1${A}}", {"A": "x${NOTES_DB}y", "B": "1${A}"}),
    ],
)
def test_a_variable_needs_no_quotes_among_braces(
    tmp_path: Path, written: str, read: dict[str, str]
) -> None:
    example = Path(__file__).parents[2] / "examples" / "notes"
    text = (example / "clearance.yaml").read_text().replace('{NOTES_DB: "${NOTES_DB}"}', written)
    (tmp_path / "clearance.yaml").write_text(text)
    (tmp_path / "policy.cedar").write_text((example / "policy.cedar").read_text())
    document = load(tmp_path / "clearance.yaml", {"NOTES_DB": "n", "A": "a"}).document
    assert document.tool_servers["notes"].environment == read
