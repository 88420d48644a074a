# A package goes up on the 12th, down on the 15th, and on the 18th the customer leaves and
# pays for the days that were used, with 5 % VAT. The month has 31 days:
#   up     11 at 1000.00, 20 at 1500.00                 41000.00/31 = 1322.58   VAT 66.13
#   down   11 at 1000.00,  3 at 1500.00, 17 at 800.00   29100.00/31 =  938.71   VAT 46.94
#   left   11 at 1000.00,  3 at 1500.00,  3 at 800.00   17900.00/31 =  577.42   VAT 28.87

policy
  tax VAT 5 from 2020-01-01

2026-01-01  signup   rahim  1000.00 a month, start of month
2026-01-12  package  rahim  1500.00
2026-01-15  package  rahim   800.00
2026-01-18  leave    rahim, prorate
2026-02-01  tick     2026-02

statement rahim
2026-01   charge 577.42   vat 28.87   billed 606.29   due 606.29

lines rahim
1  2026-01  bill        charge 1000.00   vat 50.00   billed 1050.00   due 1050.00
2  2026-01  proration   charge 1322.58   vat 66.13   billed 1388.71   due 1388.71
3  2026-01  proration   charge  938.71   vat 46.94   billed  985.65   due  985.65
4  2026-01  proration   charge  577.42   vat 28.87   billed  606.29   due  606.29
