/**
 * SIGINT and SIGTERM. Imports nothing, so that it listens before the rest of the program is loaded.
 *
 * While the program loads, a signal ends the process at once. After that, as long as there is nothing to settle, the first
 * signal interrupts the main fiber: what is half done, such as a trial file, is undone, and the process ends. Once there is
 * something to settle, the first signal asks for an end in good order. A second signal ends the process at once, with the
 * account if there is something to settle. A third one ends it without.
 */

/** Is called at a signal: with index 0 at the first one, with 1 at the second one. */
type Listener = (index: number) => void

const signals = [
  { name: "SIGINT", number: 2 },
  { name: "SIGTERM", number: 15 }
] as const

/**
 * Signals that are closer together than this, in milliseconds, count as one. A terminal sends Ctrl-C to npm and to the
 * process that npm has started, and npm passes its own on.
 */
const sameSignalMs = 300

let received = 0
let lastAtMs = Number.NEGATIVE_INFINITY
let firstNumber: number | undefined
let hasMainFiber = false
let listener: Listener | undefined

const onSignal = ({ name, number }: (typeof signals)[number]): void => {
  const atMs = performance.now()
  if (atMs - lastAtMs < sameSignalMs && hasMainFiber) return
  lastAtMs = atMs
  firstNumber ??= number
  const index = received++
  if (listener !== undefined && index < 2) return listener(index)
  if (listener === undefined && index === 0) {
    process.stderr.write(`tickvault: ended by ${name}, there was nothing to settle\n`)
    if (hasMainFiber) return
  }
  process.exit(128 + number)
}

/** Handles signals from now on until the process ends. */
export const listen = (): void => {
  for (const signal of signals) process.on(signal.name, () => onSignal(signal))
}

/** From now on the runtime interrupts the main fiber at a signal. */
export const interruptMain = (): void => {
  hasMainFiber = true
}

/** From now on there is something to settle. `next` is called at each signal, at once if the first one came before. */
export const handOver = (next: Listener): void => {
  listener = next
  if (received > 0) next(0)
}

/** The exit code after a signal: 128 plus the number of the first one. `undefined` when there was no signal. */
export const exitCode = (): number | undefined => (firstNumber === undefined ? undefined : 128 + firstNumber)
