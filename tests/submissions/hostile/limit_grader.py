"""Asks for the grader's limits, which is allowed to whoever may set them."""
import resource


def attack():
    return resource.prlimit(TARGETS["grader"], resource.RLIMIT_CPU)
