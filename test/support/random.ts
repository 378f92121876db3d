export { randomFrom, type Random } from "../../src/testing/internal/random.ts"
