# Billed from 15 January for twelve months and paid at once. A price that changes in July
# without proration counts from the first billed month that starts on its day or later: six months
# cost 200.00 more each, so the money ends before December's.

policy

2026-01-15  signup   rahim  1000.00 a month, anniversary
2026-01-20  billto   rahim  2027-01-14
2026-01-20  pay      rahim  12000.00
2026-07-15  package  rahim  1200.00, no proration

expires rahim 2026-12-25

2027-01-15  tick     2027-01, allow gap

2026-01   previous      0.00   billed 1000.00   paid 12000.00   due -11000.00
2026-02   previous -11000.00   billed 1000.00   paid     0.00   due -10000.00
2026-03   previous -10000.00   billed 1000.00   paid     0.00   due  -9000.00
2026-04   previous  -9000.00   billed 1000.00   paid     0.00   due  -8000.00
2026-05   previous  -8000.00   billed 1000.00   paid     0.00   due  -7000.00
2026-06   previous  -7000.00   billed 1000.00   paid     0.00   due  -6000.00
2026-07   previous  -6000.00   billed 1200.00   paid     0.00   due  -4800.00
2026-08   previous  -4800.00   billed 1200.00   paid     0.00   due  -3600.00
2026-09   previous  -3600.00   billed 1200.00   paid     0.00   due  -2400.00
2026-10   previous  -2400.00   billed 1200.00   paid     0.00   due  -1200.00
2026-11   previous  -1200.00   billed 1200.00   paid     0.00   due      0.00
2026-12   previous      0.00   billed 1200.00   paid     0.00   due   1200.00
2027-01   previous   1200.00   billed 1200.00   paid     0.00   due   2400.00
