/**
 * SIGINT and SIGTERM. Imports nothing, so that it listens before the rest of the program is loaded.
 *
 * As long as there is nothing to settle, a signal ends the process at once. Once there is, the first signal asks for an
 * end in good order and the second one for an end at once, with the account. A further one ends the process silently.
 */

/** Is told of a signal: of the first one with index 0, of the second one with 1. */
type Listener = (index: number) => void

const signals = [
  { name: "SIGINT", number: 2 },
  { name: "SIGTERM", number: 15 }
] as const

/**
 * Signals that come closer together than this, in milliseconds, are one: a terminal sends Ctrl-C to npm and to the process
 * that npm has started, and npm passes its own on.
 */
const sameSignalMs = 300

let received = 0
let lastAtMs = Number.NEGATIVE_INFINITY
let listener: Listener | undefined

const onSignal = ({ name, number }: (typeof signals)[number]): void => {
  const atMs = performance.now()
  if (atMs - lastAtMs < sameSignalMs && listener !== undefined) return
  lastAtMs = atMs
  const index = received++
  if (listener !== undefined && index < 2) return listener(index)
  if (listener === undefined) process.stderr.write(`tickvault: ended by ${name}, with nothing in hand to settle\n`)
  process.exit(128 + number)
}

/** Handles signals from now on until the process ends. */
export const listen = (): void => {
  for (const signal of signals) process.on(signal.name, () => onSignal(signal))
}

/** From now on there is something to settle, and `next` is told of signals. */
export const handOver = (next: Listener): void => {
  listener = next
}
