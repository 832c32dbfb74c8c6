"""Reading a formula back from the numbers that it gave.

What a student computes is nearly always a linear function of its inputs, with weights that are short expressions in a
handful of numbers. So the weights can be measured, and the expressions found; nothing needs to be known beforehand of
what students write. The room knows numpy and no check, no box and no report: arrays in, expressions out. The command
is autograder/reads/.

expression  an expression as data: its value, and how the handout writes it
typeset     the same as MathML
sameness    whether two readings are one formula
weights     measures the weights of an answer on its terms by least squares
products    finds the product of quantities that a weight is, in all cases
reading     one weight read: products, and what lies just beyond them (differences, clamps, constants)
forms       the ways to write one step, and which of them is the simplest
predictions what `predict` returns: two weighted sums, a clip, and what is derived from it again
curves      the families that schedules of betas belong to
lists       the families that lists of timesteps belong to

A formula that is misread sends a student looking in the wrong place, so each of them is silent rather than wrong: what
is read agrees in every case that it claims, within what float32 can say of that case.
"""
