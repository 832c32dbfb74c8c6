import sys

sys.exit("infer.py: no")
