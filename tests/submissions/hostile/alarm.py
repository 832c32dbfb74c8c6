"""Ends by an alarm that it set itself."""

import signal


def answer(right, original_samples, noise, timesteps):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while True:
        pass
