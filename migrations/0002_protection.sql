-- What one function may do to a table, nobody else may, the owner included. This guards against mistakes: an
-- owner who wants to break the ledger can. Each function that may names itself in `holdfast.acting` for as long as it
-- works. (Only a superuser could fix that setting to the function.)
CREATE FUNCTION holdfast.refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF current_setting('holdfast.acting', true) = TG_ARGV[0] THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% of %.% is refused: only holdfast.%() does that',
    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'HF003';
END
$$;
--> statement-breakpoint
CREATE FUNCTION holdfast.refuse_always() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION '% of %.% is refused: the ledger is append only',
    TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'HF003';
END
$$;
--> statement-breakpoint
CREATE TRIGGER only_append BEFORE INSERT ON holdfast.events
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change('append');
--> statement-breakpoint
CREATE TRIGGER only_retention BEFORE DELETE ON holdfast.events
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change('remove_events');
--> statement-breakpoint
CREATE TRIGGER never BEFORE UPDATE OR TRUNCATE ON holdfast.events
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_always();
--> statement-breakpoint
CREATE TRIGGER only_new_epoch BEFORE UPDATE ON holdfast.ledger
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change('new_epoch');
--> statement-breakpoint
CREATE TRIGGER never BEFORE INSERT OR DELETE OR TRUNCATE ON holdfast.ledger
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_always();
--> statement-breakpoint
CREATE TRIGGER only_retention BEFORE INSERT OR UPDATE ON holdfast.channel_floor
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change('remove_events');
--> statement-breakpoint
CREATE TRIGGER never BEFORE DELETE OR TRUNCATE ON holdfast.channel_floor
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_always();
--> statement-breakpoint
CREATE TRIGGER only_retention BEFORE INSERT OR UPDATE ON holdfast.partition_floor
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change('remove_events');
--> statement-breakpoint
CREATE TRIGGER never BEFORE DELETE OR TRUNCATE ON holdfast.partition_floor
  FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_always();
--> statement-breakpoint
-- Retention: removes the oldest events of a channel up to an offset, at most p_limit of them, and remembers what
-- the numbering has reached, so that neither an offset nor a position is ever given twice. Takes no lock that an
-- append waits for. Returns how many it removed; HF001 as holdfast.append.
CREATE FUNCTION holdfast.remove_events(
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
  v_floor bigint;
  v_removed int;
BEGIN
  -- Both heads from one snapshot, and nothing above them is removed: an event that is committed after this
  -- statement keeps its place in the index, and with it the head.
  SELECT epoch,
         (SELECT l.position FROM holdfast.events AS l WHERE l.partition = p_partition
          ORDER BY l.position DESC LIMIT 1),
         (SELECT l.offset FROM holdfast.events AS l WHERE l.partition = p_partition AND l.channel = p_channel
          ORDER BY l.offset DESC LIMIT 1)
  INTO STRICT v_epoch, v_position, v_offset FROM holdfast.ledger WHERE singleton;
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
      SELECT l.offset FROM holdfast.events AS l
      WHERE l.partition = p_partition AND l.channel = p_channel AND l.offset <= least(p_through, v_offset)
      ORDER BY l.offset LIMIT p_limit))
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
-- Begins another life of the numbering, after a restore or a failover that lost events: every cursor, mirror and
-- acknowledgement of the old one is void. Waits for the batches in flight. Returns the new epoch.
CREATE FUNCTION holdfast.new_epoch() RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_epoch text;
BEGIN
  PERFORM pg_advisory_xact_lock(1212566596, p)
  FROM (SELECT p FROM holdfast.ledger AS l, generate_series(0, l.partitions - 1) AS p ORDER BY p) AS ascending;
  PERFORM set_config('holdfast.acting', 'new_epoch', true);
  UPDATE holdfast.ledger SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 12) RETURNING epoch INTO v_epoch;
  PERFORM set_config('holdfast.acting', '', true);
  RETURN v_epoch;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION
  holdfast.append_carefully(int[], text[], uuid[], text[], text[], text[], bigint[], bigint),
  holdfast.append(text, int[], text[], uuid[], text[], text[], text[], bigint[], bigint[], bigint[]),
  holdfast.refuse_change(), holdfast.refuse_always(),
  holdfast.remove_events(text, int, text, bigint, int),
  holdfast.new_epoch()
FROM PUBLIC;
--> statement-breakpoint
-- The role a serving node needs: it may read, append and retain, and change nothing else. Nodes log in as a member.
DO $$
BEGIN
  BEGIN
    CREATE ROLE holdfast_runtime NOLOGIN;
  EXCEPTION
    -- Roles belong to the whole server: another database of it, or a migration running beside this one, made it.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN NULL;
  END;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_runtime') THEN
    RAISE NOTICE 'role holdfast_runtime is not there and may not be made by %: nodes have to log in as the owner', current_user;
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA holdfast TO holdfast_runtime;
  GRANT SELECT ON ALL TABLES IN SCHEMA holdfast TO holdfast_runtime;
  GRANT EXECUTE ON FUNCTION
    holdfast.append(text, int[], text[], uuid[], text[], text[], text[], bigint[], bigint[], bigint[]),
    holdfast.remove_events(text, int, text, bigint, int)
  TO holdfast_runtime;
END
$$;
