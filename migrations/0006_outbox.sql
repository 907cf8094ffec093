-- Records an event in the transaction of the caller: a row of the outbox, which the relay appends to the ledger after
-- the commit, and which a rollback takes back. It takes no lock that anybody waits for, so an application's transaction
-- that stays open keeps nobody's append waiting.
--   channel  1 to 255 printable ASCII characters
--   type     1 to 255 characters; what begins with `holdfast.` is not an application's
--   data     JSON of at most 16 MiB
--   id       makes a repetition recognisable: an id that the channel has already is recorded once
-- Returns the event's id. Raises HF006 (COLUMN says which argument). That its namespace is declared and its data matches
-- the contract is not known here: the relay refuses such a row, and `holdfast outbox` shows it.
CREATE FUNCTION holdfast.publish(channel text, type text, data text, id uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  v_id uuid := coalesce(publish.id, gen_random_uuid());
  v_detail text;
BEGIN
  IF publish.channel IS NULL OR publish.channel COLLATE "C" !~ '^[!-~]{1,255}$' THEN
    RAISE EXCEPTION 'expected a channel of 1 to 255 printable ASCII characters, got %',
      coalesce(quote_literal(left(publish.channel, 40)) || format(' (%s)', char_length(publish.channel)), 'null')
      USING ERRCODE = 'HF006', COLUMN = 'channel', HINT = 'A channel is named like order:7.';
  END IF;
  IF ltrim(publish.channel, '$') LIKE 'holdfast:%' THEN
    RAISE EXCEPTION 'the channel % is written by Holdfast only', publish.channel
      USING ERRCODE = 'HF006', COLUMN = 'channel', HINT = 'Use a namespace of your own.';
  END IF;
  IF publish.type IS NULL OR char_length(publish.type) NOT BETWEEN 1 AND 255 THEN
    RAISE EXCEPTION 'expected a type of 1 to 255 characters, got %', coalesce(char_length(publish.type)::text, 'null')
      USING ERRCODE = 'HF006', COLUMN = 'type', HINT = 'A type says what has happened, like OrderPlaced.';
  END IF;
  IF starts_with(publish.type, 'holdfast.') THEN
    RAISE EXCEPTION 'types that begin with holdfast. are reserved, got %', quote_literal(left(publish.type, 40))
      USING ERRCODE = 'HF006', COLUMN = 'type', HINT = 'Use a type of your own.';
  END IF;
  IF publish.data IS NULL THEN
    RAISE EXCEPTION 'expected JSON as data, got null'
      USING ERRCODE = 'HF006', COLUMN = 'data', HINT = 'The JSON value null is written as ''null''.';
  END IF;
  IF octet_length(publish.data) > 16777216 THEN
    RAISE EXCEPTION 'expected at most 16777216 bytes of data, got %', octet_length(publish.data)
      USING ERRCODE = 'HF006', COLUMN = 'data', HINT = 'Keep large things elsewhere, and record where.';
  END IF;
  BEGIN
    PERFORM publish.data::json;
  EXCEPTION
    WHEN invalid_text_representation THEN
      GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
      RAISE EXCEPTION 'expected JSON as data, got %', quote_literal(left(publish.data, 40))
        USING ERRCODE = 'HF006', COLUMN = 'data', DETAIL = v_detail,
              HINT = 'A JSON string has quotes of its own: to_json($1::text) makes one.';
    WHEN statement_too_complex THEN
      RAISE EXCEPTION 'the data is nested too deeply'
        USING ERRCODE = 'HF006', COLUMN = 'data', HINT = 'Keep it flatter.';
  END;
  INSERT INTO holdfast.outbox (channel, type, data, event_id)
  VALUES (publish.channel, publish.type, publish.data, v_id);
  RETURN v_id;
END
$$;
--> statement-breakpoint
CREATE FUNCTION holdfast.publish(channel text, type text, data json, id uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE sql VOLATILE
AS 'SELECT holdfast.publish($1, $2, $3::text, $4)';
--> statement-breakpoint
CREATE FUNCTION holdfast.publish(channel text, type text, data jsonb, id uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE sql VOLATILE
AS 'SELECT holdfast.publish($1, $2, $3::text, $4)';
--> statement-breakpoint
-- Moves rows of the outbox into the ledger: appended and deleted in one transaction. To be called alone in an
-- autocommit statement, and for rows that the caller has seen, so that all are committed.
--   p_epoch        as holdfast.append, which the rows go through in the order of their ids
--   p_ids          the rows to move; row i lies in partition p_partitions[i], and the hints are those of append
--   p_refused      rows that the ledger can never take, with p_reasons: they stay, and the relay passes over them
-- Returns no row where another relay is at work, because rows of one channel must keep their order. Else the ids that were
-- still there, in their order, with what append says of each: s and d are deleted, r is refused.
CREATE FUNCTION holdfast.relay_outbox(
  p_epoch text, p_ids bigint[], p_partitions int[], p_position_hints bigint[], p_offset_hints bigint[],
  p_refused bigint[], p_reasons text[]
) RETURNS TABLE (ids bigint[], outcomes text, positions bigint[], offsets bigint[], "time" bigint, times bigint[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
-- Appends wait behind the partitions that it has locked already.
SET lock_timeout = '1s'
AS $$
#variable_conflict use_column
DECLARE
  v_all bigint[] := p_ids || p_refused;
  v_mine bigint[];
  v_held text[];
  v record;
  r record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(1212566596, -3) THEN
    RETURN;
  END IF;
  -- Never waits: the row of a person who has it open in a transaction is left, and with it its channel.
  SELECT coalesce(array_agg(l.id), '{}') INTO v_mine FROM (
    SELECT o.id FROM holdfast.outbox AS o WHERE o.id = ANY (v_all) AND o.refused IS NULL ORDER BY o.id
    FOR UPDATE SKIP LOCKED
  ) AS l;
  IF cardinality(v_mine) < cardinality(v_all) THEN
    SELECT array_agg(DISTINCT o.channel) INTO v_held FROM holdfast.outbox AS o
    WHERE o.id = ANY (v_all) AND o.refused IS NULL AND o.id <> ALL (v_mine);
  END IF;
  UPDATE holdfast.outbox AS o SET refused = t.reason
  FROM unnest(p_refused, p_reasons) AS t (id, reason)
  WHERE o.id = t.id AND o.id = ANY (v_mine);

  SELECT array_agg(o.id ORDER BY o.id) AS ids, array_agg(t.partition ORDER BY o.id) AS partitions,
         array_agg(o.channel ORDER BY o.id) AS channels, array_agg(o.event_id ORDER BY o.id) AS event_ids,
         array_agg(o.type ORDER BY o.id) AS types, array_agg(o.data ORDER BY o.id) AS datas,
         array_agg(NULL::text) AS metas, array_agg(t.position_hint ORDER BY o.id) AS position_hints,
         array_agg(t.offset_hint ORDER BY o.id) AS offset_hints
  INTO v
  FROM unnest(p_ids, p_partitions, p_position_hints, p_offset_hints)
       AS t (id, partition, position_hint, offset_hint)
  JOIN holdfast.outbox AS o ON o.id = t.id
  WHERE o.id = ANY (v_mine) AND (v_held IS NULL OR o.channel <> ALL (v_held));
  IF v.ids IS NULL THEN
    RETURN QUERY SELECT '{}'::bigint[], '', '{}'::bigint[], '{}'::bigint[], 0::bigint, NULL::bigint[];
    RETURN;
  END IF;

  SELECT a.* INTO STRICT r FROM holdfast.append(
    p_epoch, v.partitions, v.channels, v.event_ids, v.types, v.datas, v.metas, v.position_hints, v.offset_hints) AS a;
  DELETE FROM holdfast.outbox AS o
  USING unnest(v.ids, string_to_array(r.outcomes, NULL)) AS t (id, outcome)
  WHERE o.id = t.id AND t.outcome IN ('s', 'd');
  UPDATE holdfast.outbox AS o
  SET refused = format('the id %s belongs to another event of this channel (offset %s)', o.event_id, t.offset)
  FROM unnest(v.ids, string_to_array(r.outcomes, NULL), r.offsets) AS t (id, outcome, "offset")
  WHERE o.id = t.id AND t.outcome = 'r';
  RETURN QUERY SELECT v.ids, r.outcomes, r.positions, r.offsets, r.time, r.times;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION
  holdfast.publish(text, text, text, uuid), holdfast.publish(text, text, json, uuid),
  holdfast.publish(text, text, jsonb, uuid),
  holdfast.relay_outbox(text, bigint[], int[], bigint[], bigint[], bigint[], text[])
FROM PUBLIC;
--> statement-breakpoint
-- The role an application needs to record events in its own transactions, and nothing else.
DO $$
BEGIN
  BEGIN
    CREATE ROLE holdfast_publisher NOLOGIN;
  EXCEPTION
    -- Roles belong to the whole server: another database of it, or a migration running beside this one, made it.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN NULL;
  END;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_publisher') THEN
    RAISE NOTICE 'role holdfast_publisher is not there and may not be made by %: grant EXECUTE on holdfast.publish to the roles that need it', current_user;
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA holdfast TO holdfast_publisher;
  GRANT EXECUTE ON FUNCTION
    holdfast.publish(text, text, text, uuid), holdfast.publish(text, text, json, uuid),
    holdfast.publish(text, text, jsonb, uuid)
  TO holdfast_publisher;
END
$$;
--> statement-breakpoint
-- The same under a name that needs no schema in front of it.
DO $$
DECLARE
  v_type text;
BEGIN
  FOREACH v_type IN ARRAY ARRAY['text', 'json', 'jsonb'] LOOP
    EXECUTE format(
      'CREATE FUNCTION public.holdfast_publish(channel text, type text, data %s, id uuid DEFAULT gen_random_uuid())
       RETURNS uuid LANGUAGE sql VOLATILE AS ''SELECT holdfast.publish($1, $2, $3, $4)''', v_type);
    EXECUTE format('REVOKE ALL ON FUNCTION public.holdfast_publish(text, text, %s, uuid) FROM PUBLIC', v_type);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_publisher') THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION public.holdfast_publish(text, text, %s, uuid) TO holdfast_publisher', v_type);
    END IF;
  END LOOP;
EXCEPTION WHEN insufficient_privilege OR invalid_schema_name OR duplicate_function THEN
  RAISE NOTICE 'public.holdfast_publish could not be made (%): call holdfast.publish', SQLERRM;
END
$$;
