/** `count` light colors, as CSS takes them, that suit each other; the same word always gives the same ones. */
export function palette(word: string, count: number): string[] {
  const random = generator(word);
  const start = random() * 360;
  return Array.from({ length: count }, (_, index) => {
    // The golden angle keeps neighbors apart, however many there are.
    const hue = Math.round((start + index * 137.508) % 360);
    const saturation = 45 + Math.round(random() * 35);
    const lightness = 70 + Math.round(random() * 20);
    return `hsl(${hue} ${saturation}% ${lightness}%)`;
  });
}

/** Numbers from 0 to 1 that depend on the word alone: FNV-1a, then xorshift. */
function generator(word: string): () => number {
  let state = 2166136261;
  for (const byte of new TextEncoder().encode(word)) state = Math.imul(state ^ byte, 16777619);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
