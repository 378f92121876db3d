/**
 * Rows in aligned columns.
 */

export interface Column {
  readonly title: string
  readonly align: "left" | "right"
}

export const left = (title: string): Column => ({ title, align: "left" })

export const right = (title: string): Column => ({ title, align: "right" })

/** Rows without titles, a line each, two spaces between the columns. Columns are left-aligned by default. */
export const aligned = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  aligns: ReadonlyArray<Column["align"]> = []
): ReadonlyArray<string> => {
  const widths = Array.from({ length: rows[0]?.length ?? 0 }, (_, index) =>
    rows.reduce((width, row) => Math.max(width, row[index]?.length ?? 0), 0)
  )
  return rows.map((row) =>
    widths
      .map((width, index) => {
        const cell = row[index] ?? ""
        return aligns[index] === "right" ? cell.padStart(width) : cell.padEnd(width)
      })
      .join("  ")
      .trimEnd()
  )
}

/** The titles and the rows, formatted by `aligned`. */
export const lines = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> =>
  aligned(
    [columns.map(({ title }) => title), ...rows],
    columns.map(({ align }) => align)
  )
