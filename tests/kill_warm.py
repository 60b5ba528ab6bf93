"""Imported once by the process that the killed runs are forked from: torch and Adam are loaded."""

import tempfile

from kill_target import train

with tempfile.TemporaryDirectory() as folder:
    train(folder, steps=1)
