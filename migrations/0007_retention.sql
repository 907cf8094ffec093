-- Retention that keeps what is still needed, and the erasure of single events.
--
-- A channel's namespace, as the gateway finds it: what stands before the first colon; a leading `$` is not part of it.
CREATE FUNCTION holdfast.namespace_of(p_channel text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN strpos(p_channel, ':') = 0 THEN ''
            WHEN left(p_channel, 1) = '$' THEN split_part(substr(p_channel, 2), ':', 1)
            ELSE split_part(p_channel, ':', 1) END;
--> statement-breakpoint
-- Who still needs events of a channel: a row for each, who does without everything up to `position`, or up to `offset`.
--   group/<name>     what it has not settled yet. One that has not heard of the ledger's epoch may need everything
--   open deliveries  of a group or a rule: a delivery is handled again from the ledger
--   cursor/<name>    of a user, where the namespace declares that retention waits for it
-- `since`: when that has moved last, in milliseconds since 1970.
CREATE FUNCTION holdfast.needed_by(p_partition int, p_channel text)
RETURNS TABLE (holder text, "position" bigint, "offset" bigint, since bigint)
-- In plpgsql for its plans, which are made once: retention asks for each channel. Stable, so that the caller's snapshot
-- is what it sees.
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  v_namespace text := holdfast.namespace_of(p_channel);
  v_now bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
BEGIN
  RETURN QUERY
    SELECT 'group/' || g.name, CASE WHEN p.epoch = l.epoch THEN p.position ELSE 0 END, NULL::bigint, p.moved
    FROM holdfast.ledger AS l, holdfast.groups AS g, holdfast.group_partitions AS p
    WHERE p."group" = g.name AND p.partition = p_partition
      AND (g.namespaces IS NULL OR v_namespace = ANY (g.namespaces))
    UNION ALL
    SELECT 'open deliveries of ' || d.consumer, min(d.position) - 1, NULL, min(d.updated)
    FROM holdfast.deliveries AS d
    WHERE d.partition = p_partition AND d.channel = p_channel
      AND d.state IN ('waiting', 'retrying', 'queued', 'parked')
    GROUP BY d.consumer
    UNION ALL
    SELECT 'cursor/' || c.name || ' of ' || c."user", NULL, c.offset, c.moved
    FROM holdfast.ledger AS l, holdfast.cursors AS c
    WHERE c.partition = p_partition AND c.channel = p_channel AND c.holds AND c.epoch = l.epoch
      AND (c.holds_until IS NULL OR c.holds_until > v_now);
END
$$;
--> statement-breakpoint
-- Retention: removes the oldest events of a channel up to an offset, at most p_limit of them, as far as nobody needs
-- them (holdfast.needed_by), and remembers what the numbering has reached, so that neither an offset nor a position
-- is ever given twice. Takes no lock that an append waits for. Returns how many it removed; HF001 as holdfast.append.
CREATE OR REPLACE FUNCTION holdfast.remove_events(
  p_epoch text, p_partition int, p_channel text, p_through bigint, p_limit int DEFAULT 1000
) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
  v_epoch text;
  v_position bigint;
  v_offset bigint;
  v_free_position bigint;
  v_free_offset bigint;
  v_floor bigint;
  v_removed int;
BEGIN
  -- The heads and what is needed from one snapshot. Nothing above the heads is removed: an event that is committed
  -- after this statement keeps its place in the index, and with it the head. And what nobody needs now, nobody comes
  -- to need: a group's place and the deliveries it leaves behind move in one transaction, a redrive frees only what is
  -- open, and a cursor goes forward.
  SELECT epoch,
         (SELECT l.position FROM holdfast.events AS l WHERE l.partition = p_partition
          ORDER BY l.position DESC LIMIT 1),
         (SELECT l.offset FROM holdfast.events AS l WHERE l.partition = p_partition AND l.channel = p_channel
          ORDER BY l.offset DESC LIMIT 1),
         needed.position, needed.offset
  INTO STRICT v_epoch, v_position, v_offset, v_free_position, v_free_offset
  FROM holdfast.ledger,
       (SELECT min(n.position) AS position, min(n.offset) AS "offset"
        FROM holdfast.needed_by(p_partition, p_channel) AS n) AS needed
  WHERE singleton;
  IF v_epoch <> p_epoch THEN
    RAISE EXCEPTION 'the ledger has another epoch' USING ERRCODE = 'HF001', DETAIL = v_epoch;
  END IF;
  -- Nothing was there to be removed; what is committed meanwhile belongs to the next call.
  IF v_offset IS NULL THEN
    RETURN 0;
  END IF;
  PERFORM set_config('holdfast.acting', 'remove_events', true);
  WITH removed AS (
    DELETE FROM holdfast.events AS gone
    WHERE gone.partition = p_partition AND gone.channel = p_channel AND gone.offset = ANY (ARRAY(
      -- Positions of a channel ascend with its offsets. The limit comes first, so that a channel that is held back
      -- costs no more than a step.
      SELECT oldest.offset FROM (
        SELECT l.offset, l.position FROM holdfast.events AS l
        WHERE l.partition = p_partition AND l.channel = p_channel
          AND l.offset <= least(p_through, v_offset, v_free_offset)
        ORDER BY l.offset LIMIT p_limit) AS oldest
      WHERE v_free_position IS NULL OR oldest.position <= v_free_position))
    RETURNING gone.offset
  )
  SELECT count(*), max("offset") INTO v_removed, v_floor FROM removed;
  IF v_removed > 0 THEN
    INSERT INTO holdfast.channel_floor AS f (partition, channel, floor, head)
    VALUES (p_partition, p_channel, v_floor, v_offset)
    ON CONFLICT (partition, channel) DO UPDATE
    SET floor = greatest(f.floor, excluded.floor), head = greatest(f.head, excluded.head);
    INSERT INTO holdfast.partition_floor AS f (partition, head) VALUES (p_partition, v_position)
    ON CONFLICT (partition) DO UPDATE SET head = greatest(f.head, excluded.head);
  END IF;
  PERFORM set_config('holdfast.acting', '', true);
  RETURN v_removed;
END
$$;
--> statement-breakpoint
DROP TRIGGER never ON holdfast.events;
--> statement-breakpoint
CREATE TRIGGER only_erasure BEFORE UPDATE ON holdfast.events
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change('erase_event');
--> statement-breakpoint
CREATE TRIGGER never BEFORE TRUNCATE ON holdfast.events
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_always();
--> statement-breakpoint
-- Takes the type, and the words of errors, out of the deliveries of events that were erased under ids from p_from to
-- p_through; what a person has said in discarding one stays. Waits for nobody: a row that is being handled is left, and is
-- gone, or written anew, when that ends.
CREATE FUNCTION holdfast.blank_deliveries(p_from bigint, p_through bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  WITH telling AS (
    SELECT d.id FROM holdfast.erasures AS e, holdfast.deliveries AS d
    WHERE e.id BETWEEN p_from AND p_through AND d.event_id = e.event_id AND d.channel = e.channel
      AND (d.event_type <> 'holdfast.erased' OR d.state <> 'discarded' AND d.reason <> 'the event was erased')
    FOR UPDATE OF d SKIP LOCKED
  )
  UPDATE holdfast.deliveries AS d
  SET event_type = 'holdfast.erased',
      reason = CASE WHEN d.state = 'discarded' OR d.reason IS NULL THEN d.reason ELSE 'the event was erased' END
  FROM telling AS t WHERE d.id = t.id;
END
$$;
--> statement-breakpoint
-- Takes away what an event says. Its id, offset, position and time stay, so that no numbering gets a hole; its data is
-- null, its type `holdfast.erased`, its meta gone, and so are the words of errors that may quote it. The act is
-- recorded in holdfast.acts and, as an event, in `holdfast:erasures`; a row of holdfast.erasures asks the nodes to
-- remove the copies in Redis.
-- Returns `erased`, or `already` where that had happened before and nothing was changed; no row where the ledger has
-- no such event. HF001 as holdfast.append.
CREATE FUNCTION holdfast.erase_event(
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
-- As in 0001, but that an append of an erased event is a duplicate, whatever it says: told of a conflict, its sender
-- would record it again under another id. It gets no position, so that nobody announces what it said.
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
  v_at bigint;
  e record;
BEGIN
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
-- What has become of the event at a place: a row for each group of its namespace and each rule with a delivery of it,
-- one row without a consumer where there is none, no row where the channel never got so far.
--   ledger  recorded, erased, or removed (by retention)
--   state   a delivery's state; else settled (done, or nothing to do), pending (not reached yet), or paused (not
--           reached, and the group is stopped)
CREATE FUNCTION holdfast.event_story_at(p_partition int, p_channel text, p_offset bigint)
RETURNS TABLE (
  event_id uuid, channel text, "offset" bigint, type text, partition int, "position" bigint, recorded timestamptz,
  ledger text, consumer text, state text, delivery bigint, attempts int, reason text, due timestamptz,
  updated timestamptz, actor text
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH place AS (
    SELECT coalesce(e.id, d.event_id) AS id, coalesce(e.type, d.event_type) AS type,
           coalesce(e.position, d.position) AS position, to_timestamp(e.time / 1000.0) AS recorded,
           CASE WHEN e.type = 'holdfast.erased' THEN 'erased' WHEN e.id IS NOT NULL THEN 'recorded' ELSE 'removed' END
             AS ledger
    FROM (SELECT) AS one
    LEFT JOIN holdfast.events AS e
      ON e.partition = p_partition AND e.channel = p_channel AND e.offset = p_offset
    LEFT JOIN LATERAL (
      SELECT r.event_id, r.event_type, r.position FROM holdfast.deliveries AS r
      WHERE e.id IS NULL AND r.partition = p_partition AND r.channel = p_channel AND r.offset = p_offset LIMIT 1
    ) AS d ON true
    WHERE e.id IS NOT NULL OR d.event_id IS NOT NULL OR EXISTS (
      SELECT FROM holdfast.channel_floor AS f
      WHERE f.partition = p_partition AND f.channel = p_channel AND f.floor >= p_offset AND p_offset > 0)
  )
  SELECT place.id, p_channel, p_offset, place.type, p_partition, place.position, place.recorded, place.ledger,
         c.consumer, coalesce(d.state, c.state), d.id, d.attempts, d.reason,
         CASE WHEN d.due > 0 THEN to_timestamp(d.due / 1000.0) END, to_timestamp(d.updated / 1000.0), d.actor
  FROM place
  LEFT JOIN LATERAL (
    SELECT 'group/' || g.name AS consumer,
           CASE WHEN g.reached AND g.same_epoch THEN 'settled' WHEN g.paused THEN 'paused' ELSE 'pending' END AS state
    FROM (
      SELECT n.name, n.paused, p.epoch = l.epoch AS same_epoch,
             place.position <= p.position OR EXISTS (
               SELECT FROM holdfast.group_settled AS s
               WHERE s."group" = n.name AND s.partition = p_partition AND s.position = place.position) AS reached
      FROM holdfast.ledger AS l, holdfast.groups AS n, holdfast.group_partitions AS p
      WHERE p."group" = n.name AND p.partition = p_partition
        AND (n.namespaces IS NULL OR holdfast.namespace_of(p_channel) = ANY (n.namespaces))
    ) AS g
    WHERE place.position IS NOT NULL
    UNION
    SELECT r.consumer, NULL FROM holdfast.deliveries AS r
    WHERE r.event_id = place.id AND r.channel = p_channel AND NOT EXISTS (
      SELECT FROM holdfast.groups AS n WHERE 'group/' || n.name = r.consumer
        AND (n.namespaces IS NULL OR holdfast.namespace_of(p_channel) = ANY (n.namespaces)))
  ) AS c ON true
  LEFT JOIN holdfast.deliveries AS d
    ON d.event_id = place.id AND d.channel = p_channel AND d.consumer = c.consumer
  ORDER BY c.consumer
$$;
--> statement-breakpoint
-- The same by a channel and an offset, for people who ask in SQL; partitions are asked one by one through an index.
CREATE FUNCTION holdfast.event_story(p_channel text, p_offset bigint)
RETURNS TABLE (
  event_id uuid, channel text, "offset" bigint, type text, partition int, "position" bigint, recorded timestamptz,
  ledger text, consumer text, state text, delivery bigint, attempts int, reason text, due timestamptz,
  updated timestamptz, actor text
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.* FROM holdfast.ledger AS l, generate_series(0, l.partitions - 1) AS p,
       LATERAL holdfast.event_story_at(p, p_channel, p_offset) AS s
  WHERE EXISTS (SELECT FROM holdfast.events AS e
                WHERE e.partition = p AND e.channel = p_channel AND e.offset = p_offset)
     OR EXISTS (SELECT FROM holdfast.channel_floor AS f WHERE f.partition = p AND f.channel = p_channel)
$$;
--> statement-breakpoint
-- And by an event's id, which each channel that has it answers for.
CREATE FUNCTION holdfast.event_story(p_event uuid)
RETURNS TABLE (
  event_id uuid, channel text, "offset" bigint, type text, partition int, "position" bigint, recorded timestamptz,
  ledger text, consumer text, state text, delivery bigint, attempts int, reason text, due timestamptz,
  updated timestamptz, actor text
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.* FROM (
    SELECT e.partition, e.channel, e.offset FROM holdfast.ledger AS l, generate_series(0, l.partitions - 1) AS p,
         LATERAL (SELECT * FROM holdfast.events AS k WHERE k.partition = p AND k.id = p_event) AS e
    UNION
    SELECT d.partition, d.channel, d.offset FROM holdfast.deliveries AS d WHERE d.event_id = p_event
  ) AS place, LATERAL holdfast.event_story_at(place.partition, place.channel, place.offset) AS s
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION
  holdfast.namespace_of(text), holdfast.needed_by(int, text),
  holdfast.blank_deliveries(bigint, bigint), holdfast.erase_event(text, int, text, bigint, text, text),
  holdfast.event_story_at(int, text, bigint), holdfast.event_story(text, bigint), holdfast.event_story(uuid)
FROM PUBLIC;
