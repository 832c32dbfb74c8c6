# Bare `make` lists the targets. Each finds its Python through autograder/environment.sh.
SUBMISSION ?= assignment
OUT ?= results
CHECKPOINT ?= assignment/checkpoints/v_prediction.safetensors
PYTHON = python=$$(sh autograder/environment.sh) && $$python
DEV = python=$$(sh autograder/environment.sh dev) && $$python
# In an instructor's clone, hidden cases are recorded on first use; a student bundle has neither the tools nor the seed.
HIDDEN = $(if $(wildcard autograder/tools),course/hidden.safetensors)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

grade: $(HIDDEN) ## grade a submission: make grade [SUBMISSION=path] [OUT=results]
	@$(PYTHON) -m autograder grade $(SUBMISSION) --out $(OUT)

check: $(HIDDEN) ## the exact parts only, in seconds
	@$(PYTHON) -m autograder grade $(SUBMISSION) --out $(OUT) --only schedule --only forward --only reverse --only ddim

debug: ## print a script with a failing public call: make debug CHECK=id [SUBMISSION=path] > debug.py
	@$(PYTHON) -m autograder debug $(CHECK) --submission $(SUBMISSION)

data: ## fetch all of MNIST into data/ (without it, training uses the 5,000 digits of the kit)
	@$(PYTHON) assignment/data.py

train: ## train the U-Net with your scheduler: make train [ARGS="--prediction-type v_prediction --out run"]
	@$(PYTHON) assignment/train.py $(ARGS)

infer: ## samples.png with your infer.py: make infer [ARGS="--steps 20"] [CHECKPOINT=run/model.safetensors]
	@$(PYTHON) assignment/infer.py --checkpoint $(CHECKPOINT) --output samples.png $(ARGS)

test: ## lint, format and tests of the kit (minutes)
	@$(DEV) -m ruff check --quiet . && $$python -m ruff format --quiet --check . && $$python -m pytest -m "not slow"

test-slow: ## the tests that take minutes each: every mistake under a fresh seed, real sampling
	@$(DEV) -m pytest -m slow

skeleton: ## generate assignment/ from solution/
	@$(DEV) -m autograder.tools.skeleton

record: ## record the expectations anew, public and hidden
	@$(PYTHON) -m autograder.tools.record

figures: ## draw the handout's figures anew, from the reference and the checkpoints
	@$(DEV) -m autograder.tools.figures

handout: ## the handout as one page that opens without a network: build/handout.html
	@$(DEV) -m autograder.tools.page

bench: $(HIDDEN) ## time grading beside plain pytest, the box, training and sampling, each beside others
	@$(DEV) -m autograder.tools.bench
	@$(DEV) -m autograder.tools.bench_box
	@$(DEV) -m autograder.tools.bench_train
	@$(DEV) -m autograder.tools.bench_infer

validity: ## how often the autograder errs: grade wrong and right submissions by the hundred, write VALIDITY.md
	@$(DEV) -m autograder.tools.validity

clean: ## remove what can be made again (not course/, which holds the seed)
	rm -rf results build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

course/hidden.safetensors: $(wildcard autograder/checks/*.py) solution/scheduler.py solution/infer.py assignment/train.py
	@$(PYTHON) -m autograder.tools.record hidden

.PHONY: help grade check debug data train infer test test-slow skeleton record figures handout bench validity clean
.DEFAULT_GOAL = help
