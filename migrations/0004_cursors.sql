-- Moves cursors to what their users have acknowledged. Acknowledgement i is made of the i-th element of each array. To be
-- called alone in an autocommit statement.
--   p_epochs   the epoch that the offset belongs to; empty: the ledger's present one
--   p_holds    for how many seconds retention waits for the cursor from now on; 0: for ever; null: it does not
--   p_most     how many cursors one user may have
-- Returns one row.
--   outcomes   a letter per acknowledgement
--     m  the cursor stands at that offset or above it
--     a  the offset is above the channel's head; nothing was done
--     e  the offset is of another epoch; nothing was done
--     l  it would be a new cursor of a user who has too many; nothing was done
--   offsets    m: where the cursor stands now; a: the head
--   epoch      the ledger's
-- A cursor never moves back within an epoch; a place of another epoch is replaced. Raises HF001 where the epoch has
-- changed meanwhile (nothing was done: call it again), HF002 where the session cannot keep the promise of a commit.
CREATE FUNCTION holdfast.move_cursors(
  p_partitions int[], p_channels text[], p_users text[], p_names text[], p_offsets bigint[], p_epochs text[],
  p_holds bigint[], p_most int
) RETURNS TABLE (outcomes text, offsets bigint[], epoch text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- As of holdfast.append: plans made on empty tables would scan them, when they have grown too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  v_epoch text;
  v_now bigint;
  v_outcomes text[];
  v_heads bigint[];
  v_new_users int[];
  v_offsets bigint[];
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed'
     OR current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    RAISE EXCEPTION 'an acknowledgement needs read committed and synchronous_commit = on, got % and %',
      current_setting('transaction_isolation'), current_setting('synchronous_commit') USING ERRCODE = 'HF002';
  END IF;

  -- The epoch and the heads from one snapshot. A head is looked for once for each channel.
  SELECT l.epoch,
         array_agg(CASE WHEN t.epoch NOT IN ('', l.epoch) THEN 'e' WHEN t.offset > t.head THEN 'a' ELSE 'm' END
                   ORDER BY t.n),
         array_agg(t.head ORDER BY t.n),
         array_agg(DISTINCT hashtext(t.user)) FILTER (WHERE t.epoch IN ('', l.epoch) AND t.offset <= t.head
           AND NOT EXISTS (SELECT FROM holdfast.cursors AS c
                           WHERE c.partition = t.partition AND c.channel = t.channel
                             AND c.user = t.user AND c.name = t.name))
  INTO v_epoch, v_outcomes, v_heads, v_new_users
  FROM holdfast.ledger AS l
  CROSS JOIN (
    SELECT n, partition, channel, "user", name, "offset", epoch,
           first_value(head_at_first) OVER (PARTITION BY partition, channel ORDER BY n) AS head
    FROM (
      SELECT a.*, CASE WHEN a.nth = 1 THEN greatest(
               (SELECT e.offset FROM holdfast.events AS e
                WHERE e.partition = a.partition AND e.channel = a.channel ORDER BY e.offset DESC LIMIT 1),
               (SELECT f.head FROM holdfast.channel_floor AS f
                WHERE f.partition = a.partition AND f.channel = a.channel), 0)
             END AS head_at_first
      FROM (
        SELECT *, row_number() OVER (PARTITION BY partition, channel ORDER BY n) AS nth
        FROM unnest(p_partitions, p_channels, p_users, p_names, p_offsets, p_epochs)
             WITH ORDINALITY AS u (partition, channel, "user", name, "offset", epoch, n)
      ) AS a
      OFFSET 0 -- Else the look-ups become part of the window's function, which repeats them.
    ) AS looked_up
  ) AS t
  WHERE l.singleton
  GROUP BY l.epoch;

  IF v_new_users IS NOT NULL THEN
    -- New cursors of one user are made one call after the other, else several could pass the limit at once. In
    -- ascending order and before any row is locked; in a statement of its own, because the count's snapshot has to
    -- be younger.
    PERFORM pg_advisory_xact_lock(1212566599, u)
    FROM (SELECT u FROM unnest(v_new_users) AS u ORDER BY u) AS ascending;
    SELECT array_agg(
             CASE WHEN t.outcome = 'm' AND t.is_new AND t.nth_new
                    + (SELECT count(*) FROM (
                         SELECT FROM holdfast.cursors AS c WHERE c.user = t.user LIMIT p_most) AS owned) > p_most
               THEN 'l' ELSE t.outcome END
             ORDER BY t.n)
    INTO v_outcomes
    FROM (
      SELECT n, "user", outcome, is_new,
             dense_rank() OVER (PARTITION BY "user", outcome, is_new ORDER BY partition, channel, name) AS nth_new
      FROM (
        SELECT u.n, u.partition, u.channel, u.user, u.name, u.outcome,
               NOT EXISTS (SELECT FROM holdfast.cursors AS c
                           WHERE c.partition = u.partition AND c.channel = u.channel
                             AND c.user = u.user AND c.name = u.name) AS is_new
        FROM unnest(p_partitions, p_channels, p_users, p_names, v_outcomes)
             WITH ORDINALITY AS u (partition, channel, "user", name, outcome, n)
        OFFSET 0
      ) AS looked_up
    ) AS t;
  END IF;

  v_now := floor(extract(epoch FROM clock_timestamp()) * 1000);
  -- Rows are locked in the order of their keys, so that no two calls wait for each other.
  INSERT INTO holdfast.cursors AS c (partition, channel, "user", name, "offset", epoch, moved, holds, holds_until)
  SELECT t.partition, t.channel, t.user, t.name, max(t.offset), v_epoch, v_now, bool_or(t.hold IS NOT NULL),
         CASE WHEN min(t.hold) > 0 THEN v_now + max(t.hold) * 1000 END
  FROM unnest(p_partitions, p_channels, p_users, p_names, p_offsets, p_holds, v_outcomes)
       AS t (partition, channel, "user", name, "offset", hold, outcome)
  WHERE t.outcome = 'm'
  GROUP BY t.partition, t.channel, t.user, t.name
  ORDER BY t.partition, t.channel COLLATE "C", t.user COLLATE "C", t.name COLLATE "C"
  ON CONFLICT (partition, channel, "user", name) DO UPDATE
  SET "offset" = CASE WHEN c.epoch = excluded.epoch THEN greatest(c.offset, excluded.offset) ELSE excluded.offset END,
      epoch = excluded.epoch,
      moved = CASE WHEN c.epoch = excluded.epoch AND c.offset >= excluded.offset THEN c.moved ELSE excluded.moved END,
      holds = excluded.holds,
      holds_until = excluded.holds_until
  WHERE c.epoch <> excluded.epoch OR c.offset < excluded.offset
     OR (c.holds, c.holds_until) IS DISTINCT FROM (excluded.holds, excluded.holds_until);

  -- Once more, in a younger snapshot and with the rows locked: places of a newer epoch, which another node may have
  -- written while this waited for it, must not have been replaced by older ones.
  SELECT array_agg(CASE WHEN t.outcome = 'a' THEN t.head
                        WHEN t.outcome = 'm' THEN
                          (SELECT c.offset FROM holdfast.cursors AS c
                           WHERE c.partition = t.partition AND c.channel = t.channel
                             AND c.user = t.user AND c.name = t.name) END
                   ORDER BY t.n)
  INTO v_offsets
  FROM unnest(p_partitions, p_channels, p_users, p_names, v_outcomes, v_heads)
       WITH ORDINALITY AS t (partition, channel, "user", name, outcome, head, n);
  PERFORM FROM holdfast.ledger AS l WHERE l.epoch = v_epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the ledger has another epoch' USING ERRCODE = 'HF001',
      DETAIL = (SELECT l.epoch FROM holdfast.ledger AS l);
  END IF;
  RETURN QUERY SELECT array_to_string(v_outcomes, ''), v_offsets, v_epoch;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION holdfast.move_cursors(int[], text[], text[], text[], bigint[], text[], bigint[], int) FROM PUBLIC;
