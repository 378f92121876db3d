// @module-tag integration
// These are tests of real processes. @effect-diagnostics nodeBuiltinImport:off asyncFunction:off newPromise:off
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { platform } from "node:process"
import { assert, describe, it } from "vitest"
import { accountOf, canLimit, makeRoom, pause, type Started, start, temporaryFolder } from "../support/process.ts"
import { readRecorded } from "../support/recordedFiles.ts"
import { parseDelimited } from "../support/storedRuns.ts"

const MiB = 1024 * 1024
const budgetBytes = 16 * MiB
const inputBytes = 20 * budgetBytes

/** Node alone takes about 120 MiB of it. A queue without a bound would hold all of the input besides. */
const boundMiB = 450

const varint = (value: number): Buffer => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}

/** Ticks of 32 KB without end, made of recorded ones: a number at the end of a message counts for the whole of it. */
function* renumbered(): Generator<Buffer, never> {
  const recorded = parseDelimited(readRecorded("evochora-60-organisms.pb.zst"))
  for (let tick = 1; ; tick++) {
    const { payload } = recorded[tick % recorded.length]!
    const number = Buffer.concat([Buffer.from([16]), varint(tick)])
    yield Buffer.concat([varint(payload.length + number.length), payload, number])
  }
}

/** How ticks are stored, and a size of files that no batch keeps to. */
const ways = [
  { compression: "zstd", fileSizeLimitKiB: 4 },
  { compression: "none", fileSizeLimitKiB: 64 }
] as const

const isPossible = platform === "linux" && canLimit

/** The most memory that the process has had so far; 0 when it has just ended. */
const peakMiB = ({ child }: Started): number => {
  const [, kiB = 0] = /VmHWM:\s+(\d+) kB/u.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? []
  return Number(kiB) / 1024
}

describe.runIf(isPossible).each(ways)("memory (compression $compression)", ({ compression, fileSizeLimitKiB }) => {
  it("stays within bounds while the storage is slower than the source", { timeout: 120_000 }, async () => {
    const data = temporaryFolder()
    const args = ["ingest", "-", "--data", data, "--json", "--max-retries", "0", "--compression", compression]
    const process_ = start(args, { env: { TICKVAULT_RAW_TICK_DATA_MAX_BYTES: `${budgetBytes}` }, fileSizeLimitKiB })
    await process_.logs(/Service started/u)

    const { stdin } = process_.child
    let ticks = 0
    let sentBytes = 0
    const feed = async () => {
      for (const message of renumbered()) {
        if (sentBytes >= inputBytes) break
        ticks++
        sentBytes += message.length
        if (!stdin.write(message)) await new Promise((resolve) => stdin.once("drain", resolve))
      }
      stdin.end()
    }
    const fed = feed()

    // Nothing can be stored: the source is held back once the queue and one batch are full.
    await process_.logs(/both refuse/u)
    let before = -1
    while (before !== sentBytes) {
      before = sentBytes
      await pause(700)
    }
    assert.isBelow(sentBytes, 5 * budgetBytes)
    const stalledMiB = peakMiB(process_)

    makeRoom(process_)
    await fed
    let highestMiB = peakMiB(process_)
    while (process_.child.exitCode === null) {
      try {
        highestMiB = Math.max(highestMiB, peakMiB(process_))
      } catch {
        break // it has just ended
      }
      await pause(20)
    }
    const ended = await process_.ended
    assert.strictEqual(ended.code, 0, ended.stderr)
    const account = accountOf(ended)
    assert.include({ ...account }, { received: ticks, written: ticks, writtenBytes: sentBytes })
    const [runId = ""] = account.runIds
    const files = readdirSync(join(data, runId)).filter((name) => name.startsWith("batch_"))
    assert.strictEqual(
      files.reduce((total, file) => total + statSync(join(data, runId, file)).size, 0),
      account.storedBytes
    )
    if (compression === "none") assert.strictEqual(account.storedBytes, sentBytes)
    else assert.isBelow(account.storedBytes, sentBytes / 10)
    assert.isBelow(highestMiB, boundMiB)
    // The figure that a reader of a test log may want to know.
    process.stdout.write(
      `peak memory for ${Math.round(sentBytes / MiB)} MiB of ticks through a queue of ${budgetBytes / MiB} MiB: ` +
        `${Math.round(highestMiB)} MiB (${Math.round(stalledMiB)} MiB while the storage refused)\n`
    )
  })
})
