# The instructor's targets: they come with the workbench, which a student bundle lacks.
CLASS ?= class
DEV = python=$$(sh autograder/environment.sh dev) && $$python

# Hidden cases are recorded on first use; public and hidden ones anew where what they were recorded from has changed.
grade check look bench release class regrade viva bench-class gpu-report: course/hidden.safetensors

RECORDED_FROM = $(wildcard autograder/checks/*.py autograder/expect/*.py) autograder/measure.py autograder/given.py \
	autograder/rubric.toml solution/scheduler.py solution/infer.py $(wildcard assignment/*.py)

course/hidden.safetensors: $(RECORDED_FROM)
	@$(PYTHON) -m autograder.instructor.authoring.recording stale
	@touch -c $@

course: ## what rubric.toml describes, after a change of it: assignment/, handout.html, recorded cases; then dist/
	@$(DEV) -m autograder.instructor.release.set_up

release: ## dist/: all bundles, each proven not to leak: make release [PLATFORMS="prairielearn autolab"]
	@$(DEV) -m autograder.instructor.release $(value PLATFORMS)

class: ## grade a class: make class SUBMISSIONS=path [ROSTER=roster.csv] [CLASS=class] [ARGS=...]
	@$(DEV) -m autograder.instructor.classroom grade --class=$(call quoted,CLASS) $(if $(value ROSTER),--roster=$(call quoted,ROSTER)) $(value ARGS) $(if $(value SUBMISSIONS),-- $(call quoted,SUBMISSIONS))

regrade: ## what changes, after checks or submissions did: make regrade [STUDENT=id] [CLASS=class] [ARGS=--publish]
	@$(DEV) -m autograder.instructor.classroom regrade --class=$(call quoted,CLASS) $(if $(value STUDENT),--student=$(call quoted,STUDENT)) $(value ARGS)

test: ## lint, format, types and tests of the kit (minutes)
	@$(DEV) -m ruff check --quiet . && $$python -m ruff format --quiet --check . && \
	$$python -m pyrefly check --summary=none --min-severity=error && $$python -m pytest -n 2 --dist loadfile

test-slow: ## the tests that take minutes each: every mistake under a fresh seed, real sampling
	@$(DEV) -m pytest -m slow

fuzz: ## mutate what students send, and read it: make fuzz [ARGS=100000]
	@$(DEV) tests/fuzzing.py $(ARGS)

test-gpu: ## the tests that need a GPU
	@$(DEV) -m pytest -m gpu

test-rig: ## the tests on a pretended GPU, as root (minutes)
	@$(DEV) -m pytest -m rig

skeleton: ## generate assignment/ from solution/
	@$(DEV) -m autograder.instructor.authoring.skeleton

record: ## record the expectations anew, public and hidden
	@$(PYTHON) -m autograder.instructor.authoring.recording

losses: ## which checks known mistakes lose now, as a diff of their patches [ARGS=--write]
	@$(DEV) -m autograder.instructor.authoring.losses $(value ARGS)

figures: ## draw the handout's figures anew, from the reference and the checkpoints
	@$(DEV) -m autograder.instructor.authoring.figures

report: ## the reference report: the study with the kit's checkpoints, report.ipynb with its outputs (30 minutes)
	@$(DEV) -m autograder.instructor.authoring.reference_report

words: ## what the grader says in other languages: autograder/locale/, brought up to date with the programs
	@$(DEV) -m autograder.instructor.authoring.words

handout: ## the handout as one page that opens without a network: handout.html, and handout.zh.html in Chinese
	@$(DEV) -m autograder.instructor.authoring.handout_page

gradebook: ## nbgrader's gradebook, filled from CLASS (class): make gradebook [SUBMISSIONS=download.zip]
	@$(DEV) -m autograder.instructor.gradebook fill $(value ARGS) $(if $(value SUBMISSIONS),--submissions=$(call quoted,SUBMISSIONS)) $(if $(value ROSTER),--roster=$(call quoted,ROSTER)) -- $(call quoted,CLASS)

formgrader: ## mark the reports in the browser [ARGS="--share 2/3"] [ARGS="-- --no-browser"]
	@$(DEV) -m autograder.instructor.gradebook formgrader $(call quoted,CLASS) $(value ARGS)

feedback: ## lateness, grades.csv, one page for each student, a zip for the LMS [CANVAS=export.csv COLUMN=Homework] [MOODLE=worksheet.csv]
	@$(DEV) -m autograder.instructor.gradebook feedback $(value ARGS) $(if $(value CANVAS),--canvas=$(call quoted,CANVAS)) $(if $(value MOODLE),--moodle=$(call quoted,MOODLE)) $(if $(value COLUMN),--column=$(call quoted,COLUMN)) -- $(call quoted,CLASS)

canvas: ## grades and feedback by Canvas's API, shown first: make canvas COURSE=123 ASSIGNMENT=456 [ARGS=--send]
	@$(DEV) -m autograder.instructor.lms --course=$(call quoted,COURSE) --assignment=$(call quoted,ASSIGNMENT) $(value ARGS) -- $(call quoted,CLASS)

similar: ## who wrote too much alike, for staff: make similar [CLASS=class] [KNOWN=folder of public solutions]
	@$(DEV) -m autograder.instructor.similarity $(if $(value KNOWN),--known=$(call quoted,KNOWN)) -- $(call quoted,CLASS)

viva: ## five questions for a talk with a student: make viva [STUDENT=id] [CLASS=class] [ARGS="--earlier CLASS"]
	@$(DEV) -m autograder.instructor.viva $(if $(value STUDENT),--student=$(call quoted,STUDENT)) $(value ARGS) -- $(call quoted,CLASS)

bench: ## time grading, the box, training, sampling and the gradebook, each beside others
	@$(DEV) -m autograder.instructor.bench.grading
	@$(DEV) -m autograder.instructor.bench.box
	@$(DEV) -m autograder.instructor.bench.watch
	@$(DEV) -m autograder.instructor.bench.training
	@$(DEV) -m autograder.instructor.bench.sampling
	@$(DEV) -m autograder.instructor.bench.gradebook

bench-training: ## ten minutes of a core: train.py beside the loop of the Hugging Face course (half an hour) [ARGS="--minutes 2"]
	@export OMP_NUM_THREADS=1; $(DEV) -m autograder.instructor.bench.learning $(value ARGS)

bench-class: ## time a class of 300 beside nbgrader, otter-grader and pytest, each as its manual says (minutes)
	@$(DEV) -m autograder.instructor.bench.classroom

gpu-report: ## what only a machine with a GPU can show, as one table (minutes) [ARGS="--tiny"] [ARGS="machine trace"]
	@$(DEV) -m autograder.instructor.gpu_report $(ARGS)

validity: ## how often the autograder errs: grade wrong and right submissions by the hundred, write VALIDITY.md
	@$(DEV) -m autograder.instructor.validity

.PHONY: course release class regrade test test-slow fuzz test-gpu test-rig skeleton record losses figures report words handout gradebook formgrader
.PHONY: feedback canvas similar viva bench bench-training bench-class gpu-report validity
