# VAT is 5 % until the end of 2025 and 7.5 % from then. A bill keeps the rate of the day that
# its coverage starts: karim's runs into January at 5 %, and rahim's December, priced again
# in January, is taxed at 5 % still. So is a credit on it; a sale is taxed by the day on which
# it is made.
#   rahim, December   8/31 of 1000.00 and 8/31 of 1240.00 = 578.06   VAT 28.90
#   his credit        -100.00                                        VAT -5.00
#   his socket          40.00                                        VAT  3.00

policy
  tax VAT 5    from 2020-01-01 until 2026-01-01
  tax VAT 7.5  from 2026-01-01

2025-12-16  signup   rahim  1000.00 a month, start of month
2025-12-20  signup   karim  1000.00 a month, anniversary

statement rahim
2025-12   charge 516.13   vat 25.81   billed 541.94   due 541.94

2026-01-01  tick     2026-01
2026-01-03  package  rahim  1240.00, from 2025-12-24
2026-01-05  adjust   rahim  -100.00, period 2025-12
2026-01-05  adjust   rahim    40.00, period 2025-12
2026-01-20  tick     2026-01

statement rahim
2025-12   charge  518.06   vat 26.90   billed  544.96   due  544.96
2026-01   charge 1240.00   vat 93.00   billed 1333.00   due 1877.96

statement karim
2025-12   charge 1000.00   vat 50.00   billed 1050.00   due 1050.00
2026-01   charge 1000.00   vat 75.00   billed 1075.00   due 2125.00
