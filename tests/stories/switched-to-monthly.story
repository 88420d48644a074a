# Two readings of one ledger. With a running amount every invoice asks for all that is due;
# with an invoice a month each asks for its own open part, money going to the oldest first.

2026-01-01  signup  rahim  600.00 a month, start of month
2026-02-01  tick    2026-02
2026-02-05  pay     rahim  900.00
2026-03-01  tick    2026-03

statement rahim
2026-01   previous   0.00   billed 600.00   paid   0.00   due 600.00
2026-02   previous 600.00   billed 600.00   paid 900.00   due 300.00
2026-03   previous 300.00   billed 600.00   paid   0.00   due 900.00

invoices rahim
2026-01   amount 600.00   paid 600.00   open   0.00   status paid      ask 900.00
2026-02   amount 600.00   paid 300.00   open 300.00   status partial   ask 900.00
2026-03   amount 600.00   paid   0.00   open 600.00   status open      ask 900.00

2026-03-02  terms   rahim, monthly
2026-03-02  tick    2026-03

statement rahim
2026-01   previous   0.00   billed 600.00   paid   0.00   due 600.00
2026-02   previous 600.00   billed 600.00   paid 900.00   due 300.00
2026-03   previous 300.00   billed 600.00   paid   0.00   due 900.00

invoices rahim
2026-01   amount 600.00   paid 600.00   open   0.00   status paid      ask   0.00
2026-02   amount 600.00   paid 300.00   open 300.00   status partial   ask 300.00
2026-03   amount 600.00   paid   0.00   open 600.00   status open      ask 600.00

expires rahim 2026-02-11
