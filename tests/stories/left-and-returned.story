# Leaves on 10 February, with the month paid for to its end; no rows are made while away.
# Back on 12 May: the two months between become rows with nothing, May costs 20/31.

2026-01-01  signup  rahim  1000.00 a month, start of month
2026-02-01  tick    2026-02
2026-02-10  leave   rahim
2026-03-01  tick    2026-03
2026-04-01  tick    2026-04

statement rahim
2026-01   billed 1000.00   due 1000.00
2026-02   billed 1000.00   due 2000.00

2026-05-12  return  rahim

statement rahim
2026-01   billed 1000.00   due 1000.00
2026-02   billed 1000.00   due 2000.00
2026-03   billed    0.00   due 2000.00   standing no
2026-04   billed    0.00   due 2000.00   standing no

2026-05-12  tick    2026-05

statement rahim
2026-01   billed 1000.00   due 1000.00
2026-02   billed 1000.00   due 2000.00
2026-03   billed    0.00   due 2000.00
2026-04   billed    0.00   due 2000.00
2026-05   billed  645.16   due 2645.16   standing yes
