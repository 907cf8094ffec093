import type { Clock } from '../../src/client/clock.ts'

/** A clock that stands until it is told to go on. */
export class TestClock implements Clock {
  time = 0
  #tasks: { at: number; run: () => void }[] = []
  now() {
    return this.time
  }
  random() {
    return 1
  }
  after(ms: number, run: () => void) {
    const task = { at: this.time + ms, run }
    this.#tasks.push(task)
    return () => {
      this.#tasks = this.#tasks.filter(each => each !== task)
    }
  }
  get waiting() {
    return this.#tasks.length
  }
  advance(ms: number) {
    this.time += ms
    const due = this.#tasks.filter(task => task.at <= this.time)
    this.#tasks = this.#tasks.filter(task => task.at > this.time)
    for (const task of due) task.run()
  }
}
