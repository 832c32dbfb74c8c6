"""Writes results when the process ends, in an exit handler, a destructor and a thread."""
import atexit
import threading
import time


class Last:
    def __del__(self):
        open(TARGETS["outside"] + "/results_1.json", "w").write("{}")


def later():
    time.sleep(0.01)
    open(TARGETS["outside"] + "/results_2.json", "w").write("{}")


atexit.register(lambda: open(TARGETS["outside"] + "/results_3.json", "w").write("{}"))
last = Last()
threading.Thread(target=later, daemon=True).start()
