-- Sets how COPY writes dates, timestamps and bytes, until the end of the transaction.
SELECT
    set_config('DateStyle', 'ISO', true),
    set_config('TimeZone', 'UTC', true),
    set_config('bytea_output', 'hex', true);
