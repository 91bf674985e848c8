-- Phantom confirmations: decided without having been asked, claimed without a permit, or ended without their claim.
SELECT e.position, e.stream, e.type AS what, 'nobody was asked' AS why
FROM keelson.event e
WHERE e.type IN ('confirmation.approved', 'confirmation.denied', 'confirmation.expired', 'confirmation.withdrawn')
  AND NOT EXISTS (
    SELECT FROM keelson.event asked
    WHERE asked.stream = e.stream AND asked.type = 'confirmation.requested' AND asked.version < e.version
  )
UNION ALL
SELECT e.position, e.stream, e.type, 'nothing permitted it'
FROM keelson.event e
WHERE e.type = 'action.claimed'
  AND NOT EXISTS (
    SELECT FROM keelson.event permitted
    WHERE permitted.stream = e.stream AND permitted.type = 'action.permitted' AND permitted.version < e.version
  )
UNION ALL
SELECT e.position, e.stream, e.type, 'its claim is missing'
FROM keelson.event e
WHERE e.type IN ('action.executed', 'action.failed', 'action.unknown')
  AND NOT EXISTS (
    SELECT FROM keelson.event claimed
    WHERE claimed.stream = e.stream AND claimed.type = 'action.claimed' AND claimed.version < e.version
      AND claimed.body::jsonb #>> '{payload,claimId}' = e.body::jsonb #>> '{payload,claimId}'
  )
ORDER BY position
