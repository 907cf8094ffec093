-- The last position that a partition's numbering has reached; 0 where it never had an event.
CREATE FUNCTION holdfast.partition_head(p_partition int) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT greatest(
    (SELECT l.position FROM holdfast.events AS l WHERE l.partition = p_partition ORDER BY l.position DESC LIMIT 1),
    (SELECT f.head FROM holdfast.partition_floor AS f WHERE f.partition = p_partition), 0)
$$;
--> statement-breakpoint
-- Takes a group's places over into the ledger's present epoch. What was settled or owed above the head has been lost
-- with the old numbering; events that get those positions now are others.
CREATE FUNCTION holdfast.adopt_epoch(p_group text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- Plans are made once and kept. Made on an empty table they would scan it, when it has grown too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_partition int;
  v_epoch text;
  v_head bigint;
BEGIN
  -- Partition by partition, each from its head on: appends may be waiting for this, whatever has been settled below.
  FOR v_partition, v_epoch, v_head IN
    SELECT g.partition, l.epoch, holdfast.partition_head(g.partition)
    FROM holdfast.group_partitions AS g, holdfast.ledger AS l
    WHERE g."group" = p_group AND g.epoch <> l.epoch
  LOOP
    DELETE FROM holdfast.group_settled AS s
    WHERE s."group" = p_group AND s.partition = v_partition AND s.position > v_head;
    DELETE FROM holdfast.deliveries AS d
    WHERE d.consumer = 'group/' || p_group AND d.partition = v_partition AND d.position > v_head;
    UPDATE holdfast.group_partitions AS g
    SET epoch = v_epoch, position = least(g.position, v_head), fence = g.fence + 1
    WHERE g."group" = p_group AND g.partition = v_partition;
  END LOOP;
END
$$;
--> statement-breakpoint
-- Makes a group known, with a place in every partition. Calling it again changes the namespaces only.
--   p_start  'beginning': everything the ledger has; 'now': what is recorded after this
-- Raises HF004 where the group is there in the other mode.
CREATE FUNCTION holdfast.declare_group(p_group text, p_mode text, p_namespaces text[], p_start text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_mode text;
BEGIN
  PERFORM pg_advisory_xact_lock(1212566597, hashtext(p_group));
  INSERT INTO holdfast.groups AS g (name, mode, namespaces) VALUES (p_group, p_mode, p_namespaces)
  ON CONFLICT (name) DO UPDATE SET namespaces = excluded.namespaces
  RETURNING g.mode INTO v_mode;
  IF v_mode <> p_mode THEN
    RAISE EXCEPTION 'the group % is %', p_group, v_mode USING ERRCODE = 'HF004', DETAIL = v_mode;
  END IF;
  INSERT INTO holdfast.group_partitions ("group", partition, epoch, position, moved)
  SELECT p_group, p, l.epoch, CASE WHEN p_start = 'now' THEN holdfast.partition_head(p) ELSE 0 END,
         floor(extract(epoch FROM clock_timestamp()) * 1000)
  FROM holdfast.ledger AS l, generate_series(0, l.partitions - 1) AS p
  -- Not by a conflict, which would wait for places that are being written.
  WHERE NOT EXISTS (SELECT FROM holdfast.group_partitions AS g WHERE g."group" = p_group AND g.partition = p);
END
$$;
--> statement-breakpoint
-- A member's sign of life, to be given several times within a lease: keeps its partitions, takes free ones up to
-- its fair share, and says which it should let go of because another has too few. A lease is the member's own row:
-- so a tick that changes nothing writes one row, however many partitions there are.
--   p_lease_ms  how long a member that is not heard of keeps its partitions
--   p_let_go    partitions it has finished with
-- Returns a row per partition it holds now: `position` and `fence` as they are, `surplus` where it should finish what is in
-- hand and let go. Raises HF005 where the group is not there (any more).
CREATE FUNCTION holdfast.tick_group(p_group text, p_member text, p_node text, p_lease_ms int, p_let_go int[])
RETURNS TABLE ("partition" int, epoch text, "position" bigint, fence bigint, surplus boolean, paused boolean)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_paused boolean;
  v_share int;
  v_held int;
BEGIN
  -- Nobody waits for the disk: a lost tick is a late one, and a lost fence has settled nothing, because a settlement
  -- that reaches the disk takes everything before it along.
  PERFORM set_config('synchronous_commit', 'off', true);
  -- One member of a group after the other, in a statement of its own: the next one's snapshot has to be younger.
  PERFORM pg_advisory_xact_lock(1212566597, hashtext(p_group));
  SELECT g.paused INTO v_paused FROM holdfast.groups AS g WHERE g.name = p_group;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no group %', p_group USING ERRCODE = 'HF005';
  END IF;
  v_now := clock_timestamp();
  INSERT INTO holdfast.group_members AS m ("group", member, node, seen) VALUES (p_group, p_member, p_node, v_now)
  ON CONFLICT ("group", member) DO UPDATE SET seen = excluded.seen;
  DELETE FROM holdfast.group_members AS m
  WHERE m."group" = p_group AND m.seen < v_now - make_interval(secs => p_lease_ms / 1000.0);
  IF EXISTS (SELECT FROM holdfast.group_partitions AS g, holdfast.ledger AS l
             WHERE g."group" = p_group AND g.epoch <> l.epoch) THEN
    PERFORM holdfast.adopt_epoch(p_group);
  END IF;
  -- Rows that are being written are passed over: a process that was lost between its settlement and the commit may hold
  -- one until Postgres misses it, and no lease could be kept meanwhile. A later tick sees to them.
  UPDATE holdfast.group_partitions AS g SET holder = NULL
  WHERE g."group" = p_group AND g.partition = ANY (ARRAY(
    SELECT f.partition FROM holdfast.group_partitions AS f
    WHERE f."group" = p_group AND f.holder IS NOT NULL
      AND (f.holder = p_member AND f.partition = ANY (p_let_go)
           OR NOT EXISTS (SELECT FROM holdfast.group_members AS m WHERE m."group" = p_group AND m.member = f.holder))
    FOR NO KEY UPDATE SKIP LOCKED));
  SELECT count(*) FILTER (WHERE g.holder = p_member),
         ceil(count(*)::numeric / (SELECT count(*) FROM holdfast.group_members AS m WHERE m."group" = p_group))
  INTO v_held, v_share FROM holdfast.group_partitions AS g WHERE g."group" = p_group;
  UPDATE holdfast.group_partitions AS g SET holder = p_member, fence = g.fence + 1
  WHERE g."group" = p_group AND g.partition = ANY (ARRAY(
    SELECT f.partition FROM holdfast.group_partitions AS f
    WHERE f."group" = p_group AND f.holder IS NULL AND NOT f.partition = ANY (p_let_go)
    ORDER BY f.partition LIMIT greatest(0, v_share - v_held)
    FOR NO KEY UPDATE SKIP LOCKED));
  RETURN QUERY
    SELECT g.partition, g.epoch, g.position, g.fence, row_number() OVER (ORDER BY g.partition) > v_share, v_paused
    FROM holdfast.group_partitions AS g
    WHERE g."group" = p_group AND g.holder = p_member
    ORDER BY g.partition;
END
$$;
--> statement-breakpoint
-- A member's farewell: its partitions are free at once.
CREATE FUNCTION holdfast.leave_group(p_group text, p_member text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(1212566597, hashtext(p_group));
  -- One that is being written is freed by the next member's tick.
  UPDATE holdfast.group_partitions AS g SET holder = NULL
  WHERE g."group" = p_group AND g.partition = ANY (ARRAY(
    SELECT f.partition FROM holdfast.group_partitions AS f
    WHERE f."group" = p_group AND f.holder = p_member
    FOR NO KEY UPDATE SKIP LOCKED));
  DELETE FROM holdfast.group_members AS m WHERE m."group" = p_group AND m.member = p_member;
END
$$;
--> statement-breakpoint
-- Takes a group away with everything it has: its places, what it has settled, its members. What it still owes is discarded.
-- Its workers hear of it with their next tick. Returns how many deliveries that were, null where there is no such group.
-- Raises 55P03 where handlers are at work for the group and do not end soon.
CREATE FUNCTION holdfast.remove_group(p_group text, p_actor text, p_reason text) RETURNS int
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '3s'
AS $$
#variable_conflict use_column
DECLARE
  v_now bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
  v_discarded int;
BEGIN
  -- Waits for those that have taken positions and not committed yet: the rows they write could not be seen here, and would
  -- stay, as settled by a group of the same name that is made later.
  PERFORM pg_advisory_xact_lock(1212566600, hashtext(p_group));
  PERFORM pg_advisory_xact_lock(1212566597, hashtext(p_group));
  DELETE FROM holdfast.groups AS g WHERE g.name = p_group;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  DELETE FROM holdfast.group_partitions AS g WHERE g."group" = p_group;
  DELETE FROM holdfast.group_settled AS s WHERE s."group" = p_group;
  DELETE FROM holdfast.group_members AS m WHERE m."group" = p_group;
  UPDATE holdfast.deliveries AS d
  SET state = 'discarded', reason = 'the group was removed', actor = p_actor, updated = v_now
  WHERE d.consumer = 'group/' || p_group AND d.state IN ('waiting', 'retrying', 'queued', 'parked');
  GET DIAGNOSTICS v_discarded = ROW_COUNT;
  INSERT INTO holdfast.acts (time, actor, act, target, reason)
  VALUES (v_now, p_actor, 'remove_group', 'group ' || p_group, p_reason);
  RETURN v_discarded;
END
$$;
--> statement-breakpoint
-- Moves an ordered group's checkpoint, in the transaction of the effects of what lies between: at least once in, once in
-- effect. Never over the ledger's head: a mirror that is ahead of the ledger tells of events that are none, and others
-- will get their positions. Raises HF006 where the place is another member's, or not where the caller believes, HF007
-- where the ledger has not come so far.
CREATE FUNCTION holdfast.move_checkpoint(
  p_group text, p_partition int, p_epoch text, p_fence bigint, p_from bigint, p_to bigint
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- Plans are made once and kept. Made on an empty table they would scan it, when it has grown too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  IF p_to > holdfast.partition_head(p_partition) THEN
    RAISE EXCEPTION 'the ledger has no position % in partition %', p_to, p_partition USING ERRCODE = 'HF007';
  END IF;
  UPDATE holdfast.group_partitions AS g
  SET position = p_to, moved = floor(extract(epoch FROM clock_timestamp()) * 1000)
  WHERE g."group" = p_group AND g.partition = p_partition AND g.epoch = p_epoch AND g.fence = p_fence
    AND g.position = p_from AND EXISTS (SELECT FROM holdfast.ledger AS l WHERE l.epoch = p_epoch);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the place of % in partition % is another member''s', p_group, p_partition USING ERRCODE = 'HF006';
  END IF;
END
$$;
--> statement-breakpoint
-- Settles open deliveries of an ordered group, in the transaction of their effects. Raises HF006 where the place is
-- another member's, or somebody has decided about one of them meanwhile.
CREATE FUNCTION holdfast.end_deliveries(
  p_group text, p_partition int, p_epoch text, p_fence bigint, p_positions bigint[]
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_ended int;
BEGIN
  -- Shared, so that until the commit nobody can be given the place, and with it these rows.
  PERFORM FROM holdfast.group_partitions AS g
  WHERE g."group" = p_group AND g.partition = p_partition AND g.epoch = p_epoch AND g.fence = p_fence
  FOR SHARE;
  IF FOUND THEN
    DELETE FROM holdfast.deliveries AS d
    WHERE d.consumer = 'group/' || p_group AND d.partition = p_partition AND d.position = ANY (p_positions)
      AND d.state IN ('waiting', 'retrying');
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    IF v_ended = cardinality(p_positions) THEN
      RETURN;
    END IF;
  END IF;
  RAISE EXCEPTION 'deliveries of % in partition % are another''s', p_group, p_partition USING ERRCODE = 'HF006';
END
$$;
--> statement-breakpoint
-- Writes how the handling of an ordered group's open delivery has ended once more. Raises HF006 as end_deliveries.
CREATE FUNCTION holdfast.owe_again(
  p_group text, p_partition int, p_epoch text, p_fence bigint, p_position bigint,
  p_state text, p_attempts int, p_reason text, p_due_in_ms bigint
) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_now bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
BEGIN
  PERFORM FROM holdfast.group_partitions AS g
  WHERE g."group" = p_group AND g.partition = p_partition AND g.epoch = p_epoch AND g.fence = p_fence
  FOR SHARE;
  IF FOUND THEN
    UPDATE holdfast.deliveries AS d
    SET state = p_state, attempts = p_attempts, reason = p_reason, updated = v_now,
        due = CASE WHEN p_due_in_ms > 0 THEN v_now + p_due_in_ms ELSE 0 END
    WHERE d.consumer = 'group/' || p_group AND d.partition = p_partition AND d.position = p_position
      AND d.state IN ('waiting', 'retrying');
    IF FOUND THEN
      RETURN;
    END IF;
  END IF;
  RAISE EXCEPTION 'a delivery of % in partition % is another''s', p_group, p_partition USING ERRCODE = 'HF006';
END
$$;
--> statement-breakpoint
-- Settles positions of a competing group, in the transaction of their effects and before them: who comes second
-- waits here until the first one's fate is known. Returns those that nobody has settled before. Positions above the
-- ledger's head are never settled: a mirror that is ahead of the ledger tells of events that are none.
--   p_patience_ms  how long to wait for another's transaction, before 55P03 is raised
-- Raises HF001 as holdfast.append, HF002 where the transaction would not see who was first, HF005 where the group is
-- not there (any more).
CREATE FUNCTION holdfast.take_positions(
  p_group text, p_epoch text, p_partition int, p_positions bigint[], p_patience_ms int
) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- Plans are made once and kept. Made on an empty table they would scan it, when it has grown too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
-- Named here, what is set below ends with the function.
SET lock_timeout = 0
AS $$
#variable_conflict use_column
DECLARE
  v_taken bigint[];
  v_floor bigint;
  v_epoch text;
BEGIN
  -- With one snapshot for the whole transaction, a row that a raised floor has replaced would be neither seen nor in
  -- the way.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'taking positions needs read committed, got %', current_setting('transaction_isolation')
      USING ERRCODE = 'HF002';
  END IF;
  PERFORM set_config('lock_timeout', p_patience_ms::text, true);
  -- Until the commit the group can't be removed.
  PERFORM pg_advisory_xact_lock_shared(1212566600, hashtext(p_group));
  WITH taken AS (
    INSERT INTO holdfast.group_settled ("group", partition, position)
    SELECT p_group, p_partition, p FROM unnest(p_positions) AS p
    WHERE p <= (SELECT holdfast.partition_head(p_partition))
    -- In one order for all: two that want the same ones can't wait for each other.
    ORDER BY p
    ON CONFLICT ("group", partition, position) DO NOTHING
    RETURNING position
  )
  SELECT array_agg(t.position ORDER BY t.position) INTO v_taken FROM taken AS t;
  -- Only now, in a younger snapshot: the floor may just have risen over a row that was here a moment ago.
  SELECT g.position, g.epoch INTO v_floor, v_epoch FROM holdfast.group_partitions AS g
  WHERE g."group" = p_group AND g.partition = p_partition;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no group %', p_group USING ERRCODE = 'HF005';
  END IF;
  IF v_epoch <> p_epoch THEN
    RAISE EXCEPTION 'the group % is in another epoch', p_group USING ERRCODE = 'HF001', DETAIL = v_epoch;
  END IF;
  DELETE FROM holdfast.group_settled AS s
  WHERE s."group" = p_group AND s.partition = p_partition AND s.position = ANY (v_taken) AND s.position <= v_floor;
  RETURN ARRAY(SELECT p FROM unnest(v_taken) AS p WHERE p > v_floor ORDER BY p);
END
$$;
--> statement-breakpoint
-- Raises a competing group's floor over what is settled directly above it. Returns the floor; null where the fence is
-- another member's, or the row is being written at the moment. It waits for nobody, so that one call may raise several
-- partitions while ticks go over the same rows.
CREATE FUNCTION holdfast.raise_floor(p_group text, p_partition int, p_fence bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_floor bigint;
  v_raised bigint;
BEGIN
  -- Nobody waits for the disk: a raise that is lost leaves the rows it would have replaced.
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT g.position INTO v_floor FROM holdfast.group_partitions AS g
  WHERE g."group" = p_group AND g.partition = p_partition AND g.fence = p_fence
  FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF NOT EXISTS (SELECT FROM holdfast.group_settled AS s
                 WHERE s."group" = p_group AND s.partition = p_partition AND s.position = v_floor + 1) THEN
    RETURN v_floor;
  END IF;
  SELECT max(run.position) INTO v_raised FROM (
    SELECT s.position, row_number() OVER (ORDER BY s.position) AS n FROM holdfast.group_settled AS s
    WHERE s."group" = p_group AND s.partition = p_partition AND s.position > v_floor
    ORDER BY s.position LIMIT 10000
  ) AS run WHERE run.position = v_floor + run.n;
  UPDATE holdfast.group_partitions AS g
  SET position = v_raised, moved = floor(extract(epoch FROM clock_timestamp()) * 1000)
  WHERE g."group" = p_group AND g.partition = p_partition;
  -- From the old floor on: below it lie only rows that are dead and perhaps not yet swept away.
  DELETE FROM holdfast.group_settled AS s
  WHERE s."group" = p_group AND s.partition = p_partition AND s.position > v_floor AND s.position <= v_raised;
  RETURN v_raised;
END
$$;
--> statement-breakpoint
-- What a competing group has not settled of [p_from, p_to] of a partition, at most p_limit of it, in order. `id` is null
-- where the ledger has no such event any more; so p_to must be no higher than a head that was read before.
CREATE FUNCTION holdfast.unsettled_events(
  p_group text, p_partition int, p_from bigint, p_to bigint, p_limit int
) RETURNS TABLE (
  "position" bigint, channel text, "offset" bigint, id uuid, type text, data text, meta text, "time" bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  -- Floor and rows from one snapshot: a row that is no longer there is below the floor.
  RETURN QUERY
    SELECT u.position, e.channel, e.offset, e.id, e.type, e.data, e.meta, e.time
    FROM (
      SELECT p AS position
      FROM holdfast.group_partitions AS g, generate_series(greatest(p_from, g.position + 1), p_to) AS p
      WHERE g."group" = p_group AND g.partition = p_partition AND NOT EXISTS (
        SELECT FROM holdfast.group_settled AS s
        WHERE s."group" = p_group AND s.partition = p_partition AND s.position = p)
      ORDER BY p LIMIT p_limit
    ) AS u
    LEFT JOIN holdfast.events AS e ON e.partition = p_partition AND e.position = u.position
    ORDER BY u.position;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION
  holdfast.partition_head(int), holdfast.adopt_epoch(text), holdfast.declare_group(text, text, text[], text),
  holdfast.tick_group(text, text, text, int, int[]), holdfast.leave_group(text, text),
  holdfast.remove_group(text, text, text),
  holdfast.move_checkpoint(text, int, text, bigint, bigint, bigint),
  holdfast.end_deliveries(text, int, text, bigint, bigint[]),
  holdfast.owe_again(text, int, text, bigint, bigint, text, int, text, bigint),
  holdfast.take_positions(text, text, int, bigint[], int), holdfast.raise_floor(text, int, bigint),
  holdfast.unsettled_events(text, int, bigint, bigint, int)
FROM PUBLIC;
--> statement-breakpoint
-- Settles the delivery of a rule, in the transaction of its handler's effects. Raises HF006 where it is not the one
-- whose handling began with p_attempts: somebody else has settled it, or decided about it.
CREATE FUNCTION holdfast.end_job(p_rule text, p_partition int, p_position bigint, p_event uuid, p_attempts int) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  UPDATE holdfast.deliveries AS d
  SET state = 'done', attempts = p_attempts + 1, reason = NULL,
      updated = floor(extract(epoch FROM clock_timestamp()) * 1000)
  WHERE d.consumer = 'rule/' || p_rule AND d.partition = p_partition AND d.position = p_position
    AND d.event_id = p_event AND d.state = 'queued' AND d.attempts = p_attempts;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the delivery of % at % in partition % is another''s', p_rule, p_position, p_partition
      USING ERRCODE = 'HF006';
  END IF;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION holdfast.end_job(text, int, bigint, uuid, int) FROM PUBLIC;
--> statement-breakpoint
-- As before, and takes every group over at once: while no append can be under way, so that a head is what the old
-- numbering left, and nothing of the new one is taken for settled. What was owed to events above it is owed no more.
CREATE OR REPLACE FUNCTION holdfast.new_epoch() RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
  v_epoch text;
  v_consumer text;
  v_partition int;
  v_head bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(1212566596, p)
  FROM (SELECT p FROM holdfast.ledger AS l, generate_series(0, l.partitions - 1) AS p ORDER BY p) AS ascending;
  PERFORM set_config('holdfast.acting', 'new_epoch', true);
  UPDATE holdfast.ledger SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 12) RETURNING epoch INTO v_epoch;
  PERFORM set_config('holdfast.acting', '', true);
  PERFORM holdfast.adopt_epoch(g.name) FROM holdfast.groups AS g;
  -- All appends wait for this. So it steps from consumer to consumer along the key, and reads none of their rows below
  -- the heads: those of a month may be millions.
  FOR v_consumer, v_partition, v_head IN
    WITH RECURSIVE consumers AS (
      SELECT (SELECT min(d.consumer) FROM holdfast.deliveries AS d) AS name
      UNION ALL
      SELECT (SELECT min(d.consumer) FROM holdfast.deliveries AS d WHERE d.consumer > c.name)
      FROM consumers AS c WHERE c.name IS NOT NULL
    ), heads AS MATERIALIZED (
      SELECT p AS partition, holdfast.partition_head(p) AS head
      FROM holdfast.ledger AS l, generate_series(0, l.partitions - 1) AS p
    )
    SELECT c.name, h.partition, h.head FROM consumers AS c, heads AS h WHERE c.name IS NOT NULL
  LOOP
    DELETE FROM holdfast.deliveries AS d
    WHERE d.consumer = v_consumer AND d.partition = v_partition AND d.position > v_head;
  END LOOP;
  RETURN v_epoch;
END
$$;
