CREATE SEQUENCE "holdfast"."projection_changes" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "holdfast"."projection_builds" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "holdfast"."projection_builds_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"projection" text NOT NULL,
	"version" integer NOT NULL,
	"state" text NOT NULL,
	"group" text NOT NULL,
	"tables" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"shape" text,
	"requested_by" text,
	"created" timestamp with time zone DEFAULT now() NOT NULL,
	"caught_up" timestamp with time zone,
	"switched" timestamp with time zone,
	"switched_by" text,
	"retired" timestamp with time zone,
	CONSTRAINT "projection_builds_state" CHECK ("holdfast"."projection_builds"."state" in ('building', 'active', 'standby', 'dropped'))
);
--> statement-breakpoint
CREATE TABLE "holdfast"."projections" (
	"name" text PRIMARY KEY NOT NULL,
	"active_build" bigint,
	"updated" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "projection_builds_projection" ON "holdfast"."projection_builds" USING btree ("projection","version");--> statement-breakpoint
CREATE UNIQUE INDEX "projection_builds_active" ON "holdfast"."projection_builds" USING btree ("projection") WHERE "holdfast"."projection_builds"."state" = 'active';--> statement-breakpoint
CREATE UNIQUE INDEX "projection_builds_group" ON "holdfast"."projection_builds" USING btree ("group");
--> statement-breakpoint
-- The tables of builds, and a view per table that shows the active one. Made while the system runs, by its nodes.
CREATE SCHEMA IF NOT EXISTS holdfast_projections;
--> statement-breakpoint
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_runtime') THEN
    RETURN;
  END IF;
  GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast.projections, holdfast.projection_builds TO holdfast_runtime;
  GRANT USAGE ON SEQUENCE holdfast.projection_changes TO holdfast_runtime;
  GRANT USAGE, CREATE ON SCHEMA holdfast_projections TO holdfast_runtime;
END
$$;
