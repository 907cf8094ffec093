import { expect, it } from 'vitest'
import { RemoteClock } from './remote-clock.ts'

function clockAt(start: number) {
  const time = { now: start }
  return { time, clock: new RemoteClock(() => time.now) }
}

it('knows nothing before the first answer, and after the connection is lost', () => {
  const { clock } = clockAt(1_000)
  expect(clock.at(1_000)).toBe(0)
  clock.learn(5_000)
  expect(clock.at(1_000)).toBe(5_000)
  clock.forget()
  expect(clock.at(1_000)).toBe(0)
})

it('believes the answer that was under way for the shortest time', () => {
  const { clock, time } = clockAt(0)
  clock.learn(9_900)
  clock.learn(9_990)
  clock.learn(9_500)
  expect(clock.at(0)).toBe(9_990)
  time.now = 20_000
  clock.learn(20_000 + 9_000)
  // What was seen in the window before still counts.
  expect(clock.at(0)).toBe(9_990)
})

it('follows a clock that is set forth at once, and one that is set back after a while', () => {
  const { clock, time } = clockAt(0)
  clock.learn(10_000)
  clock.learn(70_000)
  expect(clock.at(0)).toBe(70_000)
  for (const second of [16, 32, 48]) {
    time.now = second * 1_000
    clock.learn(time.now + 10_000)
  }
  expect(clock.at(0)).toBe(10_000)
})
