# Bare `make` lists the targets. Each finds its Python through autograder/environment.sh.
SUBMISSION ?= assignment
OUT ?= results
### IF v_prediction mnist
CHECKPOINT ?= assignment/checkpoints/v_prediction.safetensors
### ELSE CHECKPOINT ?= {shipped}
### END IF
PYTHON = python=$$(sh autograder/environment.sh) && $$python
# The value of a variable as one word of the shell, whatever letters are in it. (ARGS are several, which the shell reads.)
quoted = '$(subst ','\'',$(value $(1)))'

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

grade: ## grade a submission: make grade [SUBMISSION=path] [OUT=results]
	@$(PYTHON) -m autograder grade --out=$(call quoted,OUT) -- $(call quoted,SUBMISSION)

### IF training
check: ## scheduler.py but training, in seconds
### ELSE check: ## scheduler.py, in seconds
### END IF
	@$(PYTHON) -m autograder check --out=$(call quoted,OUT) -- $(call quoted,SUBMISSION)

# The trap leaves Ctrl-C to the grader: make would call that an error.
watch: ## the same at every save: make watch [SUBMISSION=path]
	@trap : INT; $(PYTHON) -m autograder watch -- $(call quoted,SUBMISSION)

look: ## one picture of what your code does so far, results/look.png: make look [SUBMISSION=path] [ARGS=--gif]
	@$(PYTHON) -m autograder look --out=$(call quoted,OUT) $(value ARGS) -- $(call quoted,SUBMISSION)

### IF ddim training
# On a CPU more threads than one wait for each other: the network is small.
smoke: ## the real network learns digits and draws some, on a GPU if there is one: make smoke [SUBMISSION=path]
	@export OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1}; $(PYTHON) -m autograder smoke $(SUBMISSION) --out $(OUT) $(ARGS)
.PHONY: smoke

### END IF
debug: ## print a script with a failing public call: make debug CHECK=id [SUBMISSION=path] > debug.py
	@$(PYTHON) -m autograder debug --submission=$(call quoted,SUBMISSION) -- $(call quoted,CHECK)

reads: ## which formulas a submission computes, read back from public cases: make reads [SUBMISSION=path]
	@$(PYTHON) -m autograder reads $(value ARGS) -- $(call quoted,SUBMISSION)

### IF report
submit: ## pack what is collected: submission.zip [ARGS="--without report.ipynb"]
### ELSE submit: ## pack what is collected: submission.zip
### END IF
	@$(PYTHON) -m autograder submit $(value ARGS) -- $(call quoted,SUBMISSION)

### IF mnist
data: ## fetch all of MNIST into data/ (without it, training uses the 5,000 digits of the kit)
### ELSE data: ## fetch all of {name} into data/ (without it, what ships with the kit is used)
### END IF
	@$(PYTHON) assignment/data.py

### IF training
### IF v_prediction
train: ## train the U-Net with your scheduler: make train [ARGS="--prediction-type v_prediction --out run"]
### ELSE train: ## train the U-Net with your scheduler: make train [ARGS="--out run"]
### END IF
	@$(PYTHON) assignment/train.py $(value ARGS)
.PHONY: train

### END IF
### IF infer
infer: ## samples.png with your infer.py: make infer [ARGS="--steps 20"] [CHECKPOINT=run/model.safetensors]
	@$(PYTHON) assignment/infer.py --checkpoint=$(call quoted,CHECKPOINT) --output samples.png $(value ARGS)
.PHONY: infer

### END IF
### IF report infer ddim
### IF v_prediction
study: ## prediction type x steps x eta, bits and distortion, into runs/study/: make study [ARGS="--student jdoe42"]
### ELSE study: ## steps x eta, bits and distortion, into runs/study/: make study [ARGS="--student jdoe42"]
### END IF
	@$(PYTHON) assignment/study.py $(value ARGS)
.PHONY: study

### END IF
clean: ## remove what can be made again (not what you wrote, and not course/)
	rm -rf results build dist .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# The instructor's targets, where there are any.
-include autograder/instructor/instructor.mk

.PHONY: help grade check watch look debug reads submit data clean
.DEFAULT_GOAL = help
