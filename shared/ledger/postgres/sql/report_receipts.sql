-- What collectors took, recorded on the days from $1 to before $2.
SELECT * FROM report.receipts
WHERE recorded_on >= $1 AND recorded_on < $2
ORDER BY recorded_on, actor, received_on, kind, method, channel;
