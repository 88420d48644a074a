# Billed from 15 January for twelve months and paid at once. A price that changes in July
# without proration waits for the end of what is billed: it counts from 15 January 2027.

policy

2026-01-15  signup   rahim  1000.00 a month, anniversary
2026-01-20  billto   rahim  2027-01-14
2026-01-20  pay      rahim  12000.00
2026-07-15  package  rahim  1200.00, no proration

expires rahim 2027-01-25

2027-01-15  tick     2027-01

2026-01   previous      0.00   billed 1000.00   paid 12000.00   due -11000.00
2026-02   previous -11000.00   billed 1000.00   paid     0.00   due -10000.00
2026-03   previous -10000.00   billed 1000.00   paid     0.00   due  -9000.00
2026-04   previous  -9000.00   billed 1000.00   paid     0.00   due  -8000.00
2026-05   previous  -8000.00   billed 1000.00   paid     0.00   due  -7000.00
2026-06   previous  -7000.00   billed 1000.00   paid     0.00   due  -6000.00
2026-07   previous  -6000.00   billed 1000.00   paid     0.00   due  -5000.00
2026-08   previous  -5000.00   billed 1000.00   paid     0.00   due  -4000.00
2026-09   previous  -4000.00   billed 1000.00   paid     0.00   due  -3000.00
2026-10   previous  -3000.00   billed 1000.00   paid     0.00   due  -2000.00
2026-11   previous  -2000.00   billed 1000.00   paid     0.00   due  -1000.00
2026-12   previous  -1000.00   billed 1000.00   paid     0.00   due      0.00
2027-01   previous      0.00   billed 1200.00   paid     0.00   due   1200.00
