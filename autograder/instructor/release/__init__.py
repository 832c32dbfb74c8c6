"""`make release`: the bundles that leave the building, and the proofs that no answer leaves with them.

bundles.py says what each bundle holds, contents.py looks into every file, leaks.py and trials.py prove, and __main__.py
writes dist/, all of it or nothing. Nothing is rendered or recorded here, so the same commit and the same recorded files
make the same bytes.
"""
