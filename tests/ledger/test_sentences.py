"""Every reason that a command can be refused for has a sentence that people understand."""

import re
from pathlib import Path
from typing import get_args

import shared.ledger
from shared.ledger.reasons import Reason
from shared.ledger.sentences import WHY, sentence

RULES = Path(shared.ledger.__file__).parent
REASON = re.compile(r'Refused\((?:[^()]*?)"([a-z_]+)"(?: if [^()]*? else "([a-z_]+)")?')


def test_every_reason_of_the_rules_has_a_sentence() -> None:
    reasons = {
        reason
        for file in RULES.rglob("*.py")
        for found in REASON.findall(file.read_text("utf-8"))
        for reason in found
        if reason
    }

    assert len(reasons) > 15
    assert reasons - set(WHY) == set()
    assert {"outside_period", "gap_too_large", "conflicting_duplicate"} <= set(WHY)


def test_sentences_and_the_published_reasons_are_the_same() -> None:
    assert set(WHY) == set(get_args(Reason))


def test_a_sentence_says_what_happened_what_it_means_and_what_to_do() -> None:
    assert sentence("conflicting_duplicate", "payment/p-1", "karim") == (
        "Refused: payment/p-1 of karim: this id came before with other content, and the first one"
        " stands. If this is another command, send it again under an id of its own."
        " Nothing was changed."
    )
    assert sentence("outside_period", "tick/t-1", None).startswith("Refused: tick/t-1: the date")
