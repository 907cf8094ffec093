/** Runs `act` for 0 … count − 1, `size` at a time. */
export async function inGroups(
  count: number,
  size: number,
  act: (i: number) => Promise<void>,
): Promise<void> {
  for (let i = 0; i < count; i += size) {
    await Promise.all(Array.from({ length: Math.min(size, count - i) }, (_, j) => act(i + j)))
  }
}
