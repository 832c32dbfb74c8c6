"""Asks a question and waits for the answer."""


def attack():
    return input("May I have full marks? ")
