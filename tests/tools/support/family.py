"""A program that leaves behind whatever a program can leave behind, and then becomes another one.

`python family.py COMMAND…`: a plain child, a daemon of two forks, one with a session of its own,
one that ignores every signal that may be ignored, one that forks in a loop and has a new session
each time, and a tree. All carry the environment of this program, by which a test finds them.
"""

import os
import signal
import subprocess
import sys
import time

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
GENTLE_SECONDS = 0.002  # between two hops: other tests run beside this one


def rest():
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    time.sleep(600)
    os._exit(0)


def daemon():
    if not os.fork():
        os.setsid()
        if not os.fork():
            rest()
        os._exit(0)
    os.wait()


def hops():
    """A process that is another one all the time, and alone in its group."""
    if not os.fork():
        until = time.monotonic() + 600
        while time.monotonic() < until:
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(GENTLE_SECONDS)
        os._exit(0)


def tree(depth):
    if not os.fork():
        if depth:
            tree(depth - 1)
            tree(depth - 1)
        rest()


def main():
    nothing = os.open(os.devnull, os.O_RDWR)
    streams = [os.dup(number) for number in range(3)]
    for number in range(3):
        os.dup2(nothing, number)  # those that are left hold no pipe of ours
    subprocess.Popen(SLEEP)
    subprocess.Popen(SLEEP, start_new_session=True)
    daemon()
    tree(2)
    hops()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.execvp(sys.argv[1], sys.argv[1:])


main()
