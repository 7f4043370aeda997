"""One verdict: declared failures reject with a reason, everything else only moves the score."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sensors import weights
from sensors.asked import refuse_asked
from sensors.check import check
from sensors.duplicates import searchable, settles
from sensors.evidence import Asked, Duplicate, Evidence, Photo, PhotosAsked, Question, ReadingAsked, Window
from sensors.verdict import ALWAYS_DECLARED, DECLARABLE, SENSORS_VERSION, Check, Verdict, conclude, finding
from tests.sensors.cast import NOON, asked, evidence, photo, seen, window

OPEN = Question(id="open", type="choice", choices=["open", "closed"])


def judge(sent: Evidence, wanted: Asked | None = None, *duplicates: Duplicate, known: Window | None = None) -> Verdict:
    return check(sent, wanted or asked(), known or window(), list(duplicates))


def found(verdict: Verdict, name: str) -> Check:
    return next(each for each in verdict.checks if each.name == name)


def test_bos_honest_photo_passes() -> None:
    verdict = judge(evidence(photo(), answers={"open": "open"}), asked(questions=[OPEN]))
    assert verdict.outcome == "pass" and verdict.score > 0.9 and verdict.version == SENSORS_VERSION
    assert [each.name for each in verdict.checks] == [
        "complete", "decodes", "fresh", "before_after", "at_place", "live", "not_duplicate", "quality", "unedited",
        "not_recaptured", "consistent", "shows", "readings", "answers",
    ]  # fmt: skip
    assert all(each.detail.endswith(".") for each in verdict.checks) and verdict.reasons == []


BAD: list[tuple[str, Evidence, tuple[Duplicate, ...]]] = [
    ("fresh", evidence(photo(taken_at=NOON - timedelta(days=2))), ()),
    ("at_place", evidence(photo(lat=48.85, lon=2.35)), ()),
    ("live", evidence(photo(nonce=None)), ()),
    ("live", evidence(photo(nonce="another claim's")), ()),
    ("not_duplicate", evidence(photo()), (Duplicate(photo=1, kind="exact"),)),
    ("not_duplicate", evidence(photo()), (Duplicate(photo=1, kind="near", distance=31),)),
    ("quality", evidence(photo(inspection=seen(width=200, height=150))), ()),
]


@pytest.mark.parametrize(("name", "sent", "duplicates"), BAD)
def test_a_failure_rejects_only_where_it_was_declared(
    name: str, sent: Evidence, duplicates: tuple[Duplicate, ...]
) -> None:
    photos = PhotosAsked(live_capture=True, min_width=640, min_height=480)
    declared = judge(sent, asked(photos=photos, checks=[name]), *duplicates)
    assert declared.outcome == "fail" and [each.name for each in declared.reasons] == [name]
    others = [each for each in DECLARABLE if each != name]
    undeclared = judge(sent, asked(photos=photos, checks=others), *duplicates)
    honest = judge(evidence(photo()), asked(photos=photos, checks=others))
    assert undeclared.outcome in ("pass", "review") and undeclared.reasons == []
    assert undeclared.score < honest.score and found(undeclared, name).status == "fail"


def test_an_unreadable_photo_always_rejects_with_the_readers_words() -> None:
    sent = evidence(Photo(n=1, refused="The photo is cut short."))
    verdict = judge(sent, asked(checks=[]))
    assert verdict.outcome == "fail"
    assert found(verdict, "decodes").detail == "Photo 1: The photo is cut short."


def test_missing_evidence_always_rejects() -> None:
    reading = ReadingAsked(name="pm25", unit="ug/m3", min_samples=2)
    wanted = asked(checks=[], photos=PhotosAsked(min=2, max=2), readings=[reading], questions=[OPEN])
    verdict = judge(evidence(photo(), readings=[{"n": "pm25", "u": "ug/m3", "v": 9}]), wanted)
    assert verdict.outcome == "fail"
    detail = found(verdict, "complete").detail
    assert "2 photos are asked, 1 came" in detail and "2 samples of pm25 are asked, 1 usable" in detail
    assert "No answer to: open" in detail


def test_more_photos_than_asked_are_too_many() -> None:
    verdict = judge(evidence(photo(1), photo(2)), asked(photos=PhotosAsked(max=1)))
    assert verdict.outcome == "fail" and "At most 1 photos" in found(verdict, "complete").detail


def test_answers_outside_the_schema_always_reject() -> None:
    verdict = judge(evidence(photo(), answers={"open": "maybe"}), asked(checks=[], questions=[OPEN]))
    assert verdict.outcome == "fail" and [each.name for each in verdict.reasons] == ["answers"]


def test_an_honest_negative_owes_a_photo_and_nothing_else() -> None:
    wanted = asked(
        photos=PhotosAsked(min=2, max=3, live_capture=True),
        questions=[OPEN],
        readings=[ReadingAsked(name="pm25", unit="ug/m3")],
    )
    assert judge(evidence(photo(), outcome="honest_negative"), wanted).outcome == "pass"
    assert judge(evidence(outcome="honest_negative"), wanted).outcome == "fail"
    assert judge(evidence(outcome="honest_negative"), asked(photos=None, place=None)).outcome == "pass"


def test_undecided_declared_checks_go_to_a_human() -> None:
    sent = evidence(photo(lat=52.528, accuracy_m=4_000.0))
    assert found(judge(sent), "at_place").status == "inconclusive"
    assert judge(sent).outcome == "review"
    assert judge(sent, asked(checks=["fresh"])).outcome == "pass"


def test_a_low_score_goes_to_a_human() -> None:
    sent = evidence(photo(taken_at=None, accuracy_m=300.0, inspection=seen(brightness=0.01)))
    passed, strict = judge(sent, asked(min_score=0.5)), judge(sent, asked(min_score=0.99))
    assert passed.outcome == "pass" and strict.outcome == "review" and passed.score == strict.score


def test_several_photos_are_judged_by_the_worst() -> None:
    verdict = judge(evidence(photo(1), photo(2, taken_at=None), photo(3, nonce="old")))
    assert found(verdict, "fresh").status == "warn" and "Photo 2" in found(verdict, "fresh").detail
    assert found(verdict, "live").status == "fail" and "Photo 3" in found(verdict, "live").detail
    assert "Photo 1" not in found(verdict, "live").detail


# Duplicates


def test_a_reused_photo_is_told_when_but_never_whose() -> None:
    of = Duplicate(photo=1, kind="exact", of="sub_cys", used_at=NOON.replace(month=5, day=3))
    check_ = found(judge(evidence(photo()), None, of), "not_duplicate")
    assert check_.detail == "Photo 1 was already used on 3 May. Take a new one."
    assert "cys" not in msgspec.json.encode(check_).decode()
    own = found(judge(evidence(photo()), None, msgspec.structs.replace(of, same_person=True)), "not_duplicate")
    assert own.data["of"] == "sub_cys"


@pytest.mark.parametrize(
    ("distance", "same_person", "same_task", "status"),
    [
        (31, False, False, "fail"),
        (31, True, False, "fail"),
        (31, False, True, "fail"),
        (31, True, True, "pass"),
        (32, False, False, "warn"),
        (48, True, False, "warn"),
        (49, False, False, "pass"),
        (40, True, True, "pass"),
    ],
)
def test_likeness_counts_unless_it_is_a_second_try(
    distance: int, same_person: bool, same_task: bool, status: str
) -> None:
    one = Duplicate(photo=1, kind="near", distance=distance, same_person=same_person, same_task=same_task)
    assert found(judge(evidence(photo()), None, one), "not_duplicate").status == status


def test_the_same_file_twice_in_one_submission_fails() -> None:
    twice = evidence(photo(1), photo(2, inspection=seen(1)))
    assert found(judge(twice), "not_duplicate").detail == "Photo 2 is the same file as photo 1. Take a new one."


@pytest.mark.parametrize(
    ("one", "other", "settled"), [(50, 50, True), (49, 49, False), (25, 50, True), (24, 90, False)]
)
def test_hashes_of_flat_pictures_settle_nothing(one: int, other: int, settled: bool) -> None:
    assert settles(one, other) == settles(other, one) == settled


def test_pictures_without_anything_in_them_are_not_searched_for() -> None:
    assert searchable(seen(pdq_quality=10))
    assert not searchable(seen(pdq_quality=9)) and not searchable(seen(pdq=None))


# Live, quality


def test_live_is_only_asked_where_it_was_asked() -> None:
    loose = asked(photos=PhotosAsked(live_capture=False))
    assert found(judge(evidence(photo(nonce=None)), loose), "live").status == "not_applicable"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"brightness": 0.05}, "very dark"),
        ({"brightness": 0.97}, "overexposed"),
        ({"contrast": 0.01}, "next to nothing"),
        ({"sharpness": 1.0}, "blurred"),
    ],
)
def test_poor_pictures_are_a_signal(changes: dict[str, float], words: str) -> None:
    poor = found(judge(evidence(photo(inspection=seen(**changes)))), "quality")
    assert poor.status == "warn" and words in poor.detail


def test_a_minimum_size_counts_for_either_way_of_holding_the_phone() -> None:
    wanted = asked(photos=PhotosAsked(min_width=1000, min_height=800))
    for width, height, status in ((1000, 800, "pass"), (800, 1000, "pass"), (999, 999, "fail"), (1200, 700, "fail")):
        shot = photo(inspection=seen(width=width, height=height))
        assert found(judge(evidence(shot), wanted), "quality").status == status


# The score


def test_weights_name_their_sources_and_point_the_right_way() -> None:
    assert set(weights.WEIGHTS) == {*DECLARABLE, *ALWAYS_DECLARED}
    for statuses in weights.WEIGHTS.values():
        assert all(weight.source for weight in statuses.values())
        order = [statuses[each].log_odds for each in ("fail", "warn", "pass") if each in statuses]
        assert order == sorted(order) and order[0] < 0 <= order[-1]


def test_every_finding_moves_the_score_the_way_it_should() -> None:
    ladder = ("fail", "warn", "pass")
    for name, (worse, better) in itertools.product(DECLARABLE, itertools.pairwise(ladder)):
        if worse not in weights.WEIGHTS[name]:
            continue  # a signal never fails
        low, high = (conclude([finding(name, status, "x")], [], 0.7) for status in (worse, better))  # type: ignore[arg-type]
        assert 0 < low.score < high.score < 1
    assert conclude([finding("fresh", "inconclusive", "x")], [], 0.7).score == conclude([], [], 0.7).score


def test_a_declared_signal_that_warns_goes_to_a_human_and_an_undeclared_one_only_weighs() -> None:
    doubts = [finding("shows", "warn", "x"), finding("fresh", "pass", "x")]
    assert conclude(doubts, ["shows"], 0.1).outcome == "review"
    assert conclude(doubts, ["fresh"], 0.1).outcome == "pass"
    assert conclude([finding("fresh", "warn", "x")], ["fresh"], 0.1).outcome == "pass"  # no signal-only check


def test_what_honest_evidence_leaves_open_keeps_nobody_waiting() -> None:
    left_open = [finding(name, "inconclusive", "x") for name in ("not_recaptured", "consistent", "shows")]
    assert conclude(left_open, ["not_recaptured", "consistent"], 0.1).outcome == "pass"
    assert conclude(left_open, ["shows"], 0.1).outcome == "review"  # whoever was asked has not answered


def test_a_photo_that_tells_nothing_hides_no_other_that_is_in_doubt() -> None:
    doubtful, bland = photo(1, seen(1, moire=50.0)), photo(2, seen(2, moire=1.0))
    assert found(judge(evidence(doubtful, bland)), "not_recaptured").status == "warn"
    verdict = judge(evidence(doubtful, bland), asked(checks=["not_recaptured"]))
    assert verdict.outcome == "review"


def test_everything_survives_the_wire() -> None:
    sent = evidence(photo(), readings=[{"n": "x", "v": 1}], answers={"open": "open"})
    near = Duplicate(photo=1, kind="near", distance=40, used_at=NOON)
    verdict = judge(sent, None, near)
    things: list[Any] = [sent, asked(), window(), near, verdict]
    for thing in things:
        for codec in (msgspec.msgpack, msgspec.json):
            assert codec.decode(codec.encode(thing), type=type(thing)) == thing


def test_a_time_without_a_zone_is_refused_when_decoded() -> None:
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.json.decode(b'{"submitted_at": "2026-05-03T12:00:00"}', type=Evidence)


# What may be asked


def test_the_tasks_of_the_api_document_can_be_asked() -> None:
    wanted = Asked(
        photos=PhotosAsked(live_capture=True),
        readings=[ReadingAsked(name="pm25", unit="ug/m3")],
        questions=[OPEN],
        checks=["fresh", "at_place", "not_duplicate", "live", "decodes"],
    )
    assert refuse_asked(wanted) == []


def test_what_could_never_be_honoured_is_refused_with_its_place() -> None:
    wanted = Asked(
        readings=[
            ReadingAsked(name="co2", unit="ppm"),
            ReadingAsked(name="pm25", unit="furlong"),
            ReadingAsked(name="pm25", unit="Cel"),
        ],
        questions=[Question(id="q", type="number", unit="smoots")],
        checks=["fresh", "lucky", "live"],
    )
    assert [fault.pointer for fault in refuse_asked(wanted)] == [
        "/evidence/readings/1/unit",
        "/evidence/readings/2/unit",
        "/evidence/questions/0/unit",
        "/acceptance/checks/1",
        "/evidence/photos/live_capture",
    ]  # fmt: skip
