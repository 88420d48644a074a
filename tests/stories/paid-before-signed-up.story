# The money is quicker than the paperwork. It waits, is not taken twice, and goes to the
# first bill as soon as there is one; so does the rest that waited, in the order it came.

policy

2026-01-16  pay       rahim  300.00, as p1   => parked
2026-01-16  pay       rahim  300.00, as p1   => duplicate
2026-01-16  pay       rahim  301.00, as p1   => refused conflicting_duplicate
2026-01-16  discount  rahim   83.87          => parked
2026-01-17  signup    rahim  1000.00 a month, start of month, billed from 2026-02-01
2026-01-18  pay       rahim   50.00          => parked
2026-02-01  tick      2026-02

statement rahim
2026-02   charge 1000.00   discount 83.87   billed 916.13   paid 350.00   due 566.13

lines rahim
1  2026-02  bill       billed 1000.00   paid   0.00   due 1000.00
2  2026-02  payment    billed 1000.00   paid 300.00   due  700.00   command_id payment/p1
3  2026-02  discount   billed  916.13   paid 300.00   due  616.13
4  2026-02  payment    billed  916.13   paid 350.00   due  566.13
