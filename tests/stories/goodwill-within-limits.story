# A clerk may give away a tenth of a bill: 115.00 of 1150.00, of which 15.00 is VAT. A cancelled
# bill takes its discounts along, and brings them back; what was adjusted stays.

policy
  tax VAT 15 from 2020-01-01
  staff clerk may discount, up to 10

2026-01-01  signup    rahim  1000.00 a month, start of month
2026-01-02  discount  rahim  115.00, by clerk, as d1
2026-01-02  discount  rahim    0.01, by clerk    => refused over_limit
2026-01-02  discount  rahim 1035.01              => refused exceeds_bill
2026-01-02  discount  rahim   10.00, by stranger => refused not_permitted
2026-01-02  discount  rahim   10.00, period 2027-01   => refused unknown_period

statement rahim
2026-01   charge 1000.00   discount 100.00   vat 135.00   billed 1035.00   due 1035.00

2026-01-03  adjust    rahim   40.00
2026-01-04  cancel    rahim  bill 2026-01, as x1
2026-01-04  cancel    rahim  discount d1         => refused already_cancelled
2026-01-04  discount  rahim    5.00              => refused no_standing_bill

statement rahim
2026-01   charge 40.00   discount 0.00   vat 6.00   billed 46.00   due 46.00

2026-01-05  undo      rahim  x1

statement rahim
2026-01   charge 1040.00   discount 100.00   vat 141.00   billed 1081.00   due 1081.00
