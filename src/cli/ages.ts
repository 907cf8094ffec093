import { InvalidArgumentError } from 'commander'

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Reads an option's value such as 90s, 15m, 12h or 30d, in seconds. @throws InvalidArgumentError */
export function ageInSeconds(text: string): number {
  const [, amount, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = units[unit]
  if (amount === undefined || seconds === undefined) {
    throw new InvalidArgumentError(`expected an age as 90s, 15m, 12h or 30d, got ${JSON.stringify(text)}`)
  }
  return Number(amount) * seconds
}
