"""Dated terms: the last word wins from its day on (docs/rules.md#change)."""

from datetime import date

from shared.ledger.terms import (
    ALWAYS,
    Cycle,
    Package,
    Terms,
    always,
    decode,
    encode,
    replaced_from,
    value_on,
)

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
TERMS = Terms(
    package=always(Package("home", 100_000)),
    cycle=always(Cycle("custom", 31)),
    mode=always("cumulative"),
    vip=always(False),
    discount_ppm=always(0),
    vat_exempt=always(True),
)


def test_a_word_counts_from_its_day_on() -> None:
    timeline = replaced_from(always("a"), FEBRUARY, "b")

    assert value_on(timeline, date(2026, 1, 31)) == "a"
    assert value_on(timeline, FEBRUARY) == "b"


def test_the_last_word_replaces_all_that_was_known_from_its_day_on() -> None:
    timeline = replaced_from(replaced_from(always("a"), MARCH, "c"), FEBRUARY, "b")

    assert timeline == ((ALWAYS, "a"), (FEBRUARY, "b"))


def test_a_word_for_the_same_day_replaces_the_earlier_one() -> None:
    assert replaced_from(replaced_from(always("a"), MARCH, "b"), MARCH, "c") == (
        (ALWAYS, "a"),
        (MARCH, "c"),
    )


def test_terms_are_read_back_as_they_were_written() -> None:
    terms = TERMS.changed(
        package=replaced_from(TERMS.package, MARCH, Package("fast", 0)),
        status=replaced_from(TERMS.status, FEBRUARY, "left"),
        cycle=replaced_from(TERMS.cycle, MARCH, Cycle("anniversary", 5)),
        vip=replaced_from(TERMS.vip, MARCH, True),
    )

    again = decode(encode(terms))

    assert encode(again) == encode(terms)
    assert again.package == ((ALWAYS, Package("home", 100_000)), (MARCH, Package("fast", 0)))
    assert again.cycle[1][1].day == 5
    assert value_on(again.vip, MARCH) is True


def test_equal_texts_are_one_value_and_changed_terms_another() -> None:
    text = encode(TERMS)

    assert decode(text) is decode(text)
    assert decode(text).changed(vip=always(True)).priced is not decode(text).priced


def test_who_left_is_gone_unless_a_return_is_known() -> None:
    gone = TERMS.changed(status=replaced_from(TERMS.status, FEBRUARY, "left"))
    back = gone.changed(status=replaced_from(gone.status, MARCH, "suspended"))

    assert not gone.left_for_good_on(JANUARY)
    assert gone.left_for_good_on(FEBRUARY)
    assert not back.left_for_good_on(FEBRUARY)
    assert not TERMS.left_for_good_on(FEBRUARY)


def test_the_next_change_is_that_of_what_is_shown() -> None:
    terms = TERMS.changed(
        shown=replaced_from(TERMS.shown, MARCH, "left"),
        discount_ppm=replaced_from(TERMS.discount_ppm, FEBRUARY, 1),
    )

    assert terms.next_change_after(JANUARY) == MARCH
    assert terms.next_change_after(MARCH) is None
