"""A process that has imported everything once and forks: a command line that starts in
milliseconds, as a process of its own.

`python -m tests.crash.support.zygote` reads a line of JSON for each process to start (`arguments`
of `tests.crash.support.server`, `environment`, `log`) and says `started PID`, later `ended PID
CODE` (negative: the signal). What it started dies with it, and it with the one that started it.
Tests that start a hundred processes would else spend their time on imports."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.crash.support.process import die_with_parent

READY_SECONDS_MAX = 60.0


class Forked:
    """A process that was forked, as far as `subprocess.Popen` is asked about one here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        """Its exit code, None while it lives."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits for its end; subprocess.TimeoutExpired if it takes longer."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self.returncode

    def ended(self, code: int) -> None:
        """Says how it ended."""
        self.returncode = code
        self._ended.set()


class Zygote:
    """The one that forks, and whatever it forked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._started: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._children: dict[int, Forked] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
        """Forks a process with these arguments, and waits until it is there."""
        assert self._process.stdin is not None
        with self._lock:
            said = {"arguments": list(arguments), "environment": dict(environment), "log": str(log)}
            self._process.stdin.write(json.dumps(said) + "\n")
            self._process.stdin.flush()
            return self._children[self._started.get(timeout=READY_SECONDS_MAX)]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, pid, *code = line.split()
            if what == "started":
                self._children[int(pid)] = Forked(int(pid))
                self._started.put(int(pid))
            else:
                self._children[int(pid)].ended(int(code[0]))


@contextlib.contextmanager
def zygote(*program: str, **environment: str) -> Iterator[Zygote]:
    """A zygote that is ready; everything that it forked ends with the block.

    `program`: another one than this module.
    """
    command = [sys.executable, *(program or ("-m", "tests.crash.support.zygote"))]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=kept | environment
    ) as process:
        try:
            yield Zygote(process)
        finally:
            process.kill()


# In the process itself


def _child(said: Mapping[str, Any], run: Callable[[Sequence[str]], object]) -> None:
    """Becomes what was asked for; never returns."""
    die_with_parent()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(said["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(here, there)
    os.environ.update(said["environment"])
    code: object = 1
    try:
        run(said["arguments"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            _say(f"ended {found[0]} {os.waitstatus_to_exitcode(found[1])}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Forks command lines that kill themselves, until standard input ends."""
    import clearance.api.app  # noqa: PLC0415 - everything that a server or a worker needs
    import clearance.engines.queue.procrastinate  # noqa: PLC0415
    import clearance.stores.postgres.store  # noqa: PLC0415
    import clearance.tools.session  # noqa: F401, PLC0415
    from tests.crash.support import server  # noqa: PLC0415

    fork_when_asked(server.run)


def fork_when_asked(run: Callable[[Sequence[str]], object]) -> None:
    """Forks until standard input ends; each child gives `run` its arguments."""
    die_with_parent()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    buffer = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [], 1.0)
        if woken in ready:
            os.read(woken, 4096)
        _reap()
        if 0 in ready:
            chunk = os.read(0, 1 << 16)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    _child(json.loads(line), run)
                _say(f"started {pid}")


if __name__ == "__main__":
    main()
