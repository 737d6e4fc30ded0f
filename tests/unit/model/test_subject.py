from hypothesis import given
from hypothesis import strategies as st

from hilum.model.subject import Scope, revision_digest, subject_id

UID = "1.2.826.0.1.3680043.8.498.1"

digests = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=8, unique=True)


@given(digests, st.randoms())
def test_arrivals_shuffled_and_doubled_make_the_same_revision(instances, rng):
    arrived = instances * 2
    rng.shuffle(arrived)
    assert revision_digest(arrived) == revision_digest(instances)


@given(digests)
def test_a_late_instance_makes_another_revision(instances):
    assert revision_digest([*instances, "f" * 63 + "g"]) != revision_digest(instances)


def test_a_subject_has_one_id_everywhere_and_it_does_not_tell_the_uid():
    assert subject_id(Scope.SERIES, UID) == subject_id(Scope.SERIES, UID)
    assert UID not in subject_id(Scope.SERIES, UID)


def test_a_study_and_a_series_of_the_same_uid_are_two_subjects():
    assert subject_id(Scope.SERIES, UID) != subject_id(Scope.STUDY, UID)
