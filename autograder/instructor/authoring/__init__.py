"""Makes what the kit ships: skeleton, handout page, figures, recordings, the reference's report, given data.

Known mistakes are patches of the reference (patches.py).
"""
