/**
 * A world that advances: how its next tick follows from the present one.
 *
 * In a tick every living organism runs one instruction, the oldest first. Then organisms without energy die, and the
 * strategies run. Nothing else changes a world, and all random numbers come from its `rng`.
 *
 * Energy is conserved to the unit: the energy that the strategies have released, minus the energy spent, is in the
 * organisms and the cells.
 */
import { execute } from "./processor.ts"
import { Rng } from "./rng.ts"
import { Decay, Geysers, Panspermia, Solar, type Strategy } from "./strategies.ts"
import { type Kind, WorldState } from "./worldState.ts"

export class LivingWorld extends WorldState {
  readonly strategies: ReadonlyArray<Strategy>
  private readonly decay = new Decay()

  /** A world without life. */
  constructor(kind: Kind, rng: Rng) {
    super(kind, rng)
    this.strategies = [
      new Solar(kind.organisms),
      new Geysers(kind.organisms),
      this.decay,
      new Panspermia(kind.organisms)
    ]
  }

  /** A new world at tick 0, with its first organisms. */
  static genesis(kind: Kind, seed: number): LivingWorld {
    const world = new LivingWorld(kind, Rng.fromSeed(seed))
    for (const strategy of world.strategies) {
      if (strategy instanceof Geysers) strategy.settle(world)
      if (strategy instanceof Panspermia) strategy.settle(world, kind.organisms)
    }
    return world
  }

  /** Advances the world by one tick. */
  step(): void {
    this.tickNumber += 1n
    this.removeTheDead()
    const born = this.organisms.length
    for (let index = 0; index < born; index++) {
      const organism = this.organisms[index]
      if (organism !== undefined) execute(this, organism)
    }
    this.starve()
    for (const strategy of this.strategies) strategy.run(this)
  }

  /** Removes the organisms that died in the tick before. */
  private removeTheDead(): void {
    if (this.livingOrganisms < this.organisms.length) {
      this.organisms = this.organisms.filter((organism) => !organism.isDead)
    }
  }

  /** Organisms without energy die. */
  private starve(): void {
    let dead: Set<number> | undefined
    for (const organism of this.organisms) {
      if (organism.energy > 0) continue
      this.forget(organism)
      dead = (dead ?? new Set()).add(organism.id)
    }
    if (dead !== undefined) this.decay.release(this, dead)
  }
}
