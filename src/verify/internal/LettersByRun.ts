/**
 * The letters of the dead-letter queues, by the runs of their ticks. Each is read once. Their bytes are not kept.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DeadLetter from "../../deadletter/DeadLetter.ts"
import type { DeadLetterError, DeadLetterQueue } from "../../deadletter/DeadLetterQueue.ts"
import { DeadLetterQueues } from "../../deadletter/DeadLetterQueues.ts"
import * as RunId from "../../domain/RunId.ts"
import * as TickSet from "../../domain/TickSet.ts"
import type { StorageError } from "../../storage/StorageError.ts"

/** A waiting letter, and its ticks of a single run. */
export interface Waiting {
  readonly id: string
  readonly reason: string
  /** The service that put it into the queue. */
  readonly service: string
  readonly stretches: ReadonlyArray<TickSet.Stretch>
}

/** What is known about a letter. */
type Known =
  | {
      readonly _tag: "Readable"
      readonly reason: string
      readonly service: string
      readonly stretchesByRun: ReadonlyMap<string, ReadonlyArray<TickSet.Stretch>>
    }
  | { readonly _tag: "Damaged"; readonly problem: string }

type Queue = DeadLetterQueue["Service"]

const byRun = (letter: DeadLetter.DeadLetter) =>
  Effect.map(DeadLetter.ticks(letter), (ticks): Known => {
    const groups = Map.groupBy(ticks, ({ simulationRunId }) => simulationRunId)
    return {
      _tag: "Readable",
      reason: letter.reason,
      service: letter.message.sourceService,
      stretchesByRun: new Map(
        [...groups].map(([runId, group]) => [
          runId,
          TickSet.stretches(group.map(({ tickNumber }) => tickNumber).filter((tickNumber) => tickNumber >= 0n))
        ])
      )
    }
  })

const damaged = ({ problem }: DeadLetter.LetterDamaged): Known => ({ _tag: "Damaged", problem })

/** A problem of a letter is a finding. A failure of the folder of letters is a failure of `verify`. */
const unread = (error: DeadLetterError): Effect.Effect<Known | undefined, StorageError> => {
  switch (error.reason._tag) {
    case "LetterMissing":
      return Effect.undefined
    case "LetterNotRead":
    case "LetterNotWritten":
      return Effect.fail(error.reason.cause)
    case "LetterDamaged":
      return Effect.succeed(damaged(error.reason))
    default:
      return Effect.succeed({ _tag: "Damaged", problem: error.reason.message })
  }
}

const read = (queue: Queue, id: string): Effect.Effect<Known | undefined, StorageError> =>
  queue.get(id).pipe(
    Effect.flatMap((letter) => Effect.catch(byRun(letter), (error) => Effect.succeed(damaged(error)))),
    Effect.catchTag("DeadLetterError", unread)
  )

/** The number of letters read at the same time. */
const concurrency = 4

/** It has state: don't share it. */
export class LettersByRun {
  private readonly queues: ReadonlyArray<Queue>
  private letters = new Map<string, Known>()

  constructor(queues: ReadonlyArray<Queue>) {
    this.queues = queues
  }

  /** Lists the letters again, and reads the new ones. */
  readonly refresh = Effect.suspend(() => {
    const found = new Map<string, Known>()
    const one = (queue: Queue) =>
      queue.ids.pipe(
        Stream.catchTag("DeadLetterError", (error) => Stream.fromEffectDrain(unread(error))),
        Stream.mapEffect(
          (id) => {
            const known = this.letters.get(id)
            return Effect.map(known === undefined ? read(queue, id) : Effect.succeed(known), (letter) => {
              if (letter !== undefined) found.set(id, letter)
            })
          },
          { concurrency }
        ),
        Stream.runDrain
      )
    return Effect.map(Effect.forEach(this.queues, one), () => void (this.letters = found))
  })

  has(id: string): boolean {
    return this.letters.has(id)
  }

  /** The letters that have ticks of the run. */
  of(runId: string): ReadonlyArray<Waiting> {
    return [...this.letters].flatMap(([id, letter]) => {
      if (letter._tag === "Damaged") return []
      const { reason, service, stretchesByRun } = letter
      const stretches = stretchesByRun.get(runId)
      return stretches === undefined ? [] : [{ id, reason, service, stretches }]
    })
  }

  /** The runs with ticks in letters. Ticks with an invalid run id or number don't count. */
  get runIds(): ReadonlyArray<RunId.RunId> {
    const runIds = [...this.letters.values()].flatMap((letter) =>
      letter._tag === "Damaged" ? [] : [...letter.stretchesByRun].filter(([, { length }]) => length > 0)
    )
    return [...new Set(runIds.map(([runId]) => runId))].filter(RunId.is)
  }

  /** The letters that can't be read. The runs of their ticks are not known. */
  get damaged(): ReadonlyArray<{ readonly id: string; readonly problem: string }> {
    return [...this.letters].flatMap(([id, letter]) =>
      letter._tag === "Damaged" ? [{ id, problem: letter.problem }] : []
    )
  }
}

/** The letters of the queues of the context. None is read yet. */
export const make: Effect.Effect<LettersByRun, never, DeadLetterQueues> = Effect.map(
  DeadLetterQueues,
  (queues) => new LettersByRun(queues)
)
