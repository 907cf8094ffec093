CREATE TABLE "holdfast"."cursors" (
	"partition" integer NOT NULL,
	"channel" text COLLATE "C" NOT NULL,
	"user" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"offset" bigint NOT NULL,
	"epoch" text NOT NULL,
	"moved" bigint NOT NULL,
	"holds" boolean DEFAULT false NOT NULL,
	"holds_until" bigint,
	CONSTRAINT "cursors_pk" PRIMARY KEY("partition","channel","user","name")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."deliveries" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "holdfast"."deliveries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"consumer" text COLLATE "C" NOT NULL,
	"partition" integer NOT NULL,
	"position" bigint NOT NULL,
	"channel" text COLLATE "C" NOT NULL,
	"offset" bigint NOT NULL,
	"event_id" uuid NOT NULL,
	"event_type" text NOT NULL,
	"state" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"reason" text,
	"due" bigint DEFAULT 0 NOT NULL,
	"created" bigint NOT NULL,
	"updated" bigint NOT NULL,
	"actor" text,
	CONSTRAINT "deliveries_pk" PRIMARY KEY("consumer","partition","position"),
	CONSTRAINT "deliveries_state" CHECK ("holdfast"."deliveries"."state" in ('waiting', 'retrying', 'queued', 'parked', 'done', 'discarded'))
);
--> statement-breakpoint
CREATE TABLE "holdfast"."group_members" (
	"group" text COLLATE "C" NOT NULL,
	"member" text COLLATE "C" NOT NULL,
	"node" text NOT NULL,
	"seen" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "group_members_pk" PRIMARY KEY("group","member")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."group_partitions" (
	"group" text COLLATE "C" NOT NULL,
	"partition" integer NOT NULL,
	"epoch" text NOT NULL,
	"position" bigint NOT NULL,
	"moved" bigint NOT NULL,
	"holder" text,
	"fence" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "group_partitions_pk" PRIMARY KEY("group","partition")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."group_settled" (
	"group" text COLLATE "C" NOT NULL,
	"partition" integer NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "group_settled_pk" PRIMARY KEY("group","partition","position")
);
--> statement-breakpoint
CREATE TABLE "holdfast"."groups" (
	"name" text COLLATE "C" PRIMARY KEY NOT NULL,
	"mode" text NOT NULL,
	"namespaces" text[],
	"paused" boolean DEFAULT false NOT NULL,
	"created" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "groups_mode" CHECK ("holdfast"."groups"."mode" in ('ordered', 'competing'))
);
--> statement-breakpoint
CREATE TABLE "holdfast"."job_rules" (
	"name" text COLLATE "C" PRIMARY KEY NOT NULL,
	"starts" bigint[] NOT NULL,
	"epoch" text NOT NULL,
	"created" bigint NOT NULL,
	"definition" text NOT NULL,
	"seen" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "holdfast"."schedules" (
	"name" text COLLATE "C" PRIMARY KEY NOT NULL,
	"cron" text,
	"every_seconds" integer,
	"zone" text,
	"act" text NOT NULL,
	"channel" text NOT NULL,
	"type" text,
	"data" text NOT NULL,
	"due" bigint,
	"last_due" bigint,
	"failure" text,
	"declared" boolean DEFAULT false NOT NULL,
	"seen" bigint,
	"paused" boolean DEFAULT false NOT NULL,
	"created" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "holdfast"."webhook_endpoints" (
	"rule" text COLLATE "C" PRIMARY KEY NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"failing_since" bigint,
	"disabled_at" bigint,
	"reason" text
);
--> statement-breakpoint
CREATE TABLE "holdfast"."acts" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "holdfast"."acts_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"time" bigint NOT NULL,
	"actor" text NOT NULL,
	"act" text NOT NULL,
	"target" text NOT NULL,
	"reason" text
);
--> statement-breakpoint
CREATE TABLE "holdfast"."erasures" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "holdfast"."erasures_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"partition" integer NOT NULL,
	"channel" text COLLATE "C" NOT NULL,
	"offset" bigint NOT NULL,
	"position" bigint NOT NULL,
	"event_id" uuid NOT NULL,
	"epoch" text NOT NULL,
	"time" bigint NOT NULL,
	"forgotten" bigint
);
--> statement-breakpoint
CREATE TABLE "holdfast"."outbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "holdfast"."outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"channel" text NOT NULL,
	"type" text NOT NULL,
	"data" text NOT NULL,
	"event_id" uuid NOT NULL,
	"created" timestamp with time zone DEFAULT now() NOT NULL,
	"refused" text
);
--> statement-breakpoint
CREATE INDEX "cursors_user" ON "holdfast"."cursors" USING btree ("user");--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_id" ON "holdfast"."deliveries" USING btree ("id");--> statement-breakpoint
CREATE INDEX "deliveries_event" ON "holdfast"."deliveries" USING btree ("event_id");--> statement-breakpoint
CREATE INDEX "deliveries_open_channel" ON "holdfast"."deliveries" USING btree ("partition","channel","consumer","position") WHERE "holdfast"."deliveries"."state" in ('waiting', 'retrying', 'queued', 'parked');--> statement-breakpoint
CREATE INDEX "deliveries_open_due" ON "holdfast"."deliveries" USING btree ("consumer","partition","due") WHERE "holdfast"."deliveries"."state" in ('waiting', 'retrying', 'queued', 'parked');--> statement-breakpoint
CREATE INDEX "deliveries_retrying" ON "holdfast"."deliveries" USING btree ("consumer","due") WHERE "holdfast"."deliveries"."state" = 'retrying';--> statement-breakpoint
CREATE INDEX "schedules_due" ON "holdfast"."schedules" USING btree ("due") WHERE "holdfast"."schedules"."due" is not null;--> statement-breakpoint
CREATE INDEX "acts_target" ON "holdfast"."acts" USING btree ("target");--> statement-breakpoint
CREATE INDEX "erasures_pending" ON "holdfast"."erasures" USING btree ("id") WHERE "holdfast"."erasures"."forgotten" is null;--> statement-breakpoint
CREATE INDEX "outbox_visible" ON "holdfast"."outbox" USING btree ("id") WHERE "holdfast"."outbox"."refused" is null;