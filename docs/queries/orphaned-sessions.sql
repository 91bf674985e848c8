-- Orphaned sessions: open, past their deadline by more than a minute, and nothing says that they ended.
-- Judged from events alone, so that a wrong row can't hide one.
WITH life AS (
  SELECT
    stream,
    max((body::jsonb #>> '{payload,expiresAtMillis}')::bigint) FILTER (WHERE type = 'session.created') AS absolute_millis,
    max((body::jsonb #>> '{payload,idleAtMillis}')::bigint) AS idle_millis,
    bool_or(type IN ('session.closed', 'session.expired', 'session.erased')) AS ended
  FROM keelson.event
  WHERE stream LIKE 'session:%'
  GROUP BY stream
)
SELECT stream, least(absolute_millis, idle_millis) AS deadline_millis
FROM life
WHERE NOT ended
  AND least(absolute_millis, idle_millis) + 60000 < extract(epoch FROM clock_timestamp()) * 1000
ORDER BY stream
