"""Takes away the ways to end a process, and then fails."""
import os
import sys

os._exit = sys.exit = lambda *_: None
raise KeyError("not a way out")
