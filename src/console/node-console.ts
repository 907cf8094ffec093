import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../platform/index.ts'
import { AuditLog } from './audit-log.ts'
import { BusLine, type ControlLine } from './bus-line.ts'
import { MarkBook } from './mark-book.ts'
import { writeMinutes } from './minutes-store.ts'
import { Peers } from './peers.ts'
import { isSilence, type PostgresSource } from './postgres-source.ts'
import { RateBook } from './rate-book.ts'
import { type NodeCard, type NodeReadings, sheetOf } from './readings.ts'
import { nodeSheet } from './sheet-schema.ts'
import {
  clean,
  latestStart,
  type RecordedAct,
  readSheets,
  readSwitches,
  removeSheet,
  writeMarks,
  writeSheet,
} from './store.ts'
import type { NamespaceSwitches } from './switches.ts'
import type { Source } from './wire-common.ts'
import type { NodeSheet, NodeView } from './wire-now.ts'

export interface NodeConsoleOptions {
  readonly card: NodeCard
  readonly readings: NodeReadings
  readonly line: ControlLine
  readonly postgres: PostgresSource
  readonly switches: NamespaceSwitches
  readonly keepDays: number
  readonly logger: Logger
}

const lookMs = 1_000
/** How often a sheet goes out: while somebody looks, and otherwise. */
const everyMs = { watched: 2_000, else: 10_000 }
/** Somebody who looks says so again after so long, and counts for so long. */
const watchMs = { again: 5_000, counts: 15_000 }
/** How often Postgres hears of this node, and this node of Postgres. */
const syncMs = 5_000
/** What people have done is written down sooner, several acts together. */
const soonMs = 100
/** With the bus at work a sheet in Postgres is for those whom it does not reach. */
const calmSheetMs = 60_000
const cleanMs = 600_000
const goodbyeMs = 1_000
/** Sheets in Postgres that are older tell of nobody who lives. */
const sheetsWithinMs = 300_000

/**
 * What one node does so that any node can answer for all: it says how it is, over the bus and, where that is away, through
 * Postgres; it hears the others; it remembers rates and changes, and has them written down.
 */
export class NodeConsole {
  readonly marks: MarkBook
  readonly rates = new RateBook()
  readonly #audit: AuditLog
  readonly #options: NodeConsoleOptions
  readonly #peers = new Peers()
  readonly #bus: BusLine
  readonly #timer: NodeJS.Timeout
  #watchedUntil = 0
  #saidWatch = Number.NEGATIVE_INFINITY
  #sentAt = Number.NEGATIVE_INFINITY
  #syncedAt = Number.NEGATIVE_INFINITY
  #storedAt = Number.NEGATIVE_INFINITY
  #cleanedAt = performance.now()
  #writtenMinute = 0
  #sync: Promise<void> | undefined
  #soon: NodeJS.Timeout | undefined
  #busBefore = 'ready'
  #closed = false

  constructor(options: NodeConsoleOptions) {
    this.#options = options
    this.#bus = new BusLine(options.line, options.card.id, {
      sheet: sheet => this.#peers.take(sheet, 'bus', Date.now()),
      mark: mark => void this.marks.hear(mark),
      watch: () => {
        this.#watchedUntil = performance.now() + watchMs.counts
      },
      switches: () => void this.#syncAfresh(),
      bye: node => this.#peers.bye(node),
    })
    this.marks = new MarkBook({ nodeName: options.card.name, tell: mark => this.#bus.mark(mark) })
    this.#audit = new AuditLog(options.logger)
    this.#timer = setInterval(() => this.#look(), lookMs)
    this.#timer.unref()
    this.#look()
  }

  /** Known switches and what has changed since the last start, before anybody is served. */
  async begin(): Promise<void> {
    const { card, postgres, switches } = this.#options
    const { version, config } = card
    let before: { version: string; config: string } | undefined
    if (postgres.configured) {
      try {
        switches.learn(await postgres.run(readSwitches), Date.now())
        before = await postgres.run(latestStart)
      } catch (error) {
        this.#options.logger.warn({ err: error }, 'the console does not reach Postgres')
      }
    }
    const details = { version, config, runtime: card.runtime, role: card.role }
    if (before && before.version !== version) {
      const says = `release ${version} in place of ${before.version}`
      this.marks.note({ kind: 'version_changed', says, details: { ...details, before: before.version } })
    }
    if (before && before.config !== config) {
      const says = `configuration ${config} in place of ${before.config}`
      this.marks.note({ kind: 'config_changed', says, details: { ...details, before: before.config } })
    }
    this.marks.note({ kind: 'node_started', says: `${card.name} has started (${version})`, details })
    await this.syncNow()
  }

  /** Somebody looks at the page of this node. */
  watch(): void {
    const now = performance.now()
    this.#watchedUntil = now + watchMs.counts
    if (now - this.#saidWatch < watchMs.again) return
    this.#saidWatch = now
    this.#bus.say('watch')
  }

  /** All nodes that are known of, this one first. */
  views(): readonly NodeView[] {
    const own = { sheet: this.#sheet(), via: 'node', at: Date.now(), own: true, heard: true } as const
    const others = [...this.#peers.views()].sort((a, b) => (a.sheet.name < b.sheet.name ? -1 : 1))
    return [own, ...others]
  }

  sources(): readonly Source[] {
    const { readings, postgres } = this.#options
    const { bus } = readings.health().parts
    const answering = bus === 'ready'
    return [
      { name: 'node', state: 'answering', answeredAt: Date.now(), problem: null },
      {
        name: 'bus',
        state: answering ? 'answering' : 'silent',
        answeredAt: answering ? Date.now() : (this.#bus.heardAt ?? null),
        problem: answering ? null : 'Redis does not answer this node',
      },
      postgres.state(),
    ]
  }

  /** What somebody has done, for the audit log: written down as soon as Postgres answers. */
  record(act: Omit<RecordedAct, 'time'>): void {
    this.#audit.record(act)
    this.#syncSoon()
  }

  /** Of what was recorded, what Postgres has not got yet; the newest first. */
  get unwrittenActs(): readonly RecordedAct[] {
    return this.#audit.waiting
  }

  /** The switches were changed here: every node reads them at once. */
  async switchesChanged(): Promise<void> {
    this.#bus.say('switches')
    await this.#syncAfresh()
  }

  /** Writes down what waits, and reads what others have written. Never fails: what waits goes on waiting. */
  syncNow(): Promise<void> {
    this.#syncedAt = performance.now()
    this.#sync ??= this.#synchronise()
      .catch(error => this.#options.logger.debug({ err: error }, 'the console does not reach Postgres'))
      .finally(() => {
        this.#sync = undefined
      })
    return this.#sync
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    const { card, postgres } = this.#options
    this.marks.note({ kind: 'node_stopped', says: `${card.name} stops`, details: { version: card.version } })
    this.#bus.close()
    const goodbye = async () => {
      await this.#syncAfresh()
      if (postgres.configured) await postgres.run(sql => removeSheet(sql, card.id))
    }
    // A node that is told to stop does not wait for a Postgres that hangs.
    await Promise.race([goodbye().catch(() => undefined), delay(goodbyeMs, undefined, { ref: false })])
    await postgres.close()
  }

  #look(): void {
    const { readings } = this.#options
    const now = performance.now()
    this.rates.take(readings.counted())
    const every = this.#everyMs(now)
    if (now - this.#sentAt >= every - lookMs / 2) {
      this.#sentAt = now
      this.#bus.sheet(this.#sheet())
    }
    const { bus } = readings.health().parts
    // The others have to find this node another way now, and it them.
    const changed = bus !== this.#busBefore
    this.#busBefore = bus
    if (changed || now - this.#syncedAt >= syncMs) void this.syncNow()
  }

  /** What has just been written elsewhere is seen, and what has just been noted goes along. */
  async #syncAfresh(): Promise<void> {
    await this.#sync
    await this.syncNow()
  }

  #syncSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      void this.syncNow()
    }, soonMs).unref()
  }

  #everyMs(now = performance.now()): number {
    return now < this.#watchedUntil ? everyMs.watched : everyMs.else
  }

  #sheet(): NodeSheet {
    const rates = { perSecond: this.rates.perSecond(), disconnects: this.rates.disconnects() }
    const { card, readings } = this.#options
    return sheetOf(card, readings, rates, this.#everyMs() / 1_000)
  }

  async #synchronise(): Promise<void> {
    const { postgres, switches, logger } = this.#options
    if (!postgres.configured) return
    const steps = [
      async () => switches.learn(await postgres.run(readSwitches), Date.now()),
      () => this.#exchangeSheets(),
      () => this.marks.write(marks => postgres.run(sql => writeMarks(sql, marks))),
      () => this.#audit.write(postgres),
      () => this.#writeMinutes(),
      () => this.#clean(),
    ]
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        // What Postgres does not answer it will not answer a moment later; what it refuses concerns that step alone.
        if (isSilence(error)) throw error
        logger.warn({ err: error }, 'Postgres refuses something that the console writes down or reads')
      }
    }
  }

  async #exchangeSheets(): Promise<void> {
    const { postgres, readings } = this.#options
    const alone = readings.health().parts.bus !== 'ready'
    const now = performance.now()
    if (alone || now - this.#storedAt >= calmSheetMs) {
      await postgres.run(sql => writeSheet(sql, { ...this.#sheet(), everySeconds: syncMs / 1_000 }))
      this.#storedAt = now
    }
    if (alone || !this.#peers.complete() || now - this.#storedAt < syncMs) await this.#readSheets()
  }

  async #writeMinutes(): Promise<void> {
    const { card, postgres } = this.#options
    const minutes = this.rates.since(this.#writtenMinute)
    if (minutes.length > 0) await postgres.run(sql => writeMinutes(sql, card.id, minutes))
    this.#writtenMinute = minutes.at(-1)?.minute ?? this.#writtenMinute
  }

  async #clean(): Promise<void> {
    const { postgres, keepDays } = this.#options
    const now = performance.now()
    if (now - this.#cleanedAt < cleanMs) return
    this.#cleanedAt = now
    await postgres.run(sql => clean(sql, keepDays))
  }

  async #readSheets(): Promise<void> {
    const { card, postgres } = this.#options
    const rows = await postgres.run(sql => readSheets(sql, sheetsWithinMs))
    const now = Date.now()
    for (const { node, ageMs, sheet } of rows) {
      if (node === card.id) continue
      const parsed = nodeSheet.safeParse(JSON.parse(sheet))
      if (parsed.success) this.#peers.take(parsed.data, 'postgres', now - ageMs)
    }
  }
}
