-- Retention that keeps what is still needed, and the erasure of single events.
SELECT 1;
