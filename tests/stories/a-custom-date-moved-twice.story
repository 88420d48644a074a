# Bills fall on the 10th. The customer asks for the 15th, calls back and asks for the 18th;
# in March the day moves once more, to the 20th, along with a bill made ahead.
#   up to 14 February   1000.00 +  5/28 of 1000.00            = 1178.57
#   up to 17 February   1000.00 +  8/28 of 1000.00            = 1285.71
#   up to 19 April      a month from 18 March, + 2/30 of it   = 1066.67

policy

2026-01-10  signup  rahim  1000.00 a month, custom day 10
2026-01-20  billto  rahim  2026-02-14, as first
2026-01-21  billto  rahim  2026-02-17, as second
2026-01-21  billto  rahim  2026-02-01   => refused already_billed
2026-02-18  tick    2026-02
2026-03-02  billto  rahim  2026-04-19
2026-03-18  tick    2026-03
2026-04-20  tick    2026-04

statement rahim
2026-01   covers 2026-01-10..2026-02-18   billed 1285.71   due 1285.71
2026-02   covers 2026-02-18..2026-03-18   billed 1000.00   due 2285.71
2026-03   covers 2026-03-18..2026-04-20   billed 1066.67   due 3352.38
2026-04   covers 2026-04-20..2026-05-20   billed 1000.00   due 4352.38

lines rahim
1  2026-01  bill        covers 2026-01-10..2026-02-10   billed 1000.00
2  2026-01  extension   covers 2026-01-10..2026-02-15   billed 1178.57   command_id bill_up_to/first
3  2026-01  extension   covers 2026-01-10..2026-02-18   billed 1285.71   command_id bill_up_to/second
4  2026-02  bill        covers 2026-02-18..2026-03-18   billed 1000.00
5  2026-03  bill        covers 2026-03-18..2026-04-20   billed 1066.67   command_id bill/rahim/2026-03
6  2026-04  bill        covers 2026-04-20..2026-05-20   billed 1000.00
