"""The reference as texts to be changed: with all parts of the homework, and without the markers of their regions."""

from autograder.instructor.authoring.patches import reference

SCHEDULER, INFER = (content.decode() for content in reference().values())
