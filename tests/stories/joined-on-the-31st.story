# Joined on the 31st. Each bill runs to the last day that the month has, and the day
# returns to the 31st whenever a month has one. In March the package goes up for the last
# 16 of the cycle's 31 days: 1200.00 x 15/31 + 1510.00 x 16/31 = 42160.00/31 = 1360.00.

2026-01-31  signup   rahim  1200.00 a month, anniversary
2026-02-28  tick     2026-02
2026-03-15  package  rahim  1510.00
2026-03-31  tick     2026-03
2026-04-30  tick     2026-04

2026-01   covers 2026-01-31..2026-02-28   previous     0.00   billed  1200.00   due  1200.00
2026-02   covers 2026-02-28..2026-03-31   previous  1200.00   billed  1360.00   due  2560.00
2026-03   covers 2026-03-31..2026-04-30   previous  2560.00   billed  1510.00   due  4070.00
2026-04   covers 2026-04-30..2026-05-31   previous  4070.00   billed  1510.00   due  5580.00
