-- Moves cursors forward.
SELECT 1;
