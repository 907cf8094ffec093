CREATE TABLE "holdfast"."snapshots" (
	"partition" integer NOT NULL,
	"channel" text COLLATE "C" NOT NULL,
	"aggregate" text NOT NULL,
	"version" integer NOT NULL,
	"epoch" text NOT NULL,
	"offset" bigint NOT NULL,
	"state" text NOT NULL,
	"time" bigint NOT NULL,
	CONSTRAINT "snapshots_pk" PRIMARY KEY("partition","channel","aggregate")
);
--> statement-breakpoint
CREATE INDEX "erasures_channel" ON "holdfast"."erasures" USING btree ("partition","channel","id");
--> statement-breakpoint
-- As in 0007, and several events of one channel may be recorded all or not at all, next to each other: those behind the
-- first one expect -2, which means the fate of the one before. They follow it in the batch, and the first one states an
-- offset (0 or more, or -1 where it may only be found). Where the first is stored, all are; where it is a duplicate, a
-- conflict or refused, none is.
CREATE OR REPLACE FUNCTION holdfast.append_carefully(
  p_partitions int[], p_channels text[], p_ids uuid[], p_types text[], p_datas text[], p_metas text[],
  p_expected bigint[], p_time bigint
) RETURNS TABLE (outcomes text, positions bigint[], offsets bigint[], "time" bigint, times bigint[])
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  -- Arrays of fixed-length elements, because plpgsql changes those in place.
  v_none bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_ids)]);
  v_outcomes "char"[] := array_fill(NULL::"char", ARRAY[cardinality(p_ids)]);
  v_stored bigint[] := v_none;
  v_positions bigint[] := v_none;
  v_offsets bigint[] := v_none;
  v_times bigint[] := v_none;
  -- At the index where a partition, a channel or an id first appears in the batch:
  v_partition_heads bigint[] := v_none;
  v_channel_heads bigint[] := v_none;
  v_stored_at bigint[] := v_none;
  -- At the index of a first one whose followers cannot be recorded with it: its own outcome.
  v_torn "char"[] := array_fill(NULL::"char", ARRAY[cardinality(p_ids)]);
  v_at bigint;
  e record;
BEGIN
  -- Of events that are recorded all or not at all, none is where an id of a follower is known already: retention may have
  -- removed those before it (refused), or it stands earlier in this batch (a conflict, to be looked at again).
  IF -2 = ANY (p_expected) THEN
    FOR e IN
      SELECT t.first_at, bool_or(known.id IS NOT NULL) AS is_known
      FROM (
        SELECT n, partition, channel, id, expected,
               max(n) FILTER (WHERE expected IS DISTINCT FROM -2) OVER (ORDER BY n) AS first_at,
               first_value(n) OVER (PARTITION BY partition, channel, id ORDER BY n) AS id_at
        FROM ROWS FROM (unnest(p_partitions), unnest(p_channels), unnest(p_ids), unnest(p_expected))
             WITH ORDINALITY AS u (partition, channel, id, expected, n)
      ) AS t
      LEFT JOIN LATERAL (
        SELECT k.id FROM holdfast.events AS k
        WHERE k.partition = t.partition AND k.id = t.id AND k.channel = t.channel
      ) AS known ON true
      WHERE t.expected = -2 AND t.first_at IS NOT NULL AND (t.id_at < t.n OR known.id IS NOT NULL)
      GROUP BY t.first_at
    LOOP
      v_torn[e.first_at] := CASE WHEN e.is_known THEN 'r' ELSE 'c' END;
    END LOOP;
  END IF;
  FOR e IN
    SELECT b.n, b.type, b.data, b.expected, b.partition_at, b.channel_at, b.id_at,
           known.offset AS known_offset, known.position AS known_position, known.time AS known_time,
           known.type = 'holdfast.erased' AS erased,
           known.type = b.type AND known.data = b.data AS same,
           known.meta IS NOT DISTINCT FROM b.meta AS same_meta,
           CASE WHEN b.n = b.partition_at THEN greatest(
             (SELECT l.position FROM holdfast.events AS l
              WHERE l.partition = b.partition ORDER BY l.position DESC LIMIT 1),
             (SELECT f.head FROM holdfast.partition_floor AS f WHERE f.partition = b.partition), 0)
           END AS partition_head,
           CASE WHEN b.n = b.channel_at THEN greatest(
             (SELECT l.offset FROM holdfast.events AS l
              WHERE l.partition = b.partition AND l.channel = b.channel ORDER BY l.offset DESC LIMIT 1),
             (SELECT f.head FROM holdfast.channel_floor AS f
              WHERE f.partition = b.partition AND f.channel = b.channel), 0)
           END AS channel_head
    FROM (
      SELECT n, partition, channel, id, type, data, meta, expected,
             first_value(n) OVER (PARTITION BY partition ORDER BY n) AS partition_at,
             first_value(n) OVER (PARTITION BY partition, channel ORDER BY n) AS channel_at,
             first_value(n) OVER (PARTITION BY partition, channel, id ORDER BY n) AS id_at
      FROM ROWS FROM (unnest(p_partitions), unnest(p_channels), unnest(p_ids), unnest(p_types), unnest(p_datas),
                      unnest(p_metas), unnest(p_expected))
           WITH ORDINALITY AS t (partition, channel, id, type, data, meta, expected, n)
    ) AS b
    LEFT JOIN LATERAL (
      SELECT k.offset, k.position, k.time, k.type, k.data, k.meta FROM holdfast.events AS k
      WHERE k.partition = b.partition AND k.id = b.id AND k.channel = b.channel
    ) AS known ON true
    ORDER BY b.n
  LOOP
    IF e.n = e.partition_at THEN
      v_partition_heads[e.n] := e.partition_head;
    END IF;
    IF e.n = e.channel_at THEN
      v_channel_heads[e.n] := e.channel_head;
    END IF;
    v_at := v_stored_at[e.id_at];
    -- The id comes first: a retry of one's own success is a duplicate, whatever offset it expects.
    IF e.known_offset IS NOT NULL THEN
      v_outcomes[e.n] := CASE WHEN e.same OR e.erased THEN 'd' ELSE 'r' END;
      v_positions[e.n] := CASE WHEN e.same AND e.same_meta AND NOT e.erased THEN e.known_position END;
      v_offsets[e.n] := e.known_offset;
      v_times[e.n] := e.known_time;
    ELSIF v_at IS NOT NULL THEN
      v_outcomes[e.n] := CASE WHEN p_types[v_at] = e.type AND p_datas[v_at] = e.data THEN 'd' ELSE 'r' END;
      v_offsets[e.n] := v_offsets[v_at];
      v_times[e.n] := p_time;
    ELSIF v_torn[e.n] IS NOT NULL THEN
      v_outcomes[e.n] := v_torn[e.n];
      v_offsets[e.n] := v_channel_heads[e.channel_at];
    ELSIF (CASE WHEN e.expected = -2 THEN e.n = 1 OR v_outcomes[e.n - 1] <> 's'
                ELSE e.expected <> v_channel_heads[e.channel_at] END) THEN
      v_outcomes[e.n] := 'c';
      v_offsets[e.n] := v_channel_heads[e.channel_at];
    ELSE
      v_outcomes[e.n] := 's';
      v_partition_heads[e.partition_at] := v_partition_heads[e.partition_at] + 1;
      v_channel_heads[e.channel_at] := v_channel_heads[e.channel_at] + 1;
      v_stored[e.n] := v_partition_heads[e.partition_at];
      v_positions[e.n] := v_stored[e.n];
      v_offsets[e.n] := v_channel_heads[e.channel_at];
      v_times[e.n] := p_time;
      v_stored_at[e.id_at] := e.n;
    END IF;
  END LOOP;
  INSERT INTO holdfast.events (partition, position, channel, "offset", id, type, data, meta, time)
  SELECT t.partition, t.position, t.channel, t.offset, t.id, t.type, t.data, t.meta, p_time
  FROM unnest(p_partitions, v_stored, p_channels, v_offsets, p_ids, p_types, p_datas, p_metas)
       AS t (partition, position, channel, "offset", id, type, data, meta)
  WHERE t.position IS NOT NULL;
  RETURN QUERY SELECT array_to_string(v_outcomes, ''), v_positions, v_offsets, p_time, v_times;
END
$$;
--> statement-breakpoint
-- As in 0007, and the channel's snapshots are gone with it.
CREATE OR REPLACE FUNCTION holdfast.erase_event(
  p_epoch text, p_partition int, p_channel text, p_offset bigint, p_actor text, p_reason text
) RETURNS TABLE (outcome text, id uuid, "position" bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_now bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
  v_epoch text;
  v_id uuid;
  v_position bigint;
  v_type text;
  v_erasure bigint;
BEGIN
  SELECT epoch INTO STRICT v_epoch FROM holdfast.ledger WHERE singleton;
  IF v_epoch <> p_epoch THEN
    RAISE EXCEPTION 'the ledger has another epoch' USING ERRCODE = 'HF001', DETAIL = v_epoch;
  END IF;
  -- Who comes second waits here, and then finds it done.
  SELECT l.id, l.position, l.type INTO v_id, v_position, v_type FROM holdfast.events AS l
  WHERE l.partition = p_partition AND l.channel = p_channel AND l.offset = p_offset FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF v_type = 'holdfast.erased' THEN
    RETURN QUERY SELECT 'already', v_id, v_position;
    RETURN;
  END IF;
  PERFORM set_config('holdfast.acting', 'erase_event', true);
  UPDATE holdfast.events AS l SET type = 'holdfast.erased', data = 'null', meta = NULL
  WHERE l.partition = p_partition AND l.channel = p_channel AND l.offset = p_offset;
  PERFORM set_config('holdfast.acting', '', true);
  INSERT INTO holdfast.erasures AS e (partition, channel, "offset", position, event_id, epoch, time)
  VALUES (p_partition, p_channel, p_offset, v_position, v_id, v_epoch, v_now)
  RETURNING e.id INTO v_erasure;
  -- What a snapshot is made of may say what the event said. Who writes one holds the lock meanwhile, and finds the erasure.
  PERFORM pg_advisory_xact_lock(1212569424, p_partition);
  DELETE FROM holdfast.snapshots AS s WHERE s.partition = p_partition AND s.channel = p_channel;
  PERFORM holdfast.blank_deliveries(v_erasure, v_erasure);
  INSERT INTO holdfast.acts (time, actor, act, target, reason)
  VALUES (v_now, p_actor, 'erase', 'event ' || p_channel || ' ' || p_offset, p_reason);
  INSERT INTO holdfast.outbox (channel, type, data, event_id)
  VALUES ('holdfast:erasures', 'EventErased', json_build_object(
    'channel', p_channel, 'offset', p_offset, 'id', v_id, 'actor', p_actor, 'reason', p_reason)::text, gen_random_uuid());
  RETURN QUERY SELECT 'erased', v_id, v_position;
END
$$;
--> statement-breakpoint
-- Keeps an aggregate's state for those who load it later. False, and nothing kept, where it may be wrong by now: the epoch
-- is another one, the channel does not go so far, or an event of the channel was erased since the state was loaded.
--   p_erasure  the last erasure of the channel that whoever loaded the state knew of, 0 for none
CREATE FUNCTION holdfast.write_snapshot(
  p_epoch text, p_partition int, p_channel text, p_aggregate text, p_version int, p_offset bigint, p_state text,
  p_erasure bigint
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  -- Shared with others who write; in a statement of its own, because the snapshot of the next one must be younger.
  PERFORM pg_advisory_xact_lock_shared(1212569424, p_partition);
  INSERT INTO holdfast.snapshots AS s (partition, channel, aggregate, version, epoch, "offset", state, time)
  SELECT p_partition, p_channel, p_aggregate, p_version, p_epoch, p_offset, p_state,
         floor(extract(epoch FROM clock_timestamp()) * 1000)
  WHERE p_epoch = (SELECT l.epoch FROM holdfast.ledger AS l)
    AND p_offset <= (SELECT e.offset FROM holdfast.events AS e
                     WHERE e.partition = p_partition AND e.channel = p_channel ORDER BY e.offset DESC LIMIT 1)
    AND p_erasure = coalesce((SELECT x.id FROM holdfast.erasures AS x
                              WHERE x.partition = p_partition AND x.channel = p_channel ORDER BY x.id DESC LIMIT 1), 0)
  ON CONFLICT (partition, channel, aggregate) DO UPDATE
  SET version = excluded.version, epoch = excluded.epoch, "offset" = excluded.offset, state = excluded.state,
      time = excluded.time
  -- An older state of the same kind replaces none; one of another version may come from the release before.
  WHERE s.offset < excluded.offset OR s.version <> excluded.version OR s.epoch <> excluded.epoch;
  RETURN FOUND;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION holdfast.write_snapshot(text, int, text, text, int, bigint, text, bigint) FROM PUBLIC;
--> statement-breakpoint
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_runtime') THEN
    RETURN;
  END IF;
  GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast.snapshots TO holdfast_runtime;
  GRANT EXECUTE ON FUNCTION holdfast.write_snapshot(text, int, text, text, int, bigint, text, bigint)
  TO holdfast_runtime;
END
$$;
