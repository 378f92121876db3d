// @module-tag integration
// The example itself has no line for the tags of this project, so that a copy of it runs anywhere.
import "../../examples/own-storage.test.ts"
