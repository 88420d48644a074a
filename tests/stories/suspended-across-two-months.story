# Suspended on 20 January with the unused days given back, taken up again on 11 March:
# January 1000.00 x 19/31 = 612.90, February a row with nothing, March 1000.00 x 21/31 = 677.42.
# A suspension that gives nothing back (karim) leaves January as it was billed.

2026-01-01  signup   rahim  1000.00 a month, start of month
2026-01-01  signup   karim  1000.00 a month, start of month
2026-01-20  suspend  rahim, prorate
2026-01-20  suspend  karim
2026-02-01  tick     2026-02
2026-03-01  tick     2026-03
2026-03-11  resume   rahim
2026-03-11  resume   karim
2026-04-01  tick     2026-04

statement rahim
2026-01   previous     0.00   billed  612.90   due   612.90   standing yes
2026-02   previous   612.90   billed    0.00   due   612.90   standing no
2026-03   previous   612.90   billed  677.42   due  1290.32   standing yes
2026-04   previous  1290.32   billed 1000.00   due  2290.32   standing yes

statement karim
2026-01   billed 1000.00   due 1000.00
2026-02   billed    0.00   due 1000.00
2026-03   billed  677.42   due 1677.42
2026-04   billed 1000.00   due 2677.42

lines karim
1  2026-01  bill        due 1000.00
2  2026-02  skip        due 1000.00
3  2026-03  skip        due 1000.00
4  2026-03  proration   due 1677.42
5  2026-04  bill        due 2677.42
