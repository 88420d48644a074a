# The price list says what a package and a fixed address cost. Rahim takes both; in March the list
# rises for everyone, but a bill keeps the list of the policy version it names. He lends out his
# line for ten days in February: a pause with an end, told in time and prorated.
#   January   15/31 of 1000.00 and 200.00 = 580.645...    580.65
#   February  18 of 28 days at 1200.00 = 771.428...       771.43

policy
  price home 1000.00 from 2026-01-01
  price ip    200.00 from 2026-01-01

2026-01-17  signup   rahim  home, extras ip
2026-02-01  tick     2026-02
2026-02-02  suspend  rahim, from 2026-02-10, until 2026-02-20, prorate

statement rahim
2026-01   charge  580.65
2026-02   charge  771.43

policy
  price home 1000.00 from 2026-01-01
  price home 1100.00 from 2026-03-01
  price ip    250.00 from 2026-01-01

2026-02-20  extras   rahim  2xip, from 2026-03-01
2026-03-01  tick     2026-03

lines rahim
1  2026-01  bill       billed  580.65
2  2026-02  bill       billed 1200.00
3  2026-02  proration  billed  771.43
4  2026-03  bill       billed 1600.00
