/** Typed reading of fields out of parsed JSON. As in the reference server, `null` is the same as absent. */

export type Fields = Readonly<Record<string, unknown>>

/** Makes the error for a field of the wrong kind; what kind of error that is depends on where the fields came from. */
export type Refuse = (detail: string) => Error

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Own properties only: a client's JSON must not reach what every object inherits. */
function own(fields: Fields, name: string): unknown {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return value === null ? undefined : value
}

export class FieldReader {
  readonly #fields: Fields
  readonly #refuse: Refuse

  constructor(fields: Fields, refuse: Refuse) {
    this.#fields = fields
    this.#refuse = refuse
  }

  has(name: string): boolean {
    return own(this.#fields, name) !== undefined
  }

  /** The empty string where absent. */
  text(name: string): string {
    const value = own(this.#fields, name)
    if (value === undefined) return ''
    if (typeof value !== 'string') throw this.#refuse(`expected ${name} to be a string`)
    return value
  }

  /** Undefined also where it is something else: for what no message is refused for. */
  textOrNothing(name: string): string | undefined {
    const value = own(this.#fields, name)
    return typeof value === 'string' ? value : undefined
  }

  requiredText(name: string): string {
    const value = this.text(name)
    if (value === '') throw this.#refuse(`${name} is missing`)
    return value
  }

  flag(name: string): boolean {
    const value = own(this.#fields, name)
    if (value === undefined) return false
    if (typeof value !== 'boolean') throw this.#refuse(`expected ${name} to be true or false`)
    return value
  }

  /** An integer that JavaScript holds exactly; 0 where absent. */
  integer(name: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
    return this.optionalInteger(name, least, most) ?? 0
  }

  optionalInteger(name: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = own(this.#fields, name)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
      throw this.#refuse(`expected ${name} to be an integer from ${least} to ${most}`)
    }
    return value
  }

  object(name: string): Fields | undefined {
    const value = own(this.#fields, name)
    if (value === undefined) return undefined
    if (!isFields(value)) throw this.#refuse(`expected ${name} to be an object`)
    return value
  }

  /** A reader of an object inside; `undefined` where absent. */
  inside(name: string): FieldReader | undefined {
    const value = this.object(name)
    return value && new FieldReader(value, this.#refuse)
  }

  /** The members of an object of objects. */
  *members(name: string): Generator<[string, FieldReader]> {
    for (const [key, value] of Object.entries(this.object(name) ?? {})) {
      if (!isFields(value)) throw this.#refuse(`expected ${name}.${key} to be an object`)
      yield [key, new FieldReader(value, this.#refuse)]
    }
  }
}
