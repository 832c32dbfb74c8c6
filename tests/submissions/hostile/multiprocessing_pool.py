"""Works with a pool of processes."""
import multiprocessing


def attack():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1])
