"""What a text message says, in English and in Bangla, and in how many segments it travels.

Figures are written in one way in both languages: the one that the customer types into a
payment app and reads on the statement.
"""

import smsutil

from shared.ledger.money import decimal

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
    texts = TEXTS[language]
    month = f"{MONTHS[language][int(period[5:]) - 1]} {period[:4]}"
    text = texts[what].format(month=month, amount=decimal(amount))
    return texts["signature"].format(text=text, customer_id=customer_id)


def segments(text: str) -> int:
    """Return how many messages the network will carry: 160 or 153 letters of the GSM alphabet
    each, 70 or 67 of any other."""
    return len(smsutil.split(text).parts)
