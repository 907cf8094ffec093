-- The work behind the ledger: a serving node keeps these tables, and still cannot change the ledger.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_runtime') THEN
    RETURN;
  END IF;
  GRANT SELECT, INSERT, UPDATE, DELETE ON
    holdfast.cursors, holdfast.deliveries, holdfast.groups, holdfast.group_members, holdfast.group_partitions,
    holdfast.group_settled, holdfast.job_rules, holdfast.webhook_endpoints, holdfast.schedules, holdfast.outbox
  TO holdfast_runtime;
  GRANT SELECT, INSERT ON holdfast.acts TO holdfast_runtime;
  GRANT SELECT, UPDATE (forgotten) ON holdfast.erasures TO holdfast_runtime;
  GRANT EXECUTE ON FUNCTION
    holdfast.namespace_of(text), holdfast.needed_by(int, text),
    holdfast.blank_deliveries(bigint, bigint), holdfast.erase_event(text, int, text, bigint, text, text),
    holdfast.event_story_at(int, text, bigint), holdfast.event_story(text, bigint), holdfast.event_story(uuid)
  TO holdfast_runtime;
  GRANT EXECUTE ON FUNCTION
    holdfast.move_cursors(int[], text[], text[], text[], bigint[], text[], bigint[], int)
  TO holdfast_runtime;
  GRANT EXECUTE ON FUNCTION
    holdfast.partition_head(int), holdfast.adopt_epoch(text), holdfast.declare_group(text, text, text[], text),
    holdfast.tick_group(text, text, text, int, int[]), holdfast.leave_group(text, text),
    holdfast.remove_group(text, text, text),
    holdfast.move_checkpoint(text, int, text, bigint, bigint, bigint),
    holdfast.end_deliveries(text, int, text, bigint, bigint[]),
    holdfast.owe_again(text, int, text, bigint, bigint, text, int, text, bigint),
    holdfast.take_positions(text, text, int, bigint[], int), holdfast.raise_floor(text, int, bigint),
    holdfast.unsettled_events(text, int, bigint, bigint, int),
    holdfast.end_job(text, int, bigint, uuid, int)
  TO holdfast_runtime;
  GRANT EXECUTE ON FUNCTION
    holdfast.relay_outbox(text, bigint[], int[], bigint[], bigint[], bigint[], text[])
  TO holdfast_runtime;
END
$$;
