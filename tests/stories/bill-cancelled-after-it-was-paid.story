# February was billed at the wrong price and paid. The bill is cancelled (the money stays, as
# credit), the price put right from 1 February, and the month billed again: 400.00 and 15 % VAT.
# A bill that another has replaced cannot come back.

policy
  tax VAT 15 from 2020-01-01

2026-02-01  signup   rahim  500.00 a month, start of month
2026-02-03  pay      rahim  575.00
2026-02-20  cancel   rahim  bill 2026-02, as x1

statement rahim
2026-02   charge 0.00   vat 0.00   billed 0.00   paid 575.00   due -575.00   standing no

invoices rahim
2026-02   amount 0.00   paid 0.00   open 0.00   status cancelled   ask 0.00

2026-02-20  package  rahim  400.00, from 2026-02-01
2026-03-01  tick     2026-03

statement rahim
2026-02   previous    0.00   billed   0.00   paid 575.00   due -575.00
2026-03   previous -575.00   billed 460.00   paid   0.00   due -115.00

2026-03-02  rebill   rahim  2026-02
2026-03-02  undo     rahim  x1   => refused superseded

statement rahim
2026-02   previous    0.00   billed 460.00   paid 575.00   due -115.00   standing yes
2026-03   previous -115.00   billed 460.00   paid   0.00   due  345.00   standing yes

invoices rahim
2026-02   amount 460.00   paid 460.00   open   0.00   status paid      ask 345.00
2026-03   amount 460.00   paid 115.00   open 345.00   status partial   ask 345.00
