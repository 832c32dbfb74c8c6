"""`make gpu-report`: all that can only be measured on a machine with a GPU. Each phase (phases.py) runs in a process of
its own with a limit of its own; `python -m autograder.instructor.gpu_report --help` lists them."""
