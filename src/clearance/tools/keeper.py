"""The keeper of one tool server, on Linux: a program of its own between us and the server.

One idea: it is the reaper of everything that the server starts. Daemons, and processes with a
session of their own, become its children when their parents end. So "no child is left" means that
nothing is left, and the kernel itself answers that. It ends them all when the server ends, and when
the pipe to us ends: however we ended, the kernel closes that.

It stands in the way of no byte: the server inherits its standard input, output and error, and then
it lets go of them. It starts as `python -I -S`, has one thread, and imports nothing of ours.

Refuses to know: what the server is for.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import select
import signal
import sys

SIZE_BYTES = 8  # of the number before the command and its environment
STARTED = 0  # what we answer, or else the number of the error
PAUSE_SECONDS_STEP = 0.000_1  # by which the pause grows between two rounds of ending
PAUSE_SECONDS_MAX = 0.1  # of which are spent on what cannot be ended, such as a disk that hangs

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36  # of prctl(2)
_PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def main() -> None:
    """Keeps a server until it ends or the pipe does, and ends as the server did."""
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)  # noqa: FBT003
    command, environment = marshal.loads(_read(pipe, int.from_bytes(_read(pipe, SIZE_BYTES))))  # noqa: S302 - our own
    _control(PR_SET_CHILD_SUBREAPER, 1)
    signals = _signals()
    server, problem = _start(command, environment)
    os.write(pipe, bytes([problem]))
    _let_go_of_streams()
    status = None if problem else _watched(server, pipe, signals)
    _end_as(_all_ended(server, status))


def _read(pipe: int, size: int) -> bytes:
    content = b""
    while len(content) < size:
        if not (chunk := os.read(pipe, size - len(content))):
            sys.exit()  # we are not needed any more
        content += chunk
    return content


def _control(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _signals() -> int:
    """Where the numbers of signals can be read from now on."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *(getattr(signal, name) for name in _PASSED_ON)):
        # What is ignored from before stays so, for the server too
        if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    return reading


def _start(command: list[bytes], environment: dict[bytes, bytes]) -> tuple[int, int]:
    """The server, and `STARTED` or the number of the error that kept it from starting."""
    reading, writing = os.pipe()  # ends without a word when the program of the server is loaded
    keeper = os.getpid()
    if server := os.fork():
        os.close(writing)
        word = os.read(reading, 1)
        os.close(reading)
        return server, word[0] if word else STARTED
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in _IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        _control(PR_SET_PDEATHSIG, signal.SIGKILL)  # a second line, if somebody kills the keeper
        if os.getppid() == keeper:
            os.execvpe(command[0], command, environment)  # noqa: S606
    except OSError as error:
        os.write(writing, bytes([error.errno or errno.EINVAL]))
    except (ValueError, IndexError):  # a word with a NUL, or no word
        os.write(writing, bytes([errno.EINVAL]))
    finally:
        os._exit(1)


def _let_go_of_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.close(nothing)


def _watched(server: int, pipe: int, signals: int) -> int | None:
    """The wait status of the server when it has ended; None if the pipe ended before."""
    while True:
        ready, _, _ = select.select([pipe, signals], [], [])
        if pipe in ready:
            return None
        for number in os.read(signals, 512):
            if number == signal.SIGCHLD:
                status, _ = _reaped(server)
                if status is not None:
                    return status
            else:
                _kill(server, number)


def _all_ended(server: int, status: int | None) -> int:
    """Ends every descendant; the wait status of the server.

    A child that nobody has waited for keeps its number, and its group's: no stranger is killed. A
    group is killed at once, forks that are under way included. Who leaves its group by a fork in
    each round is met again in the next one, the youngest first.
    """
    pause = 0.0
    while True:
        for child in reversed(_children()):
            _kill(child, signal.SIGKILL)
        last, more = _reaped(server)
        status = last if status is None else status
        if not more:
            return status or 0
        select.select([], [], [], pause)
        pause = min(pause + PAUSE_SECONDS_STEP, PAUSE_SECONDS_MAX)


def _children() -> list[int]:
    """Our children, those that have ended too, in the order in which they became ours."""
    keeper = os.getpid()
    try:
        with open(f"/proc/self/task/{keeper}/children", "rb") as children:  # noqa: PTH123
            return [int(child) for child in children.read().split()]
    except FileNotFoundError:  # a kernel without this list
        everybody = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
        return [process for process in everybody if _parent(process) == keeper]


def _parent(process: int) -> int:
    try:
        with open(f"/proc/{process}/stat", "rb") as stat:  # noqa: PTH123
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _kill(child: int, number: int) -> None:
    """A signal for the group of a child; nothing if we may not touch it."""
    try:
        os.killpg(os.getpgid(child), number)
    except OSError:
        return


def _reaped(server: int) -> tuple[int | None, bool]:
    """The wait status of the server if it ended, and whether there are more children."""
    status = None
    try:
        while True:
            child, ended = os.waitpid(-1, os.WNOHANG)
            if not child:
                return status, True
            status = ended if child == server else status
    except ChildProcessError:
        return status, False


def _end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        _control(PR_SET_DUMPABLE, 0)  # the memory that matters was the server's
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
