"""Synthesises the template and holds it against the one in the repository: `python -m
deploy.aws.app`, with `--write` to keep it.

It refuses a stack that cdk-nag has an objection to, a template that cfn-lint has one to, a state
machine that a linter of its language has one to, and a synthesis that is not the same twice.
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from deploy.aws.stack import STATE_MACHINE, ClearanceStack

TEMPLATE = Path(__file__).with_name("template.json")
TEMPLATE_BYTES_MAX = 1_000_000  # what CloudFormation takes from a bucket; inline it takes 51,200
LINT_SECONDS_MAX = 300
ASL_LINTERS = (
    ("@wmfs/statelint@1.30.0", "statelint"),
    ("asl-validator@4.0.0", "asl-validator", "--json-path"),
)
"""npm packages, their commands, and what they want before the file.

The first one decides; the second reads expressions better.
"""


class NotClean(Exception):
    """Something has an objection; the text says what."""


def synthesise() -> str:
    """The template as it is kept: the same for the same source, whoever makes it and where."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder, analytics_reporting=False)
        stack = ClearanceStack(app, "clearance")
        Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
        try:
            app.synth()
        except RuntimeError as failed:
            raise NotClean(f"{_violations(Path(folder)) or failed}") from None
        template = json.loads((Path(folder) / stack.template_file).read_text(encoding="utf-8"))
    return json.dumps(template, indent=1, sort_keys=True) + "\n"


def _violations(folder: Path) -> str:
    """What the plugins of the validation found, one line for each."""
    lines = []
    for path in sorted(folder.glob("*validation-report.json")):
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for plugin in report.get("pluginReports", []):
            for violation in plugin.get("violations", []):
                places = [
                    place.get("constructPath", "")
                    for place in violation.get("violatingConstructs", [])
                ]
                lines += [f"{violation.get('ruleName')}: {violation.get('description')} {places}"]
    return "\n".join(lines)


def check(text: str) -> None:
    """Raises NotClean unless the template is what it should be,
    besides being the one that is kept.
    """
    if text != synthesise():
        raise NotClean("Two syntheses of the same stack differ.")
    if len(text.encode()) > TEMPLATE_BYTES_MAX:
        raise NotClean(
            f"The template has {len(text.encode())} bytes; CloudFormation takes "
            f"{TEMPLATE_BYTES_MAX}."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(text, encoding="utf-8")
        # W3005: CDK says twice what a resource waits for; it does no harm.
        _run(Path(sys.executable).with_name("cfn-lint"), "--ignore-checks", "W3005", "--", path)
    for package, command, *options in ASL_LINTERS:
        _run("npx", "--yes", "--package", package, "--", command, *options, STATE_MACHINE)


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=LINT_SECONDS_MAX, check=False
    )
    if done.returncode:
        raise NotClean(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def main() -> int:
    """0 if everything is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the template")
    wanted = parser.parse_args()
    try:
        text = synthesise()
        check(text)
    except NotClean as objection:
        print(objection, file=sys.stderr)
        return 1
    kept = TEMPLATE.read_text(encoding="utf-8") if TEMPLATE.exists() else ""
    if wanted.write:
        TEMPLATE.write_text(text, encoding="utf-8")
    elif text != kept:
        before, after = kept.splitlines(keepends=True), text.splitlines(keepends=True)
        sys.stderr.writelines(difflib.unified_diff(before, after, "kept", "synthesised"))
        print(
            f"{TEMPLATE} is not what the stack says: look at the difference, and run with --write.",
            file=sys.stderr,
        )
        return 1
    print(
        f"{TEMPLATE}: {len(json.loads(text)['Resources'])} resources, {len(text.encode())} "
        f"bytes, clean."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
