"""How often the autograder errs: mutants.py makes wrong submissions, trials.py grades them and finds out what they have
in common with known mistakes, page.py writes VALIDITY.md, __main__.py says what is graded and with what. Mutants that
are no mistake stand in survivors.toml, with the reason."""
