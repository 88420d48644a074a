"""The texts of notices in English and Bangla, and how many SMS segments a text needs.

Both languages write amounts with the same digits: those that customers type into a payment app and
read on the statement.
"""

import re
from functools import lru_cache

import smsutil
from smsutil.codecs import GSM_BASIC_CHARSET, GSM_CHARSET

from shared.ledger.money import decimal

PLAIN = re.compile(f"[{re.escape(GSM_BASIC_CHARSET)}]*")
"""Texts of characters that each take one place in the GSM alphabet."""
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
        "bill": "Your internet bill for {month} is ready. Please pay Tk {alone} for it.",
        "bill_and_before": (
            "Your internet bill for {month} is ready. Please pay Tk {alone} for it."
            " Your total due is Tk {amount}."
        ),
        "total": "Your internet bill for {month} is ready. Your total due is Tk {amount}.",
        "refund": "We paid Tk {amount} back to you.",
        "receipt": "We received your payment of Tk {amount}. Thank you.",
        "correction": "Your account was corrected. You now have Tk {amount} to pay.",
        "correction_paid": "Your account was corrected. You have nothing to pay now.",
        "signature": "{text} Customer ID: {customer_id}",
    },
    "bn": {
        "bill": "আপনার {month} মাসের ইন্টারনেট বিল তৈরি হয়েছে। এই বিল বাবদ {alone} টাকা পরিশোধ করুন।",
        "bill_and_before": "আপনার {month} মাসের বিল {alone} টাকা। মোট পরিশোধযোগ্য {amount} টাকা।",
        "total": "আপনার {month} মাসের ইন্টারনেট বিল তৈরি হয়েছে। মোট পরিশোধযোগ্য {amount} টাকা।",
        "refund": "আপনাকে {amount} টাকা ফেরত দেওয়া হয়েছে।",
        "receipt": "আপনার {amount} টাকা আমরা পেয়েছি। ধন্যবাদ।",
        "correction": "আপনার হিসাব সংশোধন করা হয়েছে। এখন পরিশোধযোগ্য {amount} টাকা।",
        "correction_paid": "আপনার হিসাব সংশোধন করা হয়েছে। এখন কিছু পরিশোধ করতে হবে না।",
        "signature": "{text} গ্রাহক আইডি: {customer_id}",
    },
}


def written(
    language: str, what: str, customer_id: str, period: str, amount: int, alone: int = 0
) -> str:
    """Return the text for a key of `TEXTS`, such as `bill`; amounts are in minor units. `alone` is
    the open part of one invoice."""
    words = []
    for piece in _pieces(language, what, period):
        if piece == "{amount}":
            words.append(decimal(amount))
        elif piece == "{alone}":
            words.append(decimal(alone))
        else:
            words.append(customer_id if piece == "{customer_id}" else piece)
    return "".join(words)


@lru_cache(maxsize=256)
def _pieces(language: str, what: str, period: str) -> tuple[str, ...]:
    """Return the pieces of a text: what all customers with this kind of notice for a period share,
    and between them the placeholders of what is each one's own."""
    month = f"{MONTHS[language][int(period[5:]) - 1]} {period[:4]}"
    texts = TEXTS[language]
    text = texts["signature"].replace("{text}", texts[what].replace("{month}", month))
    return tuple(piece for piece in OWN.split(text) if piece)


OWN = re.compile(r"(\{(?:amount|alone|customer_id)\})")


def segments(text: str) -> int:
    """Return the number of SMS segments. With the GSM alphabet a single SMS holds 160 characters, a
    segment of several 153; with UCS-2 70 and 67."""
    # The library reads the text character by character. That is needed only for characters that
    # take two places.
    size = len(text)
    if PLAIN.fullmatch(text):
        return 1 if size <= 160 else -(-size // 153)
    if NOT_GSM.search(text) and max(text) <= "\uffff":
        return 1 if size <= 70 else -(-size // 67)
    return len(smsutil.split(text).parts)
