"""A real server of somebody else: `mcp-server-git`, on a scratch repository."""

import subprocess
from pathlib import Path

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import failure, result

pytestmark = pytest.mark.anyio


def git(repository: Path, *command: str) -> str:
    run = subprocess.run(
        ["git", "-C", repository, *command], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


async def test_a_commit_through_the_git_server(tools: McpTools, tmp_path: Path) -> None:
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "config", "user.name", "Ada")
    git(tmp_path, "config", "user.email", "ada@example.org")
    (tmp_path / "a.txt").write_text("hello\n")
    server = ToolServer("git", ("python", "-m", "mcp_server_git", "--repository", str(tmp_path)))
    described = (await tools.describe("northwind", server)).tools
    assert {
        "git_add",
        "git_commit",
        "git_create_branch",
        "git_log",
        "git_status",
    } <= described.keys()
    assert described["git_commit"].input_schema["required"] == ["repo_path", "message"]
    assert described["git_add"].input_schema["required"] == ["repo_path", "files"]
    where = {"repo_path": str(tmp_path)}

    error = await failure(tools, server, "git_commit", {**where, "message": "too early"})
    assert (error.error_class, error.sent) == (ErrorClass.UNKNOWN, Sent.ANSWERED)
    assert "No changes staged" in error.sentence
    assert (
        await result(tools, server, "git_add", {**where, "files": ["a.txt"]})
        == "Files staged successfully"
    )
    agreed = described["git_commit"].schema_digest
    said = await result(
        tools, server, "git_commit", {**where, "message": "First"}, schema_digest=agreed
    )
    assert said == f"Changes committed successfully with hash {git(tmp_path, 'rev-parse', 'HEAD')}"

    outside = await failure(tools, server, "git_status", {"repo_path": str(tmp_path.parent)})
    assert "outside the allowed repository" in outside.sentence
