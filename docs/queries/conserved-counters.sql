-- Confirmations, counted from events: created = approved + denied + expired + withdrawn + pending, and the same in the
-- counters that the doors show. No row means that all of it agrees.
WITH phase AS (
  SELECT
    stream,
    CASE
      WHEN bool_or(type = 'confirmation.denied') THEN 'denied'
      WHEN bool_or(type = 'confirmation.expired') THEN 'expired'
      WHEN bool_or(type = 'confirmation.withdrawn') THEN 'withdrawn'
      WHEN bool_or(type = 'action.permitted') THEN 'approved'
      ELSE 'pending'
    END AS name
  FROM keelson.event
  WHERE stream IN (SELECT stream FROM keelson.event WHERE type = 'confirmation.requested')
  GROUP BY stream
), counted AS (
  SELECT name, count(*) AS n FROM phase GROUP BY name
  UNION ALL
  SELECT 'created', count(*) FROM phase
), kept AS (
  SELECT substr(name, length('confirmations.') + 1) AS name, n
  FROM keelson.counter
  WHERE name IN ('confirmations.created', 'confirmations.approved', 'confirmations.denied', 'confirmations.expired',
    'confirmations.withdrawn', 'confirmations.pending')
)
SELECT coalesce(counted.name, kept.name) AS name, coalesce(counted.n, 0) AS by_events, coalesce(kept.n, 0) AS by_counter
FROM counted FULL JOIN kept ON kept.name = counted.name
WHERE coalesce(counted.n, 0) <> coalesce(kept.n, 0)
ORDER BY name
