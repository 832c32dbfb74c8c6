"""Ignores every signal and every exception, stops all timers, and never returns."""
import signal


def attack():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.alarm(0)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
