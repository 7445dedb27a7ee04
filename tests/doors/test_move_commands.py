"""The commands export and import, from a data directory to a database with the roles of
docs/postgres.md.
"""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearance.client import Clearance
from tests.doors.test_postgres_profile import Installation, configure, installation, until, words
from tests.doors.test_serve import TASK, first_key

SECONDS_MAX = 40


@pytest.fixture(scope="module")
def here(postgres_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A migrated database, and a data directory with a tenant, a key and an intent that was carried
    out.
    """
    tmp_path = tmp_path_factory.mktemp("move")
    with installation(postgres_folder, tmp_path) as made:
        assert made.run("migrate", url=made.owner)[0] == 0
        config, data = str(configure(made)), str(tmp_path / "data")
        server = made.start("serve", "--config", config, "--data", data, "--port", "0")
        made.key = first_key(server.said)
        with made.client(server) as owner:
            owner.propose(**TASK, parameters={"title": "Moved"}, action_intent_id="moved")
            assert owner.wait("moved", SECONDS_MAX)["status"] == "SUCCEEDED"
        busy = made.run("export", str(tmp_path / "busy.jsonl"), "--data", data, "--json")
        assert (busy[0], json.loads(busy[2])["error"]["code"]) == (1, "ALREADY_SERVED")
        assert not (tmp_path / "busy.jsonl").exists()
        server.signal(15)
        assert server.ended() == 0
        yield made


def code_of(said: tuple[int, str, str]) -> tuple[int, str]:
    """How a command ended, and the code of its refusal."""
    code, out, err = said
    assert out == ""
    return code, json.loads(err)["error"]["code"]


def test_a_data_directory_moves_into_a_database_and_its_keys_work_there(here: Installation) -> None:
    data, file = str(here.folder / "data"), here.folder / "moved.jsonl"
    code, out, _ = here.run("export", str(file), "--data", data, "--json")
    said = json.loads(out)
    assert (code, said["store"], said["counts"]["intent"], said["counts"]["api_key"]) == (
        0,
        "sqlite",
        1,
        1,
    )
    assert json.loads(file.read_text(encoding="utf-8").splitlines()[-1])["sha256"] == said["sha256"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert here.key not in file.read_text(encoding="utf-8")
    before = file.read_bytes()
    assert code_of(here.run("export", str(file), "--data", data, "--json")) == (1, "FILE_EXISTS")
    assert file.read_bytes() == before

    assert code_of(here.run("import", str(file), "--json")) == (1, "FORBIDDEN")
    _killed_in_the_middle(here, before)
    code, out, _ = here.run("import", str(file), url=here.owner)
    assert code == 0
    assert "Imported 1 intents, " in out
    assert code_of(here.run("import", str(file), "--json", url=here.owner)) == (
        1,
        "STORE_NOT_EMPTY",
    )

    server = here.start("serve", "--port", "0")
    assert server.said["first_key_file"] is None
    with Clearance(server.url, here.key) as owner:
        assert owner.intent("moved")["status"] == "SUCCEEDED"
        again = owner.propose(**TASK, parameters={"title": "Moved"}, action_intent_id="moved")
        assert again["status"] == "SUCCEEDED"
    server.signal(15)
    assert server.ended() == 0

    back = here.folder / "back.jsonl"
    assert code_of(here.run("export", str(back), "--json")) == (1, "FORBIDDEN")
    assert not back.exists()
    assert here.run("export", str(back), url=here.owner)[0] == 0
    assert back.read_bytes().splitlines()[1:-1] == before.splitlines()[1:-1]


def _killed_in_the_middle(here: Installation, archive: bytes) -> None:
    """An import that has all but the last line, and is killed; what it put into the database is
    gone with it.
    """
    waits = """SELECT pid FROM pg_stat_activity WHERE application_name = 'clearance-archive'
    AND query LIKE '%counter%'
        AND state = 'idle in transaction' AND datname = current_database()"""
    with subprocess.Popen(
        words("import", "-"), env=here.environment(here.owner), stdin=subprocess.PIPE
    ) as importing:
        try:
            assert importing.stdin is not None
            importing.stdin.write(archive[: archive.rindex(b'{"kind":"end"')])
            importing.stdin.flush()
            until(lambda: here.sql(waits))
        finally:
            importing.kill()
    assert here.sql("SELECT tenant_id FROM clearance.tenant") == [("*",)]


def test_through_a_pipe(here: Installation) -> None:
    data = str(here.folder / "data")
    out = subprocess.run(
        words("export", "-", "--data", data),
        env=here.environment(),
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
    ).stdout
    assert out.splitlines()[0].startswith(b'{"kind":"header"')
    into = words("import", "-", "--data", str(here.folder / "copy"), "--json")
    said = subprocess.run(
        into, env=here.environment(), input=out, check=True, timeout=60, stdout=subprocess.PIPE
    ).stdout
    assert json.loads(said)["counts"]["intent"] == 1
    assert (
        here.run("doctor", "--data", str(here.folder / "copy"), "--json")[1].count('"failure"') == 0
    )


def test_files_that_are_not_there_and_places_that_are_empty(here: Installation) -> None:
    nowhere = str(here.folder / "nowhere" / "x.jsonl")
    data = str(here.folder / "data")
    assert code_of(here.run("import", nowhere, "--json")) == (1, "FILE_NOT_READ")
    assert code_of(here.run("export", nowhere, "--data", data, "--json")) == (1, "FILE_NOT_WRITTEN")
    empty = str(here.folder / "empty")
    assert code_of(here.run("export", str(here.folder / "x.jsonl"), "--data", empty, "--json")) == (
        1,
        "NO_DATA",
    )
    assert not (here.folder / "x.jsonl").exists()
    assert code_of(here.run("import", "/dev/full", "--data", empty, "--json")) == (
        1,
        "ARCHIVE_LINE_TOO_LONG",
    )
    (here.folder / "text.jsonl").write_text("hello\n", encoding="utf-8")
    code, out, err = here.run("import", str(here.folder / "text.jsonl"), "--data", empty)
    assert (code, out) == (1, "")
    assert "Line 1: is not a JSON object with a kind." in err
    assert [path.name for path in Path(empty).iterdir()] == ["serve.lock"]
