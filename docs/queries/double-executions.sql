-- Double executions: an action with more than one claim, or with more than one outcome.
SELECT
  stream,
  count(*) FILTER (WHERE type = 'action.claimed') AS claims,
  count(*) FILTER (WHERE type IN ('action.executed', 'action.failed')) AS outcomes
FROM keelson.event
WHERE stream LIKE 'action:%'
GROUP BY stream
HAVING count(*) FILTER (WHERE type = 'action.claimed') > 1
  OR count(*) FILTER (WHERE type IN ('action.executed', 'action.failed')) > 1
ORDER BY stream
