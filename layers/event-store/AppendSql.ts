/**
 * The append: one function, called once per batch, in one autocommit round trip.
 *
 *   lock the head --> write all of it, set by set --everything held--> done
 *                                                \--something did not--> take it back, judge each append in turn
 *
 * Owns the SQL and the names of its parameters. Does not own how a batch becomes parameters (`Batch`).
 *
 * Invariants: the first statement locks the single head row, and every later one takes a fresh snapshot (the function
 * is volatile and runs READ COMMITTED), so what is judged is what the previous holder of the lock committed; positions
 * are the head plus the order of the events, so they are gapless and in commit order; both ways give the same
 * outcomes and the same tables, which a property test holds.
 *
 * A list travels as one text per column with a line per element: splitting that is cheaper, here and in the driver,
 * than arrays or JSON. No value holds a line break (`Preparation`).
 */
import { genesis } from "#src/kernel/Envelope.ts"

/** In the order in which `Batch` hands them over. */
export const parameters = [
  ["p_fast", "boolean"],
  ["p_channel", "text"],
  ["p_events", "integer"],
  ["p_drops", "boolean"],
  ["p_olds", "integer"],
  // Events.
  ["e_stream", "text"],
  ["e_version", "text"],
  ["e_id", "text"],
  ["e_type", "text"],
  ["e_at", "text"],
  ["e_actor_kind", "text"],
  ["e_actor_id", "text"],
  ["e_command", "text"],
  ["e_correlation", "text"],
  ["e_prev", "text"],
  ["e_hash", "text"],
  ["e_body", "text"],
  // Receipts.
  ["r_principal", "text"],
  ["r_key", "text"],
  ["r_command", "text"],
  ["r_stream", "text"],
  ["r_version", "text"],
  ["r_subject", "text"],
  ["r_digest", "text"],
  ["r_answer", "text"],
  ["r_at", "text"],
  ["r_hash", "text"],
  // Row writes, the last one per row of each append. An empty body drops the row. `w_offset` is the position of the
  // append's last event, counted from the head, or 0 where a later append of the batch writes the same row.
  ["w_kind", "text"],
  ["w_key", "text"],
  ["w_body", "text"],
  ["w_offset", "text"],
  // Wrapped keys.
  ["k_subject", "text"],
  ["k_version", "text"],
  ["k_wrapped", "text"],
  // What must hold at the start for everything to hold, and what is left at the end. Streams that begin, streams that
  // go on, and streams whose head a refusal without events only looks at.
  ["n_stream", "text"],
  ["n_version", "text"],
  ["n_hash", "text"],
  ["o_stream", "text"],
  ["o_expected", "text"],
  ["o_expected_hash", "text"],
  ["o_version", "text"],
  ["o_hash", "text"],
  ["t_stream", "text"],
  ["t_expected", "text"],
  ["t_expected_hash", "text"],
  ["f_kind", "text"],
  ["f_key", "text"],
  ["f_present", "text"],
  ["m_name", "text"],
  ["m_delta", "text"],
  ["m_touched", "text"],
  ["m_low", "text"],
  ["m_high", "text"],
  // The appends one by one: what each expects, and where its share of the lists above ends.
  ["a_stream", "text"],
  ["a_expected", "text"],
  ["a_expected_hash", "text"],
  ["a_events", "text"],
  ["a_receipts", "text"],
  ["a_rows", "text"],
  ["a_keys", "text"],
  ["a_counters", "text"],
  ["a_guards", "text"],
  ["a_shreds", "text"],
  ["c_name", "text"],
  ["c_delta", "text"],
  ["g_tag", "text"],
  ["g_name", "text"],
  ["g_key", "text"],
  ["g_maximum", "text"],
  ["s_subject", "text"]
] as const

export type ParameterName = (typeof parameters)[number][0]

/** The call; answers one text: `F<head before>` where everything held, else a JSON array with one outcome per append. */
export const appendCall = (schema: string): string =>
  `SELECT ${schema}.append(${parameters.map((_, index) => `$${index + 1}`).join(",")}) AS outcome`

/** The first key of the advisory locks that say who listens; the second is the channel's hash. */
export const listenersLock = 0x6b65656d

/** Takes the session's place among the listeners, once, in the session that appends. */
export const joinListeners = `SELECT pg_advisory_lock_shared(${listenersLock}, hashtext($1))::text`

export const appendFunction = (s: string): string => `
CREATE FUNCTION ${s}.append(${parameters.map(([name, type]) => `${name} ${type}`).join(", ")})
RETURNS text LANGUAGE plpgsql VOLATILE AS $append$
DECLARE
  nl CONSTANT text := E'\\n';
  head bigint;
  affected integer;
  outcomes text[];
${judgeVariables(s)}
BEGIN
  UPDATE ${s}.journal_head SET position = position + p_events WHERE one RETURNING position - p_events INTO STRICT head;
  IF p_fast THEN
    BEGIN
      ${holdBefore(s)}
      ${writeAll(s)}
      IF p_events > 0 AND ${heard} THEN PERFORM pg_notify(p_channel, (head + p_events)::text); END IF;
      RETURN 'F' || head;
    EXCEPTION WHEN unique_violation OR SQLSTATE '${notHeld}' THEN
      NULL;
    END;
  END IF;
  ${judgeEach(s)}
  UPDATE ${s}.journal_head SET position = written WHERE one;
  IF written > head AND ${heard} THEN PERFORM pg_notify(p_channel, written::text); END IF;
  RETURN '[' || array_to_string(outcomes, ',') || ']';
END $append$`

// ---------------------------------------------------------------------------
// internal
// ---------------------------------------------------------------------------

const split = (name: ParameterName, cast = ""): string =>
  cast === "" ? `string_to_array(${name}, nl)` : `string_to_array(${name}, nl)::${cast}[]`

/** A parameter's list may be one empty line, which splits into nothing. */
const orEmpty = (column: string): string => `coalesce(${column}, '')`

/**
 * Whether another process wants to hear of the commit: each holds a shared lock on the channel, in the very session it
 * appends with. Nobody conflicts with itself, so the exclusive lock is refused only where somebody else is there.
 * A notification costs a sixth of the throughput, and followers of this process need none.
 */
const heard = `p_channel <> '' AND NOT pg_try_advisory_xact_lock(${listenersLock}, hashtext(p_channel))`

// --- everything at once ----------------------------------------------------------------------------------------------

/** Raised where something does not hold, to take back what the first way has written. */
const notHeld = "KL001"

const unless = (condition: string): string => `IF ${condition} THEN RAISE SQLSTATE '${notHeld}'; END IF;`

/** What is judged before anything is written: heads that are only looked at, keys, rows and counters. */
const holdBefore = (s: string): string => `
      IF t_stream <> '' THEN
        ${unless(`EXISTS (
          SELECT FROM unnest(${split("t_stream")}, ${split("t_expected", "integer")}, ${split("t_expected_hash")})
            AS t (stream, expected, expected_hash)
          LEFT JOIN LATERAL (SELECT version, hash FROM ${s}.stream_head d WHERE d.stream = t.stream OFFSET 0) d ON true
          WHERE coalesce(d.version, 0) <> t.expected OR coalesce(d.hash, '${genesis}') <> t.expected_hash
        )`)}
      END IF;
      IF k_subject <> '' THEN
        ${unless(`EXISTS (
          SELECT FROM unnest(${split("k_subject")}) AS k (subject)
          WHERE EXISTS (SELECT FROM ${s}.shredded d WHERE d.subject = k.subject OFFSET 0)
        )`)}
      END IF;
      IF f_kind <> '' THEN
        ${unless(`EXISTS (
          SELECT FROM unnest(${split("f_kind")}, ${split("f_key")}, ${split("f_present", "boolean")})
            AS f (kind, key, present)
          WHERE EXISTS (
            SELECT FROM ${s}."row" d WHERE d.kind = f.kind AND d.key = ${orEmpty("f.key")} OFFSET 0
          ) <> f.present
        )`)}
      END IF;
      IF m_name <> '' THEN
        ${unless(`EXISTS (
          SELECT FROM unnest(${split("m_name")}, ${split("m_low", "bigint")}, ${split("m_high", "bigint")})
            AS m (name, low, high)
          WHERE coalesce((SELECT n FROM ${s}.counter d WHERE d.name = m.name), 0) NOT BETWEEN m.low AND m.high
        )`)}
      END IF;`

const eventColumns =
  "position, stream, version, event_id, type, occurred_at, actor_kind, actor_id, command_id, correlation_id, " +
  "prev_hash, hash, body"

const receiptColumns = "principal, key, command_id, stream, version, subject, digest, answer, recorded_at_millis, hash"

/** Heads first: rivals meet there. Receipts and keys that exist already break their uniqueness. */
const writeAll = (s: string): string => `
      IF p_olds > 0 THEN
        UPDATE ${s}.stream_head d SET version = o.version, hash = o.hash
        FROM unnest(${split("o_stream")}, ${split("o_expected", "integer")}, ${split("o_expected_hash")},
          ${split("o_version", "integer")}, ${split("o_hash")}) AS o (stream, expected, expected_hash, version, hash)
        WHERE d.stream = o.stream AND d.version = o.expected AND d.hash = o.expected_hash;
        GET DIAGNOSTICS affected = ROW_COUNT;
        ${unless("affected <> p_olds")}
      END IF;
      IF n_stream <> '' THEN
        INSERT INTO ${s}.stream_head (stream, version, hash)
        SELECT n.stream, n.version, n.hash
        FROM unnest(${split("n_stream")}, ${split("n_version", "integer")}, ${split("n_hash")})
          AS n (stream, version, hash);
      END IF;
      IF r_key <> '' THEN
        INSERT INTO ${s}.receipt (${receiptColumns})
        SELECT r.principal, r.key, r.command, r.stream, r.version, r.subject, ${orEmpty("r.digest")},
          ${orEmpty("r.answer")}, r.at, r.hash
        FROM unnest(${split("r_principal")}, ${split("r_key")}, ${split("r_command")}, ${split("r_stream")},
          ${split("r_version", "integer")}, ${split("r_subject")}, ${split("r_digest")}, ${split("r_answer")},
          ${split("r_at", "bigint")}, ${split("r_hash")})
          AS r (principal, key, command, stream, version, subject, digest, answer, at, hash);
      END IF;
      IF k_subject <> '' THEN
        INSERT INTO ${s}.subject_key (subject, wrapping_version, wrapped)
        SELECT k.subject, k.version, k.wrapped
        FROM unnest(${split("k_subject")}, ${split("k_version", "integer")}, ${split("k_wrapped")})
          AS k (subject, version, wrapped);
      END IF;
      IF p_events > 0 THEN
        INSERT INTO ${s}.event (${eventColumns})
        SELECT head + e.n, e.stream, e.version, e.id, e.type, e.at, e.actor_kind, e.actor_id, e.command, e.correlation,
          e.prev, e.hash, e.body
        FROM unnest(${split("e_stream")}, ${split("e_version", "integer")}, ${split("e_id")}, ${split("e_type")},
          ${split("e_at")}, ${split("e_actor_kind")}, ${split("e_actor_id")}, ${split("e_command")},
          ${split("e_correlation")}, ${split("e_prev")}, ${split("e_hash")}, ${split("e_body")}) WITH ORDINALITY
          AS e (stream, version, id, type, at, actor_kind, actor_id, command, correlation, prev, hash, body, n);
      END IF;
      IF w_kind <> '' THEN
        INSERT INTO ${s}."row" AS d (kind, key, body, position)
        SELECT w.kind, ${orEmpty("w.key")}, w.body::jsonb, head + w.ends
        FROM unnest(${split("w_kind")}, ${split("w_key")}, ${split("w_body")}, ${split("w_offset", "integer")})
          AS w (kind, key, body, ends)
        WHERE w.ends > 0 AND w.body <> ''
        ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, position = excluded.position;
        IF p_drops THEN
          DELETE FROM ${s}."row" d
          USING unnest(${split("w_kind")}, ${split("w_key")}, ${split("w_body")}, ${split("w_offset", "integer")})
            AS w (kind, key, body, ends)
          WHERE w.ends > 0 AND ${orEmpty("w.body")} = '' AND d.kind = w.kind AND d.key = ${orEmpty("w.key")};
        END IF;
      END IF;
      IF m_name <> '' THEN
        INSERT INTO ${s}.counter AS d (name, n)
        SELECT m.name, coalesce((SELECT n FROM ${s}.counter d WHERE d.name = m.name), 0) + m.delta
        FROM unnest(${split("m_name")}, ${split("m_delta", "bigint")}, ${split("m_touched", "boolean")})
          AS m (name, delta, touched)
        WHERE m.touched
        ON CONFLICT (name) DO UPDATE SET n = excluded.n;
      END IF;`

// --- one by one --------------------------------------------------------------------------------------------------

/** Lists that are looked at element by element. PL/pgSQL keeps them unpacked, so an element costs no search. */
const lists: ReadonlyArray<readonly [ParameterName, string]> = parameters.flatMap(([name]) => {
  if (/^[notfmp]_/.test(name) || name === "w_offset") return []
  const small = /^a_(?!stream|expected_hash)|^[ekr]_version/.test(name)
  const large = /^(r_at|c_delta|g_maximum)$/.test(name)
  return [[name, small ? "integer" : large ? "bigint" : ""] as const]
})

const shares = ["event", "receipt", "row", "key", "counter", "guard", "shred"] as const

const judgeVariables = (s: string): string =>
  [
    ...lists.map(([name, cast]) => `  l_${name} ${cast === "" ? "text" : cast}[];`),
    ...shares.flatMap((share) => [`  ${share}_from integer;`, `  ${share}_to integer := 0;`]),
    "  written bigint;",
    "  verdict text;",
    "  found_version integer;",
    "  found_hash text;",
    "  found_n bigint;",
    `  found_receipt ${s}.receipt;`
  ].join("\n")

/** Why an append does not hold, as JSON, or NULL where it does. The order is that of `kernel/Append`. */
const judgeEach = (s: string): string => `
  ${lists.map(([name, cast]) => `l_${name} := ${split(name, cast)};`).join("\n  ")}
  written := head;
  FOR i IN 1 .. cardinality(l_a_stream) LOOP
    ${shares.map((share) => `${share}_from := ${share}_to + 1; ${share}_to := l_a_${share}s[i];`).join("\n    ")}
    verdict := NULL;

    SELECT version, hash INTO found_version, found_hash FROM ${s}.stream_head WHERE stream = l_a_stream[i];
    IF coalesce(found_version, 0) <> l_a_expected[i]
      OR coalesce(found_hash, '${genesis}') <> l_a_expected_hash[i] THEN
      verdict := json_build_object('v', coalesce(found_version, 0));
    END IF;
    IF verdict IS NULL AND receipt_to >= receipt_from THEN
      SELECT * INTO found_receipt FROM ${s}.receipt d
      WHERE d.principal = l_r_principal[receipt_to] AND d.key = l_r_key[receipt_to];
      IF FOUND THEN verdict := json_build_object('r', row_to_json(found_receipt)); END IF;
    END IF;
    IF verdict IS NULL THEN
      ${judgeKeys(s)}
    END IF;
    IF verdict IS NULL THEN
      ${judgeRows(s)}
    END IF;
    IF verdict IS NULL AND counter_to >= counter_from THEN
      ${judgeCounters(s)}
    END IF;
    IF verdict IS NULL THEN
      ${judgeMaxima(s)}
    END IF;
    IF verdict IS NOT NULL THEN
      outcomes := array_append(outcomes, verdict);
      CONTINUE;
    END IF;
    outcomes := array_append(outcomes, json_build_object('c', written)::text);
    ${writeOne(s)}
  END LOOP;`

const judgeKeys = (s: string): string => `FOR j IN key_from .. key_to LOOP
        IF EXISTS (SELECT FROM ${s}.subject_key d WHERE d.subject = l_k_subject[j])
          OR EXISTS (SELECT FROM ${s}.shredded d WHERE d.subject = l_k_subject[j]) THEN
          verdict := json_build_object('k', l_k_subject[j]);
          EXIT;
        END IF;
      END LOOP;`

const judgeRows = (s: string): string => `FOR j IN guard_from .. guard_to LOOP
        CONTINUE WHEN l_g_tag[j] = 'M';
        IF EXISTS (SELECT FROM ${s}."row" d WHERE d.kind = l_g_name[j] AND d.key = ${orEmpty("l_g_key[j]")})
          <> (l_g_tag[j] = 'P') THEN
          verdict := json_build_object('g', j - guard_from);
          EXIT;
        END IF;
      END LOOP;`

const judgeCounters = (s: string): string => `FOR j IN counter_from .. counter_to LOOP
        SELECT n INTO found_n FROM ${s}.counter d WHERE d.name = l_c_name[j];
        IF coalesce(found_n, 0) + l_c_delta[j] < 0 THEN
          verdict := json_build_object('n', l_c_name[j]);
          EXIT;
        END IF;
      END LOOP;`

const judgeMaxima = (s: string): string => `FOR j IN guard_from .. guard_to LOOP
        CONTINUE WHEN l_g_tag[j] <> 'M';
        SELECT n INTO found_n FROM ${s}.counter d WHERE d.name = l_g_name[j];
        found_n := coalesce(found_n, 0);
        FOR k IN counter_from .. counter_to LOOP
          IF l_c_name[k] = l_g_name[j] THEN found_n := found_n + l_c_delta[k]; END IF;
        END LOOP;
        IF found_n > l_g_maximum[j] THEN
          verdict := json_build_object('g', j - guard_from);
          EXIT;
        END IF;
      END LOOP;`

const writeOne = (s: string): string => `FOR j IN event_from .. event_to LOOP
      written := written + 1;
      INSERT INTO ${s}.event (${eventColumns})
      VALUES (written, l_e_stream[j], l_e_version[j], l_e_id[j], l_e_type[j], l_e_at[j], l_e_actor_kind[j],
        l_e_actor_id[j], l_e_command[j], l_e_correlation[j], l_e_prev[j], l_e_hash[j], l_e_body[j]);
    END LOOP;
    IF event_to >= event_from THEN
      INSERT INTO ${s}.stream_head AS d (stream, version, hash)
      VALUES (l_a_stream[i], l_e_version[event_to], l_e_hash[event_to])
      ON CONFLICT (stream) DO UPDATE SET version = excluded.version, hash = excluded.hash;
    END IF;
    FOR j IN receipt_from .. receipt_to LOOP
      INSERT INTO ${s}.receipt (${receiptColumns})
      VALUES (l_r_principal[j], l_r_key[j], l_r_command[j], l_r_stream[j], l_r_version[j], l_r_subject[j],
        ${orEmpty("l_r_digest[j]")}, ${orEmpty("l_r_answer[j]")}, l_r_at[j], l_r_hash[j]);
    END LOOP;
    FOR j IN key_from .. key_to LOOP
      INSERT INTO ${s}.subject_key (subject, wrapping_version, wrapped)
      VALUES (l_k_subject[j], l_k_version[j], l_k_wrapped[j]);
    END LOOP;
    FOR j IN shred_from .. shred_to LOOP
      DELETE FROM ${s}.subject_key d WHERE d.subject = l_s_subject[j];
      INSERT INTO ${s}.shredded (subject) VALUES (l_s_subject[j]) ON CONFLICT DO NOTHING;
    END LOOP;
    FOR j IN row_from .. row_to LOOP
      IF ${orEmpty("l_w_body[j]")} = '' THEN
        DELETE FROM ${s}."row" d WHERE d.kind = l_w_kind[j] AND d.key = ${orEmpty("l_w_key[j]")};
      ELSE
        INSERT INTO ${s}."row" AS d (kind, key, body, position)
        VALUES (l_w_kind[j], ${orEmpty("l_w_key[j]")}, l_w_body[j]::jsonb, written)
        ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, position = excluded.position;
      END IF;
    END LOOP;
    FOR j IN counter_from .. counter_to LOOP
      INSERT INTO ${s}.counter AS d (name, n)
      VALUES (l_c_name[j], coalesce((SELECT n FROM ${s}.counter d WHERE d.name = l_c_name[j]), 0) + l_c_delta[j])
      ON CONFLICT (name) DO UPDATE SET n = excluded.n;
    END LOOP;`
