# A collector takes 930.00 on 28 January; the phone finds a network on 18 February. The money
# belongs to January, so February opens anew with nothing due, and service runs on by a month.

2026-01-01  signup  rahim  930.00 a month, start of month
2026-02-01  tick    2026-02
2026-02-18  tick    2026-02

expires rahim 2026-01-11

2026-01-28  pay     rahim  930.00, by collector-3

statement rahim
2026-01   previous   0.00   billed 930.00   paid 930.00   due   0.00
2026-02   previous   0.00   billed 930.00   paid   0.00   due 930.00

lines rahim
1  2026-01  bill          previous   0.00   paid   0.00   due  930.00
2  2026-02  bill          previous 930.00   paid   0.00   due 1860.00
3  2026-01  payment       previous   0.00   paid 930.00   due    0.00
4  2026-02  restatement   previous   0.00   paid   0.00   due  930.00

expires rahim 2026-02-11
