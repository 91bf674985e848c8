-- Broken chains: a version that is missing, a prevHash that is not the hash before it, an effect whose cause is missing.
WITH chain AS (
  SELECT
    position, stream, version, prev_hash, body,
    lag(version, 1, 0) OVER one_stream AS version_before,
    lag(hash, 1, repeat('0', 64)) OVER one_stream AS hash_before
  FROM keelson.event
  WINDOW one_stream AS (PARTITION BY stream ORDER BY version)
)
SELECT position, stream, version, 'a version is missing before it' AS why
FROM chain WHERE version <> version_before + 1
UNION ALL
SELECT position, stream, version, 'its prevHash is not the hash before it'
FROM chain WHERE version = version_before + 1 AND prev_hash <> hash_before
UNION ALL
SELECT e.position, e.stream, e.version, 'its cause is missing'
FROM chain e
WHERE e.body::jsonb ->> 'causationId' IS NOT NULL
  AND NOT EXISTS (SELECT FROM keelson.event cause WHERE cause.event_id = e.body::jsonb ->> 'causationId')
ORDER BY position
