"""Whatever ends a process of Clearance, no descendant of a tool server outlives it: the server, the
worker and the demo, killed with `kill -9` or asked to end.
"""

import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clearance.tools import program
from tests.doors import test_postgres_profile as postgres
from tests.doors.test_serve import CONFIGURATION, POLICY, TASK, first_key, start
from tests.tools.support.calling import HERE, descendants, marked

pytestmark = pytest.mark.skipif(not program.KEPT, reason="only Linux has subreapers")
GONE_SECONDS_MAX = 20.0
FAMILY_LEAST = 10
KEEPER_AND_SERVER = 2
PLAIN = "    command: [{python}, -m, clearance.demo.crm]\n    environment: {{"
KINDS = [signal.SIGKILL, signal.SIGTERM]


def with_family(mark: str) -> str:
    """The configuration with a tool server that leaves behind whatever can be left behind."""
    assert PLAIN in CONFIGURATION
    words = f"[{{python}}, {HERE / 'family.py'}, {{python}}, -m, clearance.demo.crm]"
    return CONFIGURATION.replace(
        PLAIN, f"    command: {words}\n    environment: {{{{MARK: {mark}, "
    )


def until_gone(mark: str, *known: int) -> None:
    """Waits until nothing with the mark lives, looked at several times: one that hops can be missed
    once; and none of the known ones either.
    """
    until, empty = time.monotonic() + GONE_SECONDS_MAX, 0
    while empty < 5:
        left = marked(mark) | {each for each in known if Path(f"/proc/{each}").exists()}
        empty = 0 if left else empty + 1
        assert time.monotonic() < until, left
        time.sleep(0.02)


@pytest.fixture
def mark() -> str:
    return f"mark-{secrets.token_hex(8)}"


@pytest.mark.parametrize("number", KINDS)
def test_nothing_outlives_a_server(tmp_path: Path, mark: str, number: int) -> None:
    served = start(tmp_path, configuration=with_family(mark))
    try:
        assert len(marked(mark)) >= FAMILY_LEAST
        known = descendants(served.process.pid)
        served.process.send_signal(number)
        assert served.process.wait(GONE_SECONDS_MAX) == (0 if number == signal.SIGTERM else -number)
        until_gone(mark, *known)
    finally:
        served.process.kill()
        served.process.wait()
        assert served.process.stdout is not None
        served.process.stdout.close()


@pytest.mark.parametrize("number", KINDS)
def test_nothing_outlives_a_worker(
    postgres_folder: Path, tmp_path: Path, mark: str, number: int
) -> None:
    with postgres.installation(postgres_folder, tmp_path) as here:
        assert here.run("migrate", url=here.owner)[0] == 0
        config = tmp_path / "clearance.yaml"
        config.write_text(with_family(mark).format(python=sys.executable), encoding="utf-8")
        (tmp_path / "policy.cedar").write_text(POLICY, encoding="utf-8")
        server = here.start("serve", "--config", str(config), "--port", "0")
        here.key = first_key(server.said, here.folder)
        worker = here.start("worker", "--port", "0")
        with here.client(server) as owner:
            owner.propose(**TASK, parameters={"title": "Call"}, action_intent_id="i1")
            postgres.until(lambda: owner.intent("i1")["status"] == "SUCCEEDED")
        known = descendants(worker.popen.pid)
        assert len(marked(mark) & known) > 0
        worker.signal(number)
        worker.ended()
        server.signal(signal.SIGKILL)
        server.ended()
        until_gone(mark, *known)


def test_nothing_outlives_a_demo(tmp_path: Path) -> None:
    words = postgres.words("demo", "--port", "0", "--data", str(tmp_path / "day"))
    nothing = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=nothing, stderr=nothing) as process:
        postgres.until(lambda: len(descendants(process.pid)) >= KEEPER_AND_SERVER)
        known = descendants(process.pid)
        process.kill()
    until_gone("no-such-mark", *known)
