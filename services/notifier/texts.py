"""What a text message says, in English and in Bangla, and in how many segments it travels.

Figures are written in one way in both languages: the one that the customer types into a
payment app and reads on the statement.
"""

import re
from functools import lru_cache

import smsutil
from smsutil.codecs import GSM_BASIC_CHARSET, GSM_CHARSET

from shared.ledger.money import decimal

PLAIN = re.compile(f"[{re.escape(GSM_BASIC_CHARSET)}]*")
"""Letters of one place each in the GSM alphabet."""
NOT_GSM = re.compile(f"[^{re.escape(GSM_CHARSET)}]")

MONTHS = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "bn": (
        "জানুয়ারি", "ফেব্রুয়ারি", "মার্চ", "এপ্রিল", "মে", "জুন",
        "জুলাই", "আগস্ট", "সেপ্টেম্বর", "অক্টোবর", "নভেম্বর", "ডিসেম্বর",
    ),
}  # fmt: skip

TEXTS = {
    "en": {
        "bill": "Your internet bill for {month} is ready. Please pay Tk {amount} for it.",
        "bill_and_before": (
            "Your internet bill for {month} is ready. Your total due is Tk {amount}."
        ),
        "receipt": "We received your payment of Tk {amount}. Thank you.",
        "correction": "Your account was corrected. You now have Tk {amount} to pay.",
        "correction_paid": "Your account was corrected. You have nothing to pay now.",
        "signature": "{text} Customer ID: {customer_id}",
    },
    "bn": {
        "bill": "আপনার {month} মাসের ইন্টারনেট বিল তৈরি হয়েছে। এই বিল বাবদ {amount} টাকা পরিশোধ করুন।",
        "bill_and_before": (
            "আপনার {month} মাসের ইন্টারনেট বিল তৈরি হয়েছে। মোট পরিশোধযোগ্য {amount} টাকা।"
        ),
        "receipt": "আপনার {amount} টাকা আমরা পেয়েছি। ধন্যবাদ।",
        "correction": "আপনার হিসাব সংশোধন করা হয়েছে। এখন পরিশোধযোগ্য {amount} টাকা।",
        "correction_paid": "আপনার হিসাব সংশোধন করা হয়েছে। এখন কিছু পরিশোধ করতে হবে না।",
        "signature": "{text} গ্রাহক আইডি: {customer_id}",
    },
}


def written(language: str, what: str, customer_id: str, period: str, amount: int) -> str:
    """Return the text of one kind, a key of `TEXTS`; the amount is in minor units."""
    before, after, end = _around(language, what, period)
    if after is None:  # it names no amount
        return f"{before}{customer_id}{end}"
    return f"{before}{decimal(amount)}{after}{customer_id}{end}"


@lru_cache(maxsize=256)
def _around(language: str, what: str, period: str) -> tuple[str, str | None, str]:
    """Return what is written around the amount and the customer id: it is the same for all who are
    told of a period."""
    month = f"{MONTHS[language][int(period[5:]) - 1]} {period[:4]}"
    texts = TEXTS[language]
    words, end = texts["signature"].split("{customer_id}")
    words = words.format(text=texts[what].replace("{month}", month))
    before, *after = words.split("{amount}")
    return before, after[0] if after else None, end


def segments(text: str) -> int:
    """Return how many messages the network will carry: 160 or 153 letters of the GSM alphabet
    each, 70 or 67 of any other."""
    # The library walks over the text letter by letter, which only odd letters need: those that take
    # two places.
    size = len(text)
    if PLAIN.fullmatch(text):
        return 1 if size <= 160 else -(-size // 153)
    if NOT_GSM.search(text) and max(text) <= "\uffff":
        return 1 if size <= 70 else -(-size // 67)
    return len(smsutil.split(text).parts)
