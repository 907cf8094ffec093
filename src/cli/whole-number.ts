import { InvalidArgumentError } from 'commander'

/** Reads an option's value. @throws InvalidArgumentError for anything but 0, 1, 2 … */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new InvalidArgumentError(`expected a whole number from 0, got ${JSON.stringify(text)}`)
  return Number(text)
}
