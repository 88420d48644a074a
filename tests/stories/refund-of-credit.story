# What was paid too much can go back, no more than that; a refund given for one payment holds
# that payment, and returns only where there is a payment to return it from. A refund of credit
# holds all payments together: what came in must cover what went out.

policy
  staff clerk may discount, cancel

2026-01-01  signup  rahim  500.00 a month, start of month
2026-01-05  pay     rahim  800.00, as p1
2026-01-10  refund  rahim  400.00             => refused exceeds_credit
2026-01-10  refund  rahim  200.00, by clerk   => refused not_permitted
2026-01-10  refund  rahim  200.00, as r1

statement rahim
2026-01   billed 500.00   paid 600.00   due -100.00

2026-01-11  refund  rahim  800.01, of p1      => refused exceeds_payment
2026-01-11  refund  rahim  100.00, of p1, as r2
2026-01-12  cancel  rahim  payment p1         => refused has_refunds
2026-01-12  cancel  rahim  refund r2, as x1
2026-01-12  cancel  rahim  payment p1         => refused has_refunds
2026-01-12  cancel  rahim  refund r1, as x2
2026-01-12  cancel  rahim  payment p1, as x3

statement rahim
2026-01   billed 500.00   paid 0.00   due 500.00

2026-01-13  undo    rahim  x1                 => refused exceeds_payment
2026-01-13  undo    rahim  x2                 => refused exceeds_credit
2026-01-13  undo    rahim  x3
2026-01-13  undo    rahim  x1, as x4
2026-01-13  undo    rahim  x4                 => refused not_cancellable

statement rahim
2026-01   billed 500.00   paid 700.00   due -200.00

# Money that went out as credit cannot go out once more in a payment's name.
2026-01-14  refund  rahim  200.00, as r3
2026-01-14  cancel  rahim  bill 2026-01
2026-01-14  refund  rahim  500.01, of p1      => refused exceeds_payment
2026-01-14  refund  rahim  500.00, of p1
