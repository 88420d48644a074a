# A VIP's service never expires; bills are made all the same. Once no longer a VIP, the
# oldest unpaid bill decides: 1 January and 10 days of grace.

policy

2026-01-01  signup  rahim  1000.00 a month, start of month, vip
2026-02-01  tick    2026-02

expires rahim never
statement rahim
2026-01   billed 1000.00   due 1000.00
2026-02   billed 1000.00   due 2000.00

2026-02-02  terms   rahim, not vip
2026-02-03  tick    2026-02

expires rahim 2026-01-11
