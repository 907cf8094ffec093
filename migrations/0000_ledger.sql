CREATE SCHEMA IF NOT EXISTS "holdfast";
--> statement-breakpoint
CREATE TABLE "holdfast"."channel_floor" (
	"partition" integer NOT NULL,
	"channel" text COLLATE "C" NOT NULL,
	"floor" bigint NOT NULL,
	"head" bigint NOT NULL,
	CONSTRAINT "channel_floor_pk" PRIMARY KEY("partition","channel")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."events" (
	"partition" integer NOT NULL,
	"position" bigint NOT NULL,
	"channel" text COLLATE "C" NOT NULL,
	"offset" bigint NOT NULL,
	"id" uuid NOT NULL,
	"type" text NOT NULL,
	"data" text NOT NULL,
	"meta" text,
	"time" bigint NOT NULL,
	CONSTRAINT "events_position" PRIMARY KEY("partition","position"),
	CONSTRAINT "events_offset" UNIQUE("partition","channel","offset"),
	CONSTRAINT "events_id" UNIQUE("partition","id","channel")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."ledger" (
	"singleton" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"epoch" text NOT NULL,
	"partitions" integer NOT NULL,
	"created" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ledger_one_row" CHECK ("holdfast"."ledger"."singleton")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."partition_floor" (
	"partition" integer PRIMARY KEY NOT NULL,
	"head" bigint NOT NULL
);
