-- The ledger's one row, with an epoch that no other ledger has. The session of the first migration may set
-- `holdfast.partitions`; afterwards the number is fixed, because events lie where it put them.
INSERT INTO holdfast.ledger (epoch, partitions)
SELECT left(replace(gen_random_uuid()::text, '-', ''), 12),
       coalesce(nullif(current_setting('holdfast.partitions', true), '')::int, 64);
--> statement-breakpoint
-- The path of a batch that meets a duplicate or states expected offsets: event by event, in order. Only
-- holdfast.append calls it, with the partitions locked; arguments and result are described there.
CREATE FUNCTION holdfast.append_carefully(
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
  v_at bigint;
  e record;
BEGIN
  FOR e IN
    SELECT b.n, b.type, b.data, b.expected, b.partition_at, b.channel_at, b.id_at,
           known.offset AS known_offset, known.position AS known_position, known.time AS known_time,
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
      v_outcomes[e.n] := CASE WHEN e.same THEN 'd' ELSE 'r' END;
      v_positions[e.n] := CASE WHEN e.same AND e.same_meta THEN e.known_position END;
      v_offsets[e.n] := e.known_offset;
      v_times[e.n] := e.known_time;
    ELSIF v_at IS NOT NULL THEN
      v_outcomes[e.n] := CASE WHEN p_types[v_at] = e.type AND p_datas[v_at] = e.data THEN 'd' ELSE 'r' END;
      v_offsets[e.n] := v_offsets[v_at];
      v_times[e.n] := p_time;
    ELSIF e.expected <> v_channel_heads[e.channel_at] THEN
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
-- Numbers and stores a batch: event i is made of the i-th element of each array. To be called alone in an
-- autocommit statement, so that no client ever holds the locks while it thinks.
--   p_epoch            the epoch the caller believes in
--   p_position_hints   a position each event's partition is known to have reached, 0 for none; and
--   p_offset_hints     the same of its channel. They spare the scan of an index page and decide nothing.
--   p_expected         null, or per event the head its channel must have, null for any
-- Returns one row of arrays, in the order of the batch.
--   outcomes           a letter per event
--     s  stored, at position and offset, at `time`
--     d  duplicate: an event with this id, type and data is there, at that offset. Its position is given where its
--        meta is the same too, null otherwise
--     c  conflict: the head is not the expected one; offset is the head
--     r  refused: the id is taken in this channel by an event with another type or data, at that offset
--   time               milliseconds since 1970, of every stored event
--   times              null where all are stored, else per event: when it was stored, or the one it duplicates
-- Raises HF001 where the ledger has another epoch (DETAIL names it), HF002 where the session cannot keep the
-- promise of a commit.
CREATE FUNCTION holdfast.append(
  p_epoch text, p_partitions int[], p_channels text[], p_ids uuid[], p_types text[], p_datas text[],
  p_metas text[], p_position_hints bigint[], p_offset_hints bigint[], p_expected bigint[] DEFAULT NULL
) RETURNS TABLE (outcomes text, positions bigint[], offsets bigint[], "time" bigint, times bigint[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Plans are made once and kept. Made on an empty table they would scan it, when it has grown too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_epoch text;
  v_time bigint;
  v_positions bigint[];
  v_offsets bigint[];
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed'
     OR current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    RAISE EXCEPTION 'an append needs read committed and synchronous_commit = on, got % and %',
      current_setting('transaction_isolation'), current_setting('synchronous_commit') USING ERRCODE = 'HF002';
  END IF;

  -- Held until the commit, so positions are dense and are committed in their order. In ascending order, because
  -- batches share partitions; in a statement of its own, because the snapshot of the next one must be younger.
  PERFORM pg_advisory_xact_lock(1212566596, p)
  FROM (SELECT DISTINCT p FROM unnest(p_partitions) AS p ORDER BY p) AS ascending;

  SELECT epoch INTO STRICT v_epoch FROM holdfast.ledger WHERE singleton;
  IF v_epoch <> p_epoch THEN
    RAISE EXCEPTION 'the ledger has another epoch' USING ERRCODE = 'HF001', DETAIL = v_epoch;
  END IF;
  v_time := floor(extract(epoch FROM clock_timestamp()) * 1000);
  PERFORM set_config('holdfast.acting', 'append', true);

  IF p_expected IS NULL THEN
    -- All windows want the one order (partition, channel, n), so the batch is sorted once; within a batch a
    -- partition's positions follow it. A head is looked for at the first event of its kind only.
    SELECT array_agg(position ORDER BY n), array_agg("offset" ORDER BY n) INTO v_positions, v_offsets
    FROM (
      SELECT n, first_value(partition_head) OVER in_partition + nth_in_partition AS position,
             first_value(channel_head) OVER in_channel + nth_in_channel AS "offset"
      FROM (
        SELECT b.n, b.partition, b.channel, b.nth_in_partition, b.nth_in_channel,
               CASE WHEN b.nth_in_partition = 1 THEN greatest(
                 coalesce(
                   (SELECT l.position FROM holdfast.events AS l
                    WHERE l.partition = b.partition AND l.position >= b.position_hint
                    ORDER BY l.position DESC LIMIT 1),
                   CASE WHEN b.position_hint > 0 THEN
                     (SELECT l.position FROM holdfast.events AS l
                      WHERE l.partition = b.partition ORDER BY l.position DESC LIMIT 1) END),
                 (SELECT f.head FROM holdfast.partition_floor AS f WHERE f.partition = b.partition), 0)
               END AS partition_head,
               -- Retention removes a channel's oldest events, so its last one knows the head while there is one.
               CASE WHEN b.nth_in_channel = 1 THEN coalesce(
                 (SELECT l.offset FROM holdfast.events AS l
                  WHERE l.partition = b.partition AND l.channel = b.channel AND l.offset >= b.offset_hint
                  ORDER BY l.offset DESC LIMIT 1),
                 CASE WHEN b.offset_hint > 0 THEN
                   (SELECT l.offset FROM holdfast.events AS l
                    WHERE l.partition = b.partition AND l.channel = b.channel
                    ORDER BY l.offset DESC LIMIT 1) END,
                 (SELECT f.head FROM holdfast.channel_floor AS f
                  WHERE f.partition = b.partition AND f.channel = b.channel), 0)
               END AS channel_head
        FROM (
          SELECT n, partition, channel, position_hint, offset_hint,
                 row_number() OVER (PARTITION BY partition ORDER BY channel, n) AS nth_in_partition,
                 row_number() OVER (PARTITION BY partition, channel ORDER BY n) AS nth_in_channel
          FROM unnest(p_partitions, p_channels, p_position_hints, p_offset_hints)
               WITH ORDINALITY AS t (partition, channel, position_hint, offset_hint, n)
        ) AS b
        OFFSET 0 -- Else the lookups become part of the windows' functions, which repeat them for each event.
      ) AS headed
      WINDOW in_partition AS (PARTITION BY partition ORDER BY channel, n),
             in_channel AS (PARTITION BY partition, channel ORDER BY n)
    ) AS numbered;
    BEGIN
      INSERT INTO holdfast.events (partition, position, channel, "offset", id, type, data, meta, time)
      SELECT t.partition, t.position, t.channel, t.offset, t.id, t.type, t.data, t.meta, v_time
      FROM unnest(p_partitions, v_positions, p_channels, v_offsets, p_ids, p_types, p_datas, p_metas)
           AS t (partition, position, channel, "offset", id, type, data, meta);
      PERFORM set_config('holdfast.acting', '', true);
      RETURN QUERY SELECT repeat('s', cardinality(p_ids)), v_positions, v_offsets, v_time, NULL::bigint[];
      RETURN;
    EXCEPTION WHEN unique_violation THEN
      NULL; -- Some id is known already, or twice in the batch. The locks outlive this block.
    END;
  END IF;
  RETURN QUERY SELECT * FROM holdfast.append_carefully(
    p_partitions, p_channels, p_ids, p_types, p_datas, p_metas, p_expected, v_time);
  PERFORM set_config('holdfast.acting', '', true);
END
$$;
