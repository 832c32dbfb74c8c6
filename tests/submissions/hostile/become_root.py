"""Becomes root by programs that may."""
import os
import subprocess


def attack():
    for program in (["su", "-c", "true"], ["sudo", "-n", "true"], ["newgrp"]):
        try:
            return subprocess.run(program, capture_output=True, stdin=subprocess.DEVNULL, check=True).args
        except OSError as error:
            last = error
    raise last
