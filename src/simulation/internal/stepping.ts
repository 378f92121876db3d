/**
 * Steps a simulation in turns, and keeps the captured ticks until the queue has accepted them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Tick from "../../domain/Tick.ts"
import type { TickQueue } from "../../queue/TickQueue.ts"
import type { Simulation } from "../Simulation.ts"
import { Pacer } from "./Pacer.ts"

/** The ticks that an engine makes. */
export interface Plan {
  readonly simulationRunId: string
  /** Ticks whose number is a multiple of this are captured. */
  readonly samplingInterval: bigint
  readonly maxTicks: bigint | undefined
  readonly pauseTicks: ReadonlySet<bigint>
  readonly ticksPerSecond: number | undefined
  /** Whether a tick is stored or dead-lettered already, and must not be captured again. */
  readonly isSettled: (tickNumber: bigint) => boolean
}

/**
 * A turn ends at the first of these limits. Then its ticks are offered, and other fibers run. Longer turns would delay
 * ticks and files, shorter ones would cost more.
 */
const turn = { steps: 64, bytes: 256 * 1024, milliseconds: 5 } as const

/** The steps of one engine. */
export interface Stepping {
  /** The present tick of the world. */
  readonly current: () => bigint
  /** Ticks that the queue has accepted. */
  readonly produced: () => number
  /** Whether the last tick of the plan is captured. */
  readonly isDone: () => boolean
  /** Whether the engine pauses at the present tick. */
  readonly isPauseTick: () => boolean
  /** Waits until the next step is due. */
  readonly pace: Effect.Effect<void>
  /**
   * Steps at least once, until the turn is over or the next step must wait for something. A step that dies ends the turn.
   * The ticks captured before it are kept and can be offered.
   */
  readonly takeTurn: Effect.Effect<void>
  /** Offers the captured ticks and waits until the queue has accepted them. `false` when the queue has ended. */
  readonly handOver: Effect.Effect<boolean>
}

export const make = Effect.fnUntraced(function* (
  simulation: Simulation["Service"],
  queue: TickQueue["Service"],
  plan: Plan
): Effect.fn.Return<Stepping> {
  const { isSettled, maxTicks, pauseTicks, samplingInterval: interval, simulationRunId } = plan
  const pacer = new Pacer(plan.ticksPerSecond)
  const clock = yield* Clock.Clock
  const capture =
    simulation.tick ?? ((id, captureTimeMs) => Effect.map(simulation.snapshot(id, captureTimeMs), Tick.fromMessage))
  /** The captured ticks that the queue has not accepted yet. */
  let pending: ReadonlyArray<Tick.Tick> = []
  let produced = 0
  let current = yield* simulation.tickNumber
  /** Whether the present tick must still be captured. It stays true when capturing fails. */
  let isCaptureDue = false

  /** Whether the next tick of the sampling interval is settled. Then the steps up to it capture nothing. */
  const isSteppingOver = () => isSettled(current - (current % interval) + interval)
  const isDone = () => !isCaptureDue && maxTicks !== undefined && current >= maxTicks

  const step = Effect.gen(function* () {
    if (isCaptureDue) return
    if (!isSteppingOver()) pacer.step()
    yield* simulation.step
    current = yield* simulation.tickNumber
    isCaptureDue = current % interval === 0n && !isSettled(current)
  })

  const takeTurn = Effect.gen(function* () {
    const untilMs = clock.currentTimeMillisUnsafe() + turn.milliseconds
    const captured: Array<Tick.Tick> = []
    pending = captured
    for (let steps = 1, bytes = 0; ; steps++) {
      yield* step
      const nowMs = clock.currentTimeMillisUnsafe()
      if (isCaptureDue) {
        const tick = yield* capture(simulationRunId, BigInt(Math.floor(nowMs)))
        isCaptureDue = false
        bytes += tick.payload.length
        captured.push(tick)
      } else if (current % interval === 0n) return
      if (isDone() || pauseTicks.has(current)) return
      if (steps >= turn.steps || bytes >= turn.bytes || nowMs >= untilMs) return
      if (!isSteppingOver() && pacer.leftMs(nowMs) > 0) return
    }
  })

  const handOver = Effect.suspend(() => {
    const offered = pending
    if (offered.length === 0) return Effect.succeed(true)
    const accepted = (count: number) => {
      pending = pending.slice(count)
      produced += count
    }
    return Effect.map(queue.offerAll(offered, accepted), (count) => count === offered.length)
  })

  return {
    current: () => current,
    produced: () => produced,
    isDone,
    isPauseTick: () => pauseTicks.has(current),
    pace: Effect.suspend(() => {
      if (isSteppingOver()) return Effect.void
      const left = pacer.leftMs(clock.currentTimeMillisUnsafe())
      return left > 0 ? Effect.sleep(Duration.millis(left)) : Effect.void
    }),
    takeTurn,
    handOver
  }
})
