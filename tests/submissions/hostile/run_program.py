"""Runs a program."""
import subprocess


def attack():
    return subprocess.run(["/bin/echo", "hello"], capture_output=True).stdout
