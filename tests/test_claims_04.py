"""What notebook 04 says, measured. The functions are the notebook's own, taken from its cells.

The quick tests run always; those that train over several seeds are marked slow.
"""

NOTEBOOK = "04_failure_modes.ipynb"
# Definitions, and the few lines between them that run; in fast mode these take seconds.
CELLS = (  # noqa: SIM905
    "setup exercise-4-1 healthy-rate show-panel hop-count-functions train-digits "
    "exercise-4-2 exercise-4-3 exercise-4-4 exercise-4-5 lead-run unrolled-class detect-sets-make"
).split()
