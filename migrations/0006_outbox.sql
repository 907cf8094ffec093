-- The outbox: how an application records events in its own transaction, and how the relay moves them.
SELECT 1;
