export type Cell = string | number | null;

const cell = (value: Cell): string => {
  if (value === null) return '';
  const text = String(value);
  // A text that a spreadsheet would take for a formula is defused; numbers stay numbers.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** RFC 4180 with a point as decimal sign, whatever the language of the screen. */
export const csvOf = (rows: Cell[][]): string => rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';

export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
