# A transfer of 150.00 pays for two homes, and the collector writes the same reference twice, saying
# both times that it is shared. A third payment cannot use it, however it is spelt. What was paid
# for a home that nobody signed up waits, and is taken back while it waits.

policy
  staff clerk may discount

2026-01-01  signup  rahim  100.00 a month
2026-01-01  signup  karim   50.00 a month
2026-01-02  pay     rahim  100.00, reference TRX9, shared, as p1
2026-01-02  pay     karim   50.00, reference trx9, shared, as p2
2026-01-03  pay     karim   10.00, reference TRX9            => refused reference_already_used
2026-01-03  cancel  rahim  payment p1, as x1
2026-01-03  pay     rahim  100.00, reference TRX9            => refused reference_already_used
2026-01-03  undo    rahim  x1

2026-01-04  pay     salma   70.00, reference TRX10, as p3    => parked
2026-01-04  cancel  salma  payment p3, by clerk              => refused not_permitted
2026-01-04  cancel  salma  payment p3, as x2
2026-01-04  cancel  salma  payment p3                        => parked
2026-01-05  signup  salma  100.00 a month, joined 2026-01-01
2026-01-05  undo    salma  x2                                => refused unknown_target

statement rahim
2026-01   billed 100.00   paid 100.00   due   0.00

statement karim
2026-01   billed  50.00   paid  50.00   due   0.00

statement salma
2026-01   billed 100.00   paid   0.00   due 100.00
