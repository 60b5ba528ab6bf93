"""The ward of notebook 04: patients are read back as they were, and name their disease if asked."""

import json

import numpy as np
import pytest
import torch

import gan_helpers as gh
from gan_course import diagnosis, ward
from gan_helpers import synthetic


def test_a_patient_is_read_back_as_it_was_and_tells_its_disease_only_when_asked(tmp_path):
    truth = {"disease": "healthy", "cause": "none", "prescription": "none"}
    signs = gh.toys.ToyGAN(synthetic.ring(), hidden=8).train(4, look=2).signs()[0]
    path = ward.write_patient(3, signs, truth, tmp_path)
    assert b"healthy" not in path.read_bytes()
    (patient,) = ward.patients(tmp_path)
    assert patient.number == 3 and patient.reveal() == truth and "healthy" not in repr(patient)
    for name, values in signs.history.items():
        np.testing.assert_allclose(patient.signs.history[name], values, rtol=1e-6)
    assert torch.equal(patient.signs.samples, signs.samples)
    with pytest.raises(FileNotFoundError, match="benchmarks/ward.py"):
        ward.patients(tmp_path / "empty")


def test_the_ward_that_is_shipped_is_small_and_its_diseases_have_names():
    beds = ward.patients()
    assert len(beds) >= 8
    size = sum(path.stat().st_size for path in ward.FOLDER.iterdir())
    assert size < 2_000_000
    for patient in beds:
        assert patient.reveal()["disease"] in diagnosis.NAMES
        assert json.dumps(patient.signs.history) and patient.signs.title
