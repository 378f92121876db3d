/**
 * Rows in aligned columns.
 */

export interface Column {
  readonly title: string
  readonly align: "left" | "right"
}

export const left = (title: string): Column => ({ title, align: "left" })

export const right = (title: string): Column => ({ title, align: "right" })

/** The titles and the rows, a line each, two spaces between the columns. */
export const lines = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const all = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map((_, index) => all.reduce((width, row) => Math.max(width, row[index]?.length ?? 0), 0))
  return all.map((row) =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? ""
        return align === "left" ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)
      })
      .join("  ")
      .trimEnd()
  )
}
