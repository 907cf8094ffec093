CREATE TABLE "holdfast"."marks" (
	"id" text PRIMARY KEY NOT NULL,
	"time" bigint NOT NULL,
	"kind" text NOT NULL,
	"node" text,
	"says" text NOT NULL,
	"details" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "holdfast"."namespace_switches" (
	"namespace" text PRIMARY KEY NOT NULL,
	"read_only" boolean NOT NULL,
	"since" bigint NOT NULL,
	"by" text NOT NULL,
	"reason" text
);
--> statement-breakpoint
CREATE TABLE "holdfast"."node_minute_ends" (
	"minute" bigint NOT NULL,
	"node" text NOT NULL,
	"code" text NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "node_minute_ends_pk" PRIMARY KEY("minute","node","code")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."node_minutes" (
	"minute" bigint NOT NULL,
	"node" text NOT NULL,
	"published_realtime" bigint,
	"published_durable" bigint,
	"refused" bigint,
	"delivered_realtime" bigint,
	"delivered_durable" bigint,
	"dropped" bigint,
	"connects" bigint,
	"disconnects" bigint,
	"probe_failures" bigint,
	"connections" integer NOT NULL,
	CONSTRAINT "node_minutes_pk" PRIMARY KEY("minute","node")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."node_sheets" (
	"node" text PRIMARY KEY NOT NULL,
	"time" bigint NOT NULL,
	"sheet" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "holdfast"."acts" ADD COLUMN "outcome" text;--> statement-breakpoint
CREATE INDEX "marks_time" ON "holdfast"."marks" USING btree ("time");
--> statement-breakpoint
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_runtime') THEN
    RETURN;
  END IF;
  GRANT SELECT, INSERT, UPDATE, DELETE ON
    holdfast.node_sheets, holdfast.node_minutes, holdfast.node_minute_ends, holdfast.marks, holdfast.namespace_switches
  TO holdfast_runtime;
END
$$;
